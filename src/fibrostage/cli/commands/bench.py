"""`fibrostage bench`: ours beside others, on the same inputs in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, CohortFolder, Sets
from fibrostage.cli.render import show

if TYPE_CHECKING:
    from fibrostage.bench.answers import AnswersBench
    from fibrostage.bench.curves import CurvesFound

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
    from fibrostage.cohort.in_bucket import open_given

    opened = open_given(cohort, make_progress())
    content = bench_calibration(opened, seeds, tuple(sets or ()), make_progress())
    show_caveats(opened.caveats, opened.simulated)
    if as_json:
        print_json(content)
    else:
        show(calibration_view(content))


@bench.command("answers")
def bench_what_is_said(
    cohort: Annotated[
        Path | None,
        typer.Argument(metavar="COHORT", help="A cohort, asked by its folds; without one, patients are simulated."),
    ] = None,
    cohorts: Annotated[int, typer.Option(min=2, help="Simulated cohorts, each with a model of its own.")] = 20,
    patients: Annotated[int, typer.Option(min=10, help="Patients of each who train.")] = 168,
    new: Annotated[int, typer.Option(min=5, help="New patients whom each is asked of.")] = 200,
    modality: Annotated[
        list[str] | None, typer.Option(help="LSTE LUS LSTQ SSTE (repeat for several); LSTE by default.")
    ] = None,
    closer: Annotated[
        int, typer.Option(min=0, help="Cohorts with models of few patients and of all sites but one, too.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data: Annotated[
        Path | None, typer.Option(help="A folder of folders of pictures that are unlike those of training.")
    ] = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Whether what is said of a new patient can be believed: sets of stages, ruling in and out, pictures told far."""
    from fibrostage.bench.answers import Simulated, bench_answers, bench_answers_of
    from fibrostage.cohort.in_bucket import open_given

    asked, overrides = Simulated(cohorts, patients, new, tuple(modality or ("LSTE",)), seed, closer), tuple(sets or ())
    if cohort is None:
        content = bench_answers(asked, overrides, data, make_progress())
    else:
        content = bench_answers_of(open_given(cohort, make_progress()), overrides, data, make_progress())
    show_found(content, as_json)


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


