"""What the benchmarks show a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fibrostage.stats.estimate import Estimate
from fibrostage.views.table import TableView, marked, number_text, view

Cells = tuple[str | int | Estimate, ...]


@dataclass(frozen=True)
class FigureTable:
    """Figures with their intervals, a row for each way they were made; `key` is what JSON calls it."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Cells, ...]

    def view(self, simulated: bool) -> TableView:
        """The table as it is shown."""
        figures = range(1, len(self.columns))
        return view(marked(self.title, simulated), self.columns, [map(str, row) for row in self.rows], numbers=figures)

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds: a row by its columns."""
        rows = [
            {
                name: cell.as_dict() if isinstance(cell, Estimate) else cell
                for name, cell in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]
        return {"title": self.title, "rows": rows}


class Growing:
    """A table that grows row by row."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.columns: list[str] = []
        self.numbers: list[int] = []
        self.rows: list[tuple[str, ...]] = []

    def add_column(self, name: str, justify: str = "left") -> None:
        if justify == "right":
            self.numbers.append(len(self.columns))
        self.columns.append(name)

    def add_row(self, *cells: str) -> None:
        self.rows.append(cells)

    def view(self) -> TableView:
        return view(self.title, self.columns, self.rows, numbers=self.numbers)


def stats_view(content: dict[str, Any]) -> TableView:
    where = content["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    table = Growing(title=f"{where['cpu']}, {where['cores']} cores, one thread each; {versions}")
    for column in ("task", "n", "other", "ours [ms]", "other [ms]", "other / ours", "answers apart"):
        table.add_column(column)
    for row in content["rows"]:
        task = row["task"] + (f", {row['resamples']} resamples" if row["resamples"] else "")
        times = (f"{1000 * row[name]:.3g}" for name in ("ours_s", "other_s"))
        table.add_row(task, f"{row['n']:,}", row["other"], *times, f"{row['ratio']:.3g}×", f"{row['apart']:.1e}")
    return table.view()


def calibration_view(content: dict[str, Any]) -> TableView:
    names = list(content["rows"][0]["figures"])
    title = (
        f"{content['patients']} patients, {' ⊕ '.join(content['modalities'])}, five folds × {content['seeds']} seeds"
    )
    table = Growing(marked(title, content["simulated"]))
    table.add_column("mean (least to most of the seeds)")
    for row in content["rows"]:
        table.add_column(row["way"])
    if content["best_reader"]:
        table.add_column("best reader")
    best = {"log loss": "log_loss", "accuracy": "accuracy", "kappa": "kappa"}
    for name in names:
        known = content["best_reader"].get(best.get(name, name.replace("AUC ", "auc_at_")))
        cells = [spread_text(row["figures"].get(name)) for row in content["rows"]]
        table.add_row(name, *cells, *([number_text(known)] if content["best_reader"] else []))
    return table.view()


def spread_text(found: dict[str, float] | None) -> str:
    return f"{found['mean']:.3f} ({found['least']:.2f} to {found['most']:.2f})" if found else number_text(None)


def pool_views(content: dict[str, Any]) -> Iterator[TableView]:
    where = content["machine"]
    for shape in content["shapes"]:
        images = " × ".join(f"{count:,}" for count in shape["images"])
        table = Growing(
            title=f"{shape['shape']}: {shape['candidates']:,} candidates of {images} images, T = {shape['passes']}; "
            f"{content['backbone']}, {where['cpu']}, {where['threads']} threads",
        )
        for column in ("way", "measured on", "wall [s]", "CPU [s]", "CPU a candidate [ms]", "× ours", "peak [MB]"):
            table.add_column(column, justify="left" if column == "way" else "right")
        for name, way in shape["ways"].items():
            each = 1000 * way["cpu_s"] / way["candidates"]
            ratio = f"{way['cpu_ratio']:.3g}" if "cpu_ratio" in way else "–"
            extra = f" ({way['setting']})" if "setting" in way else ""
            if "candidates_per_s" in way:
                extra = f" ({way['candidates_per_s'] / 1e6:.3g} million/s)"
            table.add_row(
                name + extra, f"{way['candidates']:,}", f"{way['wall_s']:.3g}", f"{way['cpu_s']:.3g}", f"{each:.3g}",
                ratio, f"{way['peak_mb']:.0f}",
            )  # fmt: skip
        yield table.view()
        if "agreement" in shape:
            yield agreement_table(shape)


def agreement_table(shape: dict[str, Any]) -> TableView:
    found, over = shape["agreement"], shape["over_floor"]
    table = Growing(title="entropies, and the floor")
    table.add_column("what")
    table.add_column("figure")
    table.add_row("ours against the literal network, same masks, float32", f"{found['same_masks_float32']:.1e}")
    table.add_row("the same with features as run", f"{found['same_masks_as_run']:.1e}")
    table.add_row("Monte-Carlo standard deviation", f"{found['monte_carlo_sd']:.1e}")
    for name, ratio in found["own_masks_in_sd"].items():
        table.add_row(f"{name}, its own masks: distance in standard deviations", f"{ratio:.2f}")
    table.add_row("ours over the floor, wall / CPU", f"{over['wall']:.2f} / {over['cpu']:.2f}")
    return table.view()


def train_view(content: dict[str, Any]) -> TableView:
    where = content["machine"]
    table = Growing(
        title=f"{content['backbone']} on 5 × 21 pictures a patient, {where['cpu']}, {where['threads']} threads",
    )
    for column in ("batches", "way", "pairs/s", "images/s", "ratio", "peak [MB]"):
        table.add_column(column, justify="left" if column in ("batches", "way") else "right")
    for name, ways in content["ways"].items():
        for way, ratio in (("ours", "ratio"), ("ours, float32", "ratio_float32"), ("naive", None)):
            row = ways[way]
            times = f"{ways[ratio]:.1f}× pairs/s" if ratio else ""
            speeds = (f"{row['pairs_per_s']:.1f}", f"{row['images_per_s']:.1f}")
            table.add_row(name, way, *speeds, times, f"{row['peak_mb']:.0f}")
    row = content["boundary"]
    speeds = (f"{row['pairs_per_s']:.1f}", f"{row['images_per_s']:.1f}")
    name = f"last blocks from the boundary (cache made in {row['cache_s']:.1f} s)"
    table.add_row(name, "ours", *speeds, f"{row['ratio']:.1f}× images/s", f"{row['peak_mb']:.0f}")
    head = content["head"]
    table.add_row(
        f"head on cached features: {head['candidates']:,} candidates, {head['epochs']} epochs", "ours",
        "", "", f"{head['wall_s']:.2f} s", "",
    )  # fmt: skip
    return table.view()


def intake_view(content: dict[str, Any]) -> TableView:
    where, peak = content["machine"], content["peak_mb"]
    table = Growing(
        title=f"SIMULATED: {content['files']} DICOM files, {content['pictures']} pictures; {where['cpu']}",
    )
    for column in ("way", "files/s", "of bare decoding"):
        table.add_column(column, justify="left" if column == "way" else "right")
    table.add_row("bare decoding, one core", f"{content['bare_files_per_s']:.1f}", "1")
    table.add_row("intake, one core", f"{content['ours_files_per_s']:.1f}", f"{content['ratio']:.2f}")
    spread = content["ours_files_per_s"] * content["scaling"]
    table.add_row(f"intake, {content['cores']} cores", f"{spread:.1f}", f"{content['ratio'] * content['scaling']:.2f}")
    table.add_row(f"memory: half of the files {peak['half']:.0f} MB, all of them {peak['all']:.0f} MB", "", "")
    return table.view()


def boxes_view(content: dict[str, Any]) -> TableView:
    title = f"SIMULATED screens, {content['layouts']}, {content['kind']}; JPEG of quality {content['quality']}"
    table = Growing(title=title)
    for column in ("saved", "boxes", "IoU ≥ 0.95", "IoU ≥ 0.9", "false boxes", "kPa error, opacity fitted", "given",
                   "scales read (wrong) of bars", "font unseen"):  # fmt: skip
        table.add_column(column, justify="left" if column == "saved" else "right")
    for row in content["rows"]:
        shares = [f"{row[k]['value']:.3f} [{row[k]['lo']:.3f}–{row[k]['hi']:.3f}]" for k in ("iou_95", "iou_90")]
        table.add_row(
            row["saved"], str(row["n"]), *shares, f"{row['false_boxes']} of {row['plain']}",
            error_of(row["kpa_fitted"]), error_of(row["kpa_given"]),
            *("{sure} ({wrong}) of {n}".format(**row[f"bars_{name}"]) for name in ("known", "unseen")),
        )  # fmt: skip
    return table.view()


def predict_view(content: dict[str, Any]) -> TableView:
    where = content["machine"]
    table = Growing(title=f"from files to answers; {where['cpu']}, {where['cores']} cores")
    columns = ("exams", "patients", "pictures", "cold [s]", "peak memory [MB]", "warm [s]", "warm, a patient [s]")
    for column in (*columns, "reading", "networks"):
        table.add_column(column, justify="left" if column == "exams" else "right")
    for row in content["rows"]:
        table.add_row(
            row["exams"],
            str(row["patients"]),
            str(row["pictures"]),
            f"{row['cold_s']:.1f}",
            f"{row['peak_mb']:.0f}",
            f"{row['warm_s']:.2f}",
            f"{row['warm_s_per_patient']:.3f}",
            f"{row['reading_share']:.0%}",
            f"{row['network_share']:.0%}",
        )
    return table.view()


def scale_view(content: dict[str, Any]) -> TableView:
    where, half = content["machine"], content["half"]
    table = Growing(title=f"SIMULATED: intake and features in shards; {where['cpu']}, {where['cores']} cores")
    for column in ("nodes", "files", "files/s", "pictures", "pictures/s", "memory of who asks [MB]"):
        table.add_column(column, justify="left" if column == "nodes" else "right")
    for row in (*content["rows"], half):
        name = str(row["nodes"]) if row["nodes"] else "none: one process here"
        figures = f"{row['files_per_s']:.1f}", str(row["pictures"]), f"{row['pictures_per_s']:.1f}"
        table.add_row(name, str(row["files"]), *figures, f"{row['peak_mb']:.0f}")
    return table.view()


def one_machine_views(content: dict[str, Any]) -> Iterator[TableView]:
    where = f"{content['machine']['cpu']}, {content['machine']['cores']} cores"
    if content["memory"]:
        more = content["kb_a_picture"]
        grown = "" if more is None else f"; {more:.1f} KB more a picture"
        table = Growing(title=f"SIMULATED: the memory of an intake{grown}; {where}")
        for column in ("pictures", "memory [MB]"):
            table.add_column(column)
        for row in content["memory"]:
            table.add_row(f"{row['pictures']:,}", f"{row['peak_mb']:.0f}")
        yield table.view()
    if content["twins"]:
        table = Growing(
            title=f"SIMULATED: the search for twins, CPU s of one core; median of {content['rounds']}; {where}"
        )
        for column in ("pictures", "CPU [s]", "pairs that get a second look"):
            table.add_column(column)
        for row in content["twins"]:
            table.add_row(f"{row['prints']:,}", f"{row['cpu_s']:.2f}", f"{row['pairs']:,}")
        yield table.view()


def serve_view(content: dict[str, Any]) -> TableView:
    where = content["machine"]
    table = Growing(
        title=f"{content['exams']} exams of {content['files'] / content['exams']:.1f} files, asked about "
        f"{content['rows'][0]['exams']} times; {where['cpu']}, {where['cores']} cores, threads: {content['threads']}",
    )
    for column in ("way", "exams/s", "p50 [s]", "p95 [s]", "CPU an exam [s]"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for row in content["rows"]:
        figures = (row[name] for name in ("exams_per_s", "p50_s", "p95_s", "cpu_s_per_exam"))
        table.add_row(row["way"], *(f"{figure:.2f}" for figure in figures))
    return table.view()


def error_of(found: dict[str, Any]) -> str:
    if found["half_width"] is None:
        return "–"
    return f"{found['mean_absolute_error']:.2f} ± {found['half_width']:.2f} (n = {found['n']})"


def next_exam_views(content: dict[str, Any]) -> Iterator[TableView]:
    title = (
        f"SIMULATED: {content['cohorts']} cohorts of {content['patients']} patients, {sum(content['new'])} new to the "
        f"network in all, pictures of each modality: {content['pictures']}; one modality shown, one more examined"
    )
    table = Growing(title)
    heads = ("gain", "over chance", "over the fixed choice", "regret, stage", "regret, hindsight")
    for column in ("exam chosen by", "of", *heads):
        table.add_column(column)
    for row in content["rows"]:
        for measure in (name for name in row if name != "policy"):
            table.add_row(row["policy"], measure, *(interval_text(row[measure][head]) for head in heads))
    yield table.view()
    table = Growing("half of the patients are examined: what an exam brings")
    for column in ("who and what by", "of", "gain", "over the most uncertain"):
        table.add_column(column)
    for row in content["half"]:
        for measure in ("log loss", "stage error"):
            own = row[measure]
            table.add_row(row["policy"], measure, *(interval_text(own[head]) for head in list(own)))
    yield table.view()
    moved = interval_text(content["moved"])
    table = Growing(f"what an exam is expected to bring, and brings; the expected answer moves by {moved}")
    for column in ("of", *content["told"]["log loss"]):
        table.add_column(column)
    for measure, own in content["told"].items():
        table.add_row(measure, *map(interval_text, own.values()))
    yield table.view()

    table = Growing("log loss of patients with one modality")
    for column in content["of one modality"]:
        table.add_column(column)
    table.add_row(*map(interval_text, content["of one modality"].values()))
    yield table.view()


def interval_text(found: dict[str, float | None]) -> str:
    if found["value"] is None or found["lo"] is None:
        return number_text(found["value"])
    return f"{found['value']:.3f} [{found['lo']:.3f} to {found['hi']:.3f}]"
