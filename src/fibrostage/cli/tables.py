"""Tables for people: a cohort's description, a run's figures, a study's results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
from rich.markup import escape
from rich.table import Table

from fibrostage import SIMULATED
from fibrostage.analysis.compare_scores import Comparison, Pair
from fibrostage.cohort.describe import Description
from fibrostage.ground.stage import KNOWN
from fibrostage.markers import MARKERS
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.operating import mean_interval


def description_table(description: Description) -> Table:
    cohort = description.cohort
    mark = f" · {SIMULATED}" if cohort.simulated else ""
    table = Table(title=f"{cohort.name} · {cohort.staging.name}{mark}", title_justify="left")
    table.add_column("")
    for column in ("total", *description.columns):
        table.add_column(column, justify="right")
    for row in (description.patients, *description.images, description.candidates):
        name = row.name
        if row is description.patients:
            name = "patients"
        elif row is description.candidates:
            name = f"candidates {row.name}"
        table.add_row(name, f"{row.total:,}", *(f"{count:,}" for count in row.by_stage))
    return table


def figure(values: dict[str, Any]) -> str:
    """An estimate of metrics.json as text."""
    return str(Estimate(values["value"], values["lo"], values["hi"], values.get("why", "")))


def metrics_table(metrics: dict[str, Any]) -> Table:
    mark = f" · {SIMULATED}" if metrics["simulated"] else ""
    percent = round(100 * metrics["confidence"])
    table = Table(title=f"{metrics['method']} · n = {metrics['n_patients']} test patients{mark}", title_justify="left")
    table.add_column("figure")
    table.add_column(f"value [{percent} % CI]")
    table.add_row("accuracy", figure(metrics["accuracy"]))
    table.add_row("average one-vs-rest AUC", figure(metrics["auc_macro"]))
    for cut, values in metrics["auc_at_cut"].items():
        name = cut if cut == metrics["classes"][-1] else f"≥{cut}"
        table.add_row(f"AUC {name}", figure(values))
    return table


def study_views(results: pl.DataFrame, beside: dict[str, pl.DataFrame]) -> Iterator[Table]:
    """A study's tables for people."""
    if "comparison" in beside:
        yield supervised_view(results)
        yield against_view(beside["comparison"])
        return
    yield results_view(results)
    if len(beside["efficiency"]):
        yield efficiency_view(beside["efficiency"])


def supervised_view(results: pl.DataFrame) -> Table:
    mark = f" · {SIMULATED}" if bool(results["simulated"].any()) else ""
    table = Table(title=f"per patient: mean over seeds (interval over divisions){mark}", title_justify="left")
    for column in ("method", "cut", "runs", "n train", "n test"):
        table.add_column(column)
    for column in ("test AUC", "training AUC", "− reference", "p (Holm)"):
        table.add_column(column, justify="right")
    figures = [name.removesuffix("_lo") for name in results.columns if name.endswith("_lo")]
    names = [
        name.removeprefix("auc_at_")
        for name in figures
        if name.startswith("auc_at_") and not name.endswith("_vs_reference")
    ]
    for row in results.iter_rows(named=True):
        keys = (row["method"], row["runs"], row["n_training"], row["n_patients"])
        for cut in names:
            name = f"auc_at_{cut}"
            if row[name] is None:
                continue
            difference, p = row.get(f"{name}_vs_reference"), row.get(f"{name}_vs_reference_p_holm")
            training = row.get(f"training_{name}")
            table.add_row(
                keys[0],
                cut,
                *map(str, keys[1:]),
                interval(row, name),
                "–" if training is None else f"{training:.3f}",
                "" if difference is None else f"{difference:+.3f}",
                "" if p is None else f"{p:.2g}",
            )
        if row.get("auc_macro") is not None:
            table.add_row(keys[0], "all stages", *map(str, keys[1:]), interval(row, "auc_macro"), "", "", "")
    return table


def against_view(comparison: pl.DataFrame) -> Table:
    """The first seed's test cohort: the reference against networks and markers."""
    mark = f" · {SIMULATED}" if bool(comparison["simulated"].any()) else ""
    seed = comparison["seed"][0]
    table = Table(title=f"test cohort of seed {seed}: AUC with interval, DeLong, Holm{mark}", title_justify="left")
    for column in ("cut", "method", "n", "AUC", "reference − it", "p (Holm)"):
        table.add_column(column)
    for row in comparison.filter((pl.col("seed") == seed) & (pl.col("split") == "test")).iter_rows(named=True):
        difference, p = row.get("difference"), row.get("p_holm")
        area = Estimate(row["auc"], row["auc_lo"], row["auc_hi"], "" if row["auc"] is not None else "not defined")
        table.add_row(
            row["cut"],
            row["method"],
            str(row["n"]),
            str(area),
            "" if difference is None else f"{difference:+.3f}",
            "" if p is None else f"{p:.2g}",
        )
    return table