@bench.command("active")
def bench_rounds(
    cohort: CohortFolder,
    starts: Annotated[int, typer.Option(min=1, help="Starts (seeds) of each way on each fold.")] = 1,
    folds: Annotated[int | None, typer.Option(min=1, help="How many of the folds; all by default.")] = None,
    fast: Annotated[
        list[str] | None, typer.Option(help="Plan values of the fast way (repeat), instead of the usual ones.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the runs here, and do not play them again.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch's threads; all cores by default.")] = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Rounds that train the last blocks, as published and by a fast recipe: seconds a round, and what they reach."""
    import torch

    from fibrostage.bench.active import FASTER, bench_active
    from fibrostage.cohort.store import open_cohort

    if threads is not None:
        torch.set_num_threads(threads)
    opened = open_cohort(cohort)
    content = bench_active(opened, starts, folds, tuple(sets or ()), tuple(fast or FASTER), out, make_progress())
    show_found(content, as_json)


@bench.command("oracle")
def bench_oracles(
    cohort: CohortFolder,
    starts: Annotated[int, typer.Option(min=1, help="Starts (seeds) of each way on each fold.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Keep the runs here, and do not play them again.")] = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """How far a choice could get that has every training label in hand, which no clinic has: a limit to strategies."""
    from fibrostage.bench.oracle import bench_oracle
    from fibrostage.cohort.store import open_cohort

    show_found(bench_oracle(open_cohort(cohort), starts, tuple(sets or ()), out, make_progress()), as_json)


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


@bench.command("scale")
def bench_shards(
    patients: Annotated[int, typer.Option(min=5, help="Simulated patients whose DICOM files are taken in.")] = 20,
    nodes: Annotated[
        list[int] | None, typer.Option(min=1, help="Nodes of one core each (repeat for several); 1 and 2 by default.")
    ] = None,
    pictures: Annotated[
        list[int] | None,
        typer.Option(min=1, help="No nodes: the memory of an intake of so many small PNGs (repeat for several)."),
    ] = None,
    prints: Annotated[
        list[int] | None,
        typer.Option(min=2, help="No nodes: the search for twins among so many pictures (repeat for several)."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often the search for twins is timed; the median.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Intake and features on Ray nodes of this machine beside one process: speed, and memory of half and all. With
    --pictures or --prints, what stays on one machine instead."""
    from fibrostage.bench.one_machine import bench_one_machine
    from fibrostage.bench.scale import bench_scale
    from fibrostage.bench.tables import one_machine_views, scale_view

    if pictures or prints:
        content = bench_one_machine(pictures or (), prints or (), rounds, progress=make_progress())
        if as_json:
            print_json(content)
        else:
            for view in one_machine_views(content):
                show(view)
        return
    content = bench_scale(patients, tuple(nodes or (1, 2)), progress=make_progress())
    if as_json:
        print_json(content)
    else:
        show(scale_view(content))


@bench.command("boxes")
def bench_box_finder(
    screens: Annotated[
        int, typer.Option(min=4, help="Simulated screens; every fourth round of layouts has no box.")
    ] = 400,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="Layouts drawn at random, instead of the ten named ones.")
    ] = False,
    kind: Annotated[
        str,
        typer.Option(
            help="'whole' boxes, boxes 'leaving' the panel, 'cropped' pictures, 'pale' maps, or 'bare' ones: pale and "
            "without a frame."
        ),
    ] = "whole",
    quality: Annotated[
        int, typer.Option("--jpeg", metavar="QUALITY", min=1, max=100, help="Of the JPEG that screens are saved as.")
    ] = 90,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Elastogram boxes and stiffness found on scanner-like screens, beside the truth."""
    from fibrostage.bench.boxes import bench_boxes
    from fibrostage.bench.tables import boxes_view

    content = bench_boxes(screens, drawn, seed, make_progress(), kind, quality)
    if as_json:
        print_json(content)
    else:
        show(boxes_view(content))


@bench.command("predict")
def bench_answering(
    run: Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder.")],
    src: Annotated[list[Path], typer.Argument(metavar="SRC…", help="Folders of exams, a row of the table each.")],
    accept_unmasked: Annotated[bool, typer.Option("--accept-unmasked", help="As 'predict' has it.")] = False,
    as_json: AsJson = False,
) -> None:
    """How long an answer takes from the files on, and how much memory."""
    from fibrostage.bench.predict import bench_predict
    from fibrostage.bench.tables import predict_view

    content = bench_predict(run, src, accept_unmasked, make_progress())
    if as_json:
        print_json(content)
    else:
        show(predict_view(content))


@bench.command("serve")
def bench_service(
    run: Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder.")],
    src: Annotated[Path, typer.Argument(metavar="SRC", help="A folder with a folder an exam.")],
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 4,
    asked: Annotated[int, typer.Option("--exams", min=2, help="Exams asked about in each way and round.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is measured, in turn.")] = 2,
    readers: Annotated[int | None, typer.Option(min=1, help="As 'serve' has it.")] = None,
    pictures: Annotated[int | None, typer.Option("--together", min=1, help="As 'serve' has it.")] = None,
    accept_unmasked: Annotated[bool, typer.Option("--accept-unmasked", help="As 'serve' has it.")] = False,
    as_json: AsJson = False,
) -> None:
    """A service under load, beside one process that answers in a loop."""
    from fibrostage.bench.serve import Load, bench_serve, exams_in
    from fibrostage.bench.tables import serve_view

    given = {"--readers": readers, "--together": pictures}
    options = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    options += ["--queue", str(max(16, clients))]
    load = Load(run, exams_in(src), asked, clients, tuple(options), accept_unmasked)
    content = bench_serve(load, rounds, make_progress())
    if as_json:
        print_json(content)
    else:
        show(serve_view(content))


def show_found(content: AnswersBench | CurvesFound, as_json: bool) -> None:
    """Shows what a benchmark found."""
    show_caveats(content.caveats, content.simulated)
    if as_json:
        print_json(content.as_dict())
        return
    tell(content.title)
    for table in content.tables:
        show(table.view(content.simulated))


COMMAND = Command("bench", "Try and measure", bench)
