"""fibrostage's commands. Each parses its arguments, calls one function and prints; errors are one line."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from fibrostage import RESEARCH_USE, SIMULATED, __version__
from fibrostage.cli.analysis import bench, compare, doubts, markers, precision
from fibrostage.cli.console import err, make_progress, out, print_json, show_caveats
from fibrostage.cli.intake import intake, show_description
from fibrostage.cli.ledger import ledger
from fibrostage.cli.options import AsJson, PlanFile, Sets, read_plan
from fibrostage.ground.errors import FibrostageError, PlanError

app = typer.Typer(
    help=f"Stage liver fibrosis from multi-modal ultrasound, and choose which exam to label next. {RESEARCH_USE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Cohort = Annotated[Path, typer.Argument(help="A cohort folder made by 'fibrostage intake'.")]


@app.command()
def phantom(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for pictures and CSVs.")],
    patients: Annotated[int, typer.Option(min=5, help="How many patients.")] = 168,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    bmode_signal: Annotated[float, typer.Option(min=0, help="How much B-mode shows of fibrosis.")] = 1.0,
    bad: Annotated[float, typer.Option(min=0, max=1, help="Share of bad pictures.")] = 0.08,
    missing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of patients lacking LUS, LSTQ or SSTE, each.")
    ] = 0.08,
    video: Annotated[float, typer.Option(min=0, max=1, help="Share of patients with 20–30 more B-mode frames.")] = 0.0,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only this modality (repeat for several): LSTE LUS LSTQ SSTE.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Pictures of each modality a patient; else as in the MMFN paper.")
    ] = None,
    excluded: Annotated[
        int, typer.Option(min=0, help="How many of the patients carry a reason not to be studied.")
    ] = 0,
    form: Annotated[
        str, typer.Option("--format", help='"png" pictures, or "dicom": scanner screens with names to remove.')
    ] = "png",
) -> None:
    """Simulate a cohort: pictures, CSVs and a plan, with the truth in files of its own."""
    from fibrostage.ground.errors import nearest
    from fibrostage.phantom.write import COUNTS, Recipe, write_phantom

    chosen = tuple(modality or COUNTS)
    for name in chosen:
        if name not in COUNTS:
            raise PlanError(f"--modality {name!r}{nearest(name, COUNTS)}; the phantom has {', '.join(COUNTS)}")
    if excluded > patients - 5:
        raise PlanError(
            f"--excluded {excluded} leaves {patients - excluded} of {patients} patients; at least 5 must stay"
        )
    recipe = Recipe(patients, seed, bmode_signal, bad, missing, video, chosen, pictures, excluded, form)
    write_phantom(target, recipe, make_progress())
    err.print(f"{SIMULATED} cohort of {patients} patients in {target}")
    listed = "" if form == "dicom" else f"--images {target}/images.csv "  # rules of the plan tell DICOM files apart
    err.print(
        f"next: fibrostage intake {target} --patients {target}/patients.csv {listed}"
        f"--plan {target}/plan.toml --out COHORT",
        soft_wrap=True,
    )


@app.command()
def describe(
    cohort: Cohort,
    modality: Annotated[
        list[str] | None, typer.Option(help="Count candidates over this modality (repeat for several).")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Rehash every stored picture.")] = False,
    as_json: AsJson = False,
) -> None:
    """Patients, images and candidates by stage and modality, and who lacks what."""
    from fibrostage.cohort.describe import describe as describe_cohort
    from fibrostage.cohort.store import open_cohort, verify_pixels

    opened = open_cohort(cohort)
    if verify:
        verify_pixels(opened)
    description = describe_cohort(opened, modality)
    if as_json:
        print_json(description.as_dict())
    else:
        show_description(description)


@app.command()
def train(
    cohort: Cohort,
    target: Annotated[Path, typer.Option("--out", help="A new run folder.")],
    plan: PlanFile = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """One supervised run, evaluated on held-out patients (on every fold, with kfold or column)."""
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.train import plan_for
    from fibrostage.learn.train import train as run

    opened = open_cohort(cohort)
    data, source = read_plan(plan)
    run(opened, plan_for(opened, data, sets or [], source), target, make_progress())
    show_run(target, opened, as_json)


@app.command()
def active(
    cohort: Cohort,
    target: Annotated[Path, typer.Option("--out", help="A new run folder, or with --resume an old one.")],
    plan: PlanFile = None,
    sets: Sets = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    labels: Annotated[
        Path | None, typer.Option(help="Answers of another run ('ledger export' as .csv); they are the first round.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL", help="Keep the ledger in PostgreSQL (or set $FIBROSTAGE_LEDGER)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One retrospective active-learning run."""
    from fibrostage.campaign.run import run_active
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.train import plan_for
    from fibrostage.ledger.export import carry

    opened = open_cohort(cohort)
    if resume and plan is None and not sets:
        plan = target / "plan.json"
    data, source = read_plan(plan)
    parsed = plan_for(opened, data, sets or [], source)
    classes = parsed.staging.resolve().classes
    brought = None if labels is None else lambda units: carry(labels, units, opened.patient_ids, classes)
    run_active(opened, parsed, target, resume, make_progress(), url, brought)
    show_run(target, opened, as_json)