def explanation_line(table: pl.DataFrame) -> str:
    """What the attributions say in one sentence."""
    boxed = table.drop_nulls("share_inside")
    if len(boxed) < 2:
        return f"{len(table)} pictures explained; none has a box, so nothing is measured"
    inside = mean_interval(boxed["share_inside"].to_numpy())
    area = float(boxed["area_inside"].to_numpy().mean())
    return (
        f"inside the box: {inside} of the attribution (mean over {len(boxed)} test patients); the box is {area:.3f} "
        "of the picture"
    )


def results_view(results: pl.DataFrame) -> Table:
    simulated = bool(results["simulated"].any())
    mark = f" · {SIMULATED}" if simulated else ""
    table = Table(title=f"last round: mean over runs [95 % CI over folds, or seeds]{mark}", title_justify="left")
    for column in ("method", "strategy", "runs", "n test"):
        table.add_column(column)
    for column in ("accuracy", "average AUC", "AUC over the curve"):
        table.add_column(column, justify="right", overflow="fold", min_width=9)
    for row in results.iter_rows(named=True):
        table.add_row(
            row["method"],
            row["strategy"],
            str(row["runs"]),
            str(row["n_patients"]),
            *(interval(row, name) for name in ("accuracy", "auc_macro", "curve_mean_auc")),
        )
    return table


def efficiency_view(efficiency: pl.DataFrame) -> Table:
    """What labels bought: areas, their differences to RAND, and the share of the pool to 90, 95, 100 %."""
    mark = f" · {SIMULATED}" if bool(efficiency["simulated"].any()) else ""
    table = Table(title=f"labels: area under the curve, and need for 90/95/100 % of the all-data AUC{mark}")
    table.title_justify = "left"
    for column in ("method", "strategy", "runs"):
        table.add_column(column)
    for column in ("area", "− RAND", "p (Holm)", "first 30 %", "− RAND", "p (Holm)", "90 %", "95 %", "100 %"):
        table.add_column(column, justify="right")
    for row in efficiency.sort("method", "aulc", descending=[False, True]).iter_rows(named=True):
        cells = []
        for name in ("aulc", "aulc_early"):
            difference, p = row.get(f"{name}_vs_random"), row.get(f"{name}_vs_random_p_holm")
            cells += [f"{row[name]:.3f}", "" if difference is None else f"{difference:+.3f}"]
            cells.append("" if p is None else f"{p:.2g}")
        needs = [row.get(f"needed_{level}_share") for level in (90, 95, 100)]
        cells += ["–" if need is None else f"{need:.0%}" for need in needs]
        table.add_row(row["method"], row["strategy"], str(row["runs"]), *cells)
    return table


def doubts_view(table: pl.DataFrame) -> Table:
    """The doubtful among held-out patients, worst first."""
    doubtful = table.filter("doubtful")
    view = Table(title=f"{len(doubtful)} of {len(table)} held-out patients have a doubtful stage", title_justify="left")
    for column in ("patient", "stage given", "stage called", "quality of the label"):
        view.add_column(column)
    for row in doubtful.head(30).iter_rows(named=True):
        view.add_row(escape(row["patient_id"]), escape(row["stage"]), escape(row["called"]), f"{row['quality']:.2f}")
    return view


def ledger_view(content: dict[str, Any]) -> Table:
    """A ledger, a row a round."""
    pending = f", {content['pending']} waiting for an answer" if content["pending"] else ""
    stopped = f" · stopped: {content['stopped']}" if content["stopped"] else ""
    title = f"{content['labels']} {content['unit']}s labelled, {content['rejected']} rejected{pending}{stopped}"
    table = Table(title=escape(title), title_justify="left")
    for column in ("round", "asked at (UTC)", "strategy", "asked", "labelled", "rejected", "closed"):
        table.add_column(column)
    for row in content["rounds"]:
        numbers = (str(row[name]) for name in ("asked", "labelled", "rejected"))
        at = row["at"][:19].replace("T", " ")
        table.add_row(str(row["round"]), at, row["strategy"], *numbers, "yes" if row["closed"] else "no")
    return table


