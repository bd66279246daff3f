"""`fibrostage bench`: ours beside others, on the same inputs in one run."""

from __future__ import annotations

from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, print_json, show_caveats
from fibrostage.cli.options import AsJson, CohortFolder, Sets
from fibrostage.cli.render import show

bench = typer.Typer(no_args_is_help=True, help="Ours beside others, on the same inputs in one run.")


@bench.command("stats")
def bench_statistics(as_json: AsJson = False) -> None:
    """DeLong and bootstrap beside confidenceinterval and MLstatkit."""
    from fibrostage.bench.stats import bench_stats
    from fibrostage.bench.tables import stats_view

    content = bench_stats()
    if as_json:
        print_json(content)
    else:
        show(stats_view(content))


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
    from fibrostage.bench.tables import pool_views

    content = bench_pool(tuple(shape or ("5x21",)), backbone, passes, naive, threads, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        for view in pool_views(content):
            show(view)


@bench.command("train")
def bench_training(
    backbone: Annotated[str, typer.Option(help="Which backbone.")] = "efficientnet_lite0",
    batch: Annotated[int, typer.Option(min=2, help="Candidates drawn for a batch.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Batches measured of each way.")] = 6,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch's threads; all cores by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tuning on pairs beside the naive pair loader, from the freeze boundary, and a head fit."""
    from fibrostage.bench.tables import train_view
    from fibrostage.bench.train import bench_train

    content = bench_train(backbone, batch, steps, threads, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        show(train_view(content))


@bench.command("calibration")
def bench_probabilities(
    cohort: CohortFolder,
    seeds: Annotated[int, typer.Option(min=1, help="How many divisions into five folds.")] = 10,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Whether probabilities mean what they say: before and after calibration, beside a logistic regression."""
    from fibrostage.bench.calibration import bench_calibration
    from fibrostage.bench.tables import calibration_view
    from fibrostage.cohort.store import open_cohort

    opened = open_cohort(cohort)
    content = bench_calibration(opened, seeds, tuple(sets or ()), make_progress())
    show_caveats(opened.caveats, opened.simulated)
    if as_json:
        print_json(content)
    else:
        show(calibration_view(content))


@bench.command("next-exam")
def bench_next_exams(
    cohorts: Annotated[int, typer.Option(min=2, help="Simulated cohorts; intervals are over them.")] = 10,
    patients: Annotated[int, typer.Option(min=60, help="Patients of each.")] = 200,
    new: Annotated[float, typer.Option(min=0.05, max=0.9, help="Share of them that is new to the network.")] = 0.25,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each modality.")] = 1,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first cohort.")] = 0,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Which exam to make next: the model's choice beside a fixed one, chance and oracles, on simulated cohorts."""
    from fibrostage.bench.next_exam import bench_next_exam
    from fibrostage.bench.tables import next_exam_views

    content = bench_next_exam(cohorts, patients, new, pictures, tuple(sets or ()), make_progress(), first)
    if as_json:
        print_json(content)
    else:
        for view in next_exam_views(content):
            show(view)


@bench.command("intake")
def bench_intakes(
    patients: Annotated[int, typer.Option(min=5, help="Simulated patients whose DICOM files are taken in.")] = 20,
    video: Annotated[float, typer.Option(min=0, max=1, help="Share of them with a cine loop.")] = 0.3,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is timed; the best counts.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Taking DICOM in beside bare decoding of the same files: speed, scaling and memory."""
    from fibrostage.bench.intake import bench_intake
    from fibrostage.bench.tables import intake_view

    content = bench_intake(patients, video, rounds, progress=make_progress())
    if as_json:
        print_json(content)
    else:
        show(intake_view(content))


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
    from fibrostage.bench.tables import boxes_view

    content = bench_boxes(screens, drawn, seed, make_progress())
    if as_json:
        print_json(content)
    else:
        show(boxes_view(content))


COMMAND = Command("bench", "Try and measure", bench)