def show_run(target: Path, cohort: Any, as_json: bool) -> None:
    from fibrostage.cli.tables import metrics_table
    from fibrostage.results.run_folder import METRICS, read_json

    metrics = read_json(target / METRICS)
    show_caveats(cohort.caveats, cohort.simulated)
    if as_json:
        print_json(metrics)
    else:
        out.print(metrics_table(metrics))
    err.print(f"run in {target}; next: fibrostage report {target}", soft_wrap=True)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder with a model.")],
    cohort: Annotated[Path, typer.Argument(metavar="COHORT", help="The cohort to stage.")],
    target: Annotated[Path, typer.Option("--out", help="A new CSV of patients and probabilities.")],
) -> None:
    """Stage the patients of a cohort with a trained model."""
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.model import predict_cohort

    opened = open_cohort(cohort)
    table = predict_cohort(run, opened, target, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    err.print(f"{len(table)} patients staged in {target}. {RESEARCH_USE}", soft_wrap=True)


@app.command()
def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY.toml")],
    target: Annotated[Path, typer.Option("--out", help="The study's folder; goes on if it was begun.")],
    sets: Sets = None,
    engine: Annotated[str, typer.Option(help='"local" (a process a core), or "ray".')] = "local",
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; without it one is begun on this machine.")
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs a run takes on Ray; parts of one too.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """A grid of active-learning runs and what labels bought, or of supervised runs beside markers."""
    from fibrostage.cli.tables import study_views
    from fibrostage.results.run_folder import read_json
    from fibrostage.study.engines import engine_named
    from fibrostage.study.run_study import STUDY, run_study, tables_beside

    results = run_study(file, target, sets or [], make_progress(), engine_named(engine, address, gpus))
    beside = tables_beside(target)
    failures = read_json(target / STUDY)["failures"]
    if as_json:
        others = {name: table.to_dicts() for name, table in beside.items()}
        print_json({"results": results.to_dicts(), **others, "failures": failures})
    else:
        for view in study_views(results, beside):
            out.print(view)
    if failures:
        err.print(f"{len(failures)} runs failed, see {target / STUDY}; another call tries them again", soft_wrap=True)
    err.print(f"study in {target}; next: fibrostage report {target}", soft_wrap=True)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="A run folder with one model.")],
    cohort: Cohort,
    pictures: Annotated[int, typer.Option(min=1, help="How many test patients, one picture each.")] = 24,
    by: Annotated[str, typer.Option(help='"occlusion", or "gradients" (integrated).')] = "occlusion",
    modality: Annotated[str | None, typer.Option(help="Of a fused network; its first one otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Where a network looks in test pictures, and how much of that lies inside the elastogram's box."""
    from fibrostage.cli.tables import explanation_line
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.explain import explain_run

    opened = open_cohort(cohort)
    table = explain_run(run, opened, pictures, by, modality, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    if as_json:
        print_json({"pictures": table.to_dicts(), "simulated": opened.simulated})
    else:
        out.print(explanation_line(table), markup=False, soft_wrap=True)
    err.print(f"attributions in {run}; next: fibrostage report {run}", soft_wrap=True)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run's or a study's folder.")],
    target: Annotated[Path | None, typer.Option("--out", help="Where the report goes; DIR/report by default.")] = None,
) -> None:
    """One self-contained HTML page of a run or a study."""
    from fibrostage.report.page import write_report

    err.print(f"report in {write_report(folder, target)}", soft_wrap=True)


@app.command()
def demo(
    target: Annotated[Path, typer.Option("--out", help="A new folder for everything.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=40)] = 150,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulated cohort → study of mono-modal and fused networks with RAND and ESD → report."""
    from fibrostage.cli.tables import results_view
    from fibrostage.study.demo import run_demo

    results, page = run_demo(target, patients, seed, make_progress())
    out.print(results_view(results))
    out.print(f"report: {page}", soft_wrap=True)


for command in (intake, markers, compare, precision, doubts):
    app.command()(command)
app.add_typer(bench, name="bench")
app.add_typer(ledger, name="ledger")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit


INTERRUPTED = 130  # what Typer makes of Ctrl-C
TERMINATED = 143


def terminated(_signal: int, _frame: object) -> None:
    """A scheduler's request to stop: leave by the same clean way as Ctrl-C."""
    sys.exit(TERMINATED)


def main() -> None:
    """The entry point: domain errors and interruptions become one line and an exit code."""
    signal.signal(signal.SIGTERM, terminated)
    try:
        app()
    except FibrostageError as error:
        err.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except SystemExit as stop:
        if stop.code in (INTERRUPTED, TERMINATED):
            err.print(
                "stopped; no half cohort or run is left; 'active' goes on with --resume, "
                "'study' and 'intake' as they were called",
                soft_wrap=True,
            )
        raise


if __name__ == "__main__":
    main()