def interval(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    lo, hi = row[f"{name}_lo"], row[f"{name}_hi"]
    return f"{value:.3f}" if lo is None else f"{value:.3f} [{lo:.3f}–{hi:.3f}]"


def marker_view(content: dict[str, Any]) -> Table:
    """A row a marker: how many have it, why others lack it, its spread, its AUC at each cut."""
    cuts = content.get("classes", [])[1:]
    cuts = [cut for cut in cuts if any(cut in row.get("auc_at_cut", {}) for row in content["markers"].values())]
    mark = f" · {SIMULATED}" if content["simulated"] else ""
    staging = f" · {content['staging']}" if "staging" in content else ""
    table = Table(title=escape(f"{content['n']} patients{staging}{mark}"), title_justify="left")
    for column in ("marker", "n", "missing", "median [quartiles]", *(escape(f"AUC at {cut}") for cut in cuts)):
        table.add_column(column)
    for row in content["markers"].values():
        if not row["n"]:
            continue
        spread = f"{row['median']:.3g} [{row['q1']:.3g}–{row['q3']:.3g}] {row['unit']}"
        figures = []
        for cut in cuts:
            values = row.get("auc_at_cut", {}).get(cut)
            fewer = f", n = {values['n']}" if values and values["n"] != row["n"] else ""
            figures.append("–" if values is None or values["value"] is None else figure(values) + fewer)
        table.add_row(row["title"], str(row["n"]), missing_text(row), spread, *figures)
    return table


def not_computed(content: dict[str, Any]) -> str:
    """The markers nobody has, and for want of what."""
    absent = [row for row in content["markers"].values() if not row["n"]]
    return "; ".join(f"{row['title']} ({', '.join((*row['lacking'], *row['refused']))})" for row in absent)


def missing_text(row: dict[str, Any]) -> str:
    """How many lack a marker and for want of what; what was assumed is said too."""
    parts = [f"no {name}: {count}" for name, count in row["lacking"].items()]
    parts += [f"{name} refused: {count}" for name, count in row["refused"].items()]
    parts += [f"{name} assumed: {count}" for name, count in row["assumed"].items()]
    return f"{row['missing']}" + (f" ({', '.join(parts)})" if parts else "")


def marker_catalogue() -> Table:
    """What every marker is made of, and the cut-offs that were published for it."""
    table = Table(title="markers", title_justify="left", show_lines=True)
    for column in ("marker", "columns", "formula and source", "cut-offs"):
        table.add_column(column)
    for marker in MARKERS:
        needs = [f"{need.column} [{need.quantity.unit}]" for need in marker.needs]
        needs += [f"or {marker.speed.column} [{marker.speed.unit}]"] if marker.speed else []
        cutoffs = [
            f"{KNOWN[c.system].cut_name(c.cut)} {c.value:g}{'' if c.role == 'single' else f' ({c.role})'}, {c.whom}: "
            f"{c.source}{'' if c.verified else ' (not verified against the paper)'}"
            for c in marker.cutoffs
        ]
        cells = ("\n".join(needs), f"{marker.formula}\n{marker.source}", "\n".join(cutoffs) or "–")
        table.add_row(marker.title, *map(escape, cells))
    return table


def comparison_views(made: Comparison) -> Iterator[Table]:
    """The areas, at each cut too when the truth is stages, and the paired differences."""
    mark = f" · {SIMULATED}" if made.simulated else ""
    people = f" of {made.clusters} patients" if made.clusters is not None else ""
    positives = "" if made.positives is None else f", {made.positives} positive"
    left = f" · {made.without_truth} rows without {made.question.truth} left out" if made.without_truth else ""
    table = Table(title=escape(f"{made.n} rows{people}{positives}{left}{mark}"), title_justify="left")
    percent = f"[{100 * made.question.confidence:g} % CI]"
    table.add_column("score")
    table.add_column("n")
    table.add_column("missing", justify="right")
    table.add_column(f"{'Obuchowski index' if made.question.ordinal else 'AUC'} {percent}")
    for cut in made.cuts:
        table.add_column(escape(f"AUC {made.data.staging.cut_name(cut.name)}" if made.data.staging else cut.name))
    for name, area in made.main.areas.items():
        at_cuts = [str(cut.areas[name].figure) for cut in made.cuts]
        table.add_row(escape(name), str(area.n), str(made.missing.get(name, 0)), str(area.figure), *at_cuts)
    yield table
    if made.main.pairs:
        yield pairs_table(made.main.pairs, percent)


def pairs_table(pairs: tuple[Pair, ...], percent: str) -> Table:
    table = Table(title="paired differences on common rows", title_justify="left")
    for column in ("pair", "n", f"difference {percent}", "z", "p", "p (Holm)"):
        table.add_column(column)
    for pair in pairs:
        d, names = pair.difference, escape(f"{pair.a} − {pair.b}")
        if d.p is None or d.value is None or d.lo is None or d.hi is None or d.z is None:
            table.add_row(names, str(pair.n), escape(d.why), "–", "–", "–")
            continue
        shown = f"{d.value:+.3f} [{d.lo:+.3f}, {d.hi:+.3f}]"
        table.add_row(names, str(pair.n), shown, f"{d.z:.2f}", f"{d.p:.2g}", f"{pair.p_holm or 0.0:.2g}")
    return table
