"""The commands that need no cohort and no network: markers, compare, precision, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.console import err, make_progress, out, print_json, show_caveats
from fibrostage.ground.errors import IntakeError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Encoding = Annotated[str, typer.Option(help="Encoding of the CSV.")]
Classes = Annotated[str | None, typer.Option(help="The stages in order, mildest first: A,B,C.")]
Confidence = Annotated[float, typer.Option(help="Of every interval.")]


def split(classes: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in classes.split(",")) if classes else ()


def markers(
    patients: Annotated[
        Path | None, typer.Argument(metavar="P.csv", help="patient_id and the columns markers need.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="M.csv: P.csv with a column a marker.")] = None,
    classes: Classes = None,
    shear: Annotated[
        bool, typer.Option("--shear", help="kPa columns hold the shear modulus ρc², not Young's 3ρc².")
    ] = False,
    known: Annotated[bool, typer.Option("--list", help="Show every marker: formula, units, cut-offs, source.")] = False,
    encoding: Encoding = "utf-8",
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """APRI, FIB-4, GPR, NFS, AAR and stiffness of every patient, and how well each stages."""
    from fibrostage.analysis.marker_table import as_dict, catalogue, marker_table, write_markers
    from fibrostage.cli.tables import marker_catalogue, marker_view, not_computed

    if known:
        if as_json:
            print_json(catalogue())
        else:
            out.print(marker_catalogue())
        return
    if patients is None:
        raise IntakeError("markers needs a P.csv (or --list, to see what it should hold)")
    made = marker_table(patients, split(classes), "shear" if shear else "young", encoding, confidence)
    if target is not None:
        write_markers(made, target)
    content = as_dict(made)
    if as_json:
        print_json(content)
    else:
        out.print(marker_view(content))
        if nobody := not_computed(content):
            out.print(f"nobody has, for want of: {nobody}", markup=False, soft_wrap=True)
    show_caveats(made.caveats, made.simulated)
    for refusal in made.refusals[:20]:
        err.print(f"refused: {patients.name} row {refusal.row}: {refusal.reason}", markup=False, soft_wrap=True)
    if len(made.refusals) > 20:
        err.print(f"… and {len(made.refusals) - 20} more refused; --json has them all")
    if target is not None:
        err.print(f"{len(made)} patients in {target}", markup=False, soft_wrap=True)


def compare(
    table: Annotated[Path, typer.Argument(metavar="S.csv", help="A row a patient (or an image, with --cluster).")],
    truth: Annotated[str, typer.Option(help="Column of 1 and 0, or with --ordinal of stages.")],
    score: Annotated[list[str] | None, typer.Option(help="A score that is high in disease (repeat for more).")] = None,
    lower: Annotated[list[str] | None, typer.Option(help="A score that is low in disease.")] = None,
    positive: Annotated[list[str] | None, typer.Option(help="A label of the truth that counts as positive.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column that names the patient of each row.")] = None,
    ordinal: Annotated[bool, typer.Option("--ordinal", help="The truth is stages: Obuchowski index and cuts.")] = False,
    classes: Classes = None,
    penalty: Annotated[str, typer.Option(help="Of the Obuchowski index: linear or unit.")] = "linear",
    reference: Annotated[
        str | None, typer.Option(help="Compare this score with every other, instead of each with each.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the ROC curves as SVG.")] = None,
    encoding: Encoding = "utf-8",
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """Compare scores against one truth: AUCs, paired differences, and what may be concluded."""
    from fibrostage.analysis.compare_scores import Question, compare_scores
    from fibrostage.analysis.conclusion import as_dict, conclusion
    from fibrostage.cli.tables import comparison_views

    question = Question(
        truth, tuple(score or ()), tuple(lower or ()), tuple(positive or ()), cluster, ordinal, split(classes),
        penalty, confidence, reference,  # type: ignore[arg-type]
    )  # fmt: skip
    if plot is not None and plot.suffix.lower() != ".svg":
        raise IntakeError(f"--plot {plot} must end in .svg")
    made = compare_scores(table, question, encoding)
    if as_json:
        print_json(as_dict(made))
    else:
        for view in comparison_views(made):
            out.print(view)
        out.print(conclusion(made), markup=False, soft_wrap=True)
    show_caveats(made.caveats, made.simulated)
    if plot is not None:
        from fibrostage.report.figures import scores_figure
        from fibrostage.results.run_folder import replace_file, write_text

        replace_file(plot, lambda path: write_text(path, scores_figure(made)))
        err.print(f"ROC curves in {plot}", markup=False, soft_wrap=True)


def precision(
    patients: Annotated[int, typer.Argument(help="How many patients will be tested.")],
    prevalence: Annotated[float, typer.Option(help="Share of them that is positive at the cut.")] = 0.3,
    auc: Annotated[float, typer.Option(help="The AUC hoped for.")] = 0.85,
    accuracy: Annotated[float, typer.Option(help="The accuracy hoped for.")] = 0.7,
    width: Annotated[float, typer.Option(help="Also: patients for an AUC interval this wide.")] = 0.1,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The intervals to expect of a number of patients, before the study is done."""
    from fibrostage.stats.precision import expected_precision, patients_for

    found = expected_precision(patients, prevalence, auc, accuracy, confidence)
    enough = patients_for(width, prevalence, auc, confidence)
    if as_json:
        print_json(
            {
                "n": found.n,
                "positives": found.positives,
                "accuracy": found.accuracy.as_dict(),
                "auc": found.auc.as_dict(),
                "confidence": confidence,
                "width": width,
                "n_for_width": enough,
            }
        )
        return
    out.print(f"{found.n} patients, {found.positives} positive, {100 * confidence:g} % intervals to expect:")
    out.print(f"  accuracy {found.accuracy}\n  AUC      {found.auc}")
    out.print(f"an AUC of {auc:g} within ±{width / 2:g} needs about {enough} patients")


bench = typer.Typer(no_args_is_help=True, help="Ours beside others, on the same inputs in one run.")


def doubts(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, best of scheme kfold.")],
    target: Annotated[Path | None, typer.Option("--out", help="A new CSV of every held-out patient.")] = None,
    as_json: AsJson = False,
) -> None:
    """Held-out patients whose stage the pictures contradict, by confident learning."""
    from fibrostage.analysis.doubtful_labels import find_doubts
    from fibrostage.cli.tables import doubts_view
    from fibrostage.ground.errors import RunError
    from fibrostage.results.run_folder import replace_file

    if target is not None and target.exists():
        raise RunError(f"{target} exists; choose another --out")
    table = find_doubts(run)
    if target is not None:
        replace_file(target, table.write_csv)
    if as_json:
        print_json({"n": len(table), "doubtful": table.filter("doubtful").to_dicts()})
    else:
        out.print(doubts_view(table))


@bench.command("stats")
def bench_statistics(as_json: AsJson = False) -> None:
    """DeLong and bootstrap beside confidenceinterval and MLstatkit."""
    from fibrostage.bench.stats import bench_stats
    from fibrostage.cli.bench_tables import stats_view

    content = bench_stats()
    if as_json:
        print_json(content)
    else:
        out.print(stats_view(content))


@bench.command("pool")
def bench_pools(
    shape: Annotated[
        list[str] | None, typer.Option(help="5x5, 5x21, paper, four, cached or huge (repeat for several).")
    ] = None,
    backbone: Annotated[str, typer.Option(help="Which backbone.")] = "efficientnet_lite0",
    passes: Annotated[int, typer.Option(min=1, help="Dropout passes.")] = 20,
    naive: Annotated[int, typer.Option(min=2, help="Candidates measured of each per-candidate way.")] = 8,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch's threads; all cores by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Scoring a pool under Monte-Carlo dropout beside Baal and beside one pass of the backbone."""
    from fibrostage.bench.pool import bench_pool
    from fibrostage.cli.bench_tables import pool_views

    content = bench_pool(tuple(shape or ("5x21",)), backbone, passes, naive, threads, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        for view in pool_views(content):
            out.print(view)


@bench.command("train")
def bench_training(
    backbone: Annotated[str, typer.Option(help="Which backbone.")] = "efficientnet_lite0",
    batch: Annotated[int, typer.Option(min=2, help="Candidates drawn for a batch.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Batches measured of each way.")] = 6,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch's threads; all cores by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tuning on pairs beside the naive pair loader, from the freeze boundary, and a head fit."""
    from fibrostage.bench.train import bench_train
    from fibrostage.cli.bench_tables import train_view

    content = bench_train(backbone, batch, steps, threads, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        out.print(train_view(content))


@bench.command("intake")
def bench_intakes(
    patients: Annotated[int, typer.Option(min=5, help="Simulated patients whose DICOM files are taken in.")] = 20,
    video: Annotated[float, typer.Option(min=0, max=1, help="Share of them with a cine loop.")] = 0.3,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is timed; the best counts.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Taking DICOM in beside bare decoding of the same files: speed, scaling and memory."""
    from fibrostage.bench.intake import bench_intake
    from fibrostage.cli.bench_tables import intake_view

    content = bench_intake(patients, video, rounds, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        out.print(intake_view(content))


@bench.command("boxes")
def bench_box_finder(
    screens: Annotated[
        int, typer.Option(min=4, help="Simulated screens; every fourth round of layouts has no box.")
    ] = 400,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="Layouts drawn at random, instead of the ten named ones.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Elastogram boxes and stiffness found on scanner-like screens, beside the truth."""
    from fibrostage.bench.intake import bench_boxes
    from fibrostage.cli.bench_tables import boxes_view

    content = bench_boxes(screens, drawn, seed, make_progress())
    if as_json:
        print_json(content)
    else:
        out.print(boxes_view(content))
