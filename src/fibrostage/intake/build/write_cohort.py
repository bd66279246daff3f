"""From what was gathered to the cohort's files: what stops it, what is added up, what is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage import SIMULATED
from fibrostage.cohort.best_reader import CEILING
from fibrostage.cohort.confounding import check_confounding
from fibrostage.cohort.parts import PIXELS, write_pixels, write_places
from fibrostage.cohort.store import TABLES_READ, TAKEN_IN, Modality, write_tables
from fibrostage.cohort.tables import IMAGES
from fibrostage.ground.errors import IntakeError, Problems
from fibrostage.ground.files import write_json
from fibrostage.ground.progress import Progress, counted
from fibrostage.ground.units import suspicions
from fibrostage.intake.build.assemble import PLACE, with_days, with_markers
from fibrostage.intake.build.choices import Intake
from fibrostage.intake.build.contact_sheet import FOLDER, Tile, write_sheets
from fibrostage.intake.build.gather import Gathered, gather
from fibrostage.intake.build.journal import Journal, Place
from fibrostage.intake.build.left_out import exclusions_of, write_link
from fibrostage.markers import measured
from fibrostage.plan.commands import INTAKE
from fibrostage.plan.run_plan import Plan

MEND = "Mend them, or go on without what is bad with --skip-bad."


def finish(
    journal: Journal, codes: list[str | None], intake: Intake, work: Path, out: Path, progress: Progress
) -> None:
    """From the journal to the cohort's files in `work`, step by step; raises `IntakeError` where a step refuses."""
    of = gather(journal, codes, intake, progress)
    refuse(of)
    confirm(of)
    measure(of)
    write_pictures(of, work)
    write_rows(of, work, intake.plan.cohort.name or out.name)
    keep_ceiling(of, work)


def keep_plan(of: Gathered, work: Path) -> None:
    """What the files were read by, so that others can be read the same way later."""
    told = of.plan.model_dump(mode="json")
    write_json(work / TAKEN_IN, {name: told[name] for name in INTAKE.sections})


def keep_ceiling(of: Gathered, work: Path) -> None:
    """What the best reader of simulated pictures reaches, where their folder says it."""
    for folder in of.intake.sources.folders:
        if of.simulated and (folder / CEILING).is_file():
            shutil.copyfile(folder / CEILING, work / CEILING)
            return


def refuse(of: Gathered) -> None:
    """Raises `IntakeError` where there are problems that nobody allowed, or nothing is left."""
    if len(of.intake.problems) and not of.choices.skip_bad:
        raise refusal(of.intake.problems)
    if len(of.pairs) and not (of.choices.group_near_duplicates or of.choices.allow_duplicates):
        later = np.isin(np.arange(len(of.pictures)), of.pairs.max(axis=1))
        of.pictures = of.pictures.filter(~pl.Series(later))
    if not len(of.pictures):
        raise refusal(of.intake.problems, "no picture could be taken in")


def confirm(of: Gathered) -> None:
    """Asks whether the rules took the files for the right thing; raises `IntakeError` where they did not."""
    if of.choices.confirm is not None and not of.choices.confirm(counts(of.pictures)):
        raise IntakeError("not confirmed; nothing was written, and what was read is kept for the next call")


def measure(of: Gathered) -> None:
    """Markers from stiffness, and a warning where what should not tell the stage does."""
    of.patients = with_markers(of.patients, of.pictures, of.readings, of.plan)
    found = check_confounding(of.patients, of.pictures, of.plan.staging.whole())
    of.caveats += [one.warning() for one in found]
    known = {name: one for name, one in measured().items() if name in of.patients.columns}
    columns = {name: of.patients[name].to_numpy().astype(np.float64) for name in known}
    for name, odd in suspicions(known, columns, of.plan.stated_units).items():
        of.caveats.append(f"{odd}; state the unit in the plan, as units.{name} = {known[name].unit!r}")


def write_pictures(of: Gathered, work: Path) -> None:
    """Pixels, and the contact sheet."""
    (work / PIXELS).mkdir()
    store_pixels(of.journal, of.pictures, of.places, of.plan, work, of.progress)
    title = f"{SIMULATED}: what was kept" if of.simulated else "what was kept"
    write_sheets(work / FOLDER, tiles(of), title)


def write_rows(of: Gathered, work: Path, name: str) -> None:
    """The tables, and the user's own link back to ids where it was asked for."""
    keep_plan(of, work)
    if of.intake.tables:
        write_json(work / TABLES_READ, of.intake.tables)
    studied = set(of.named.patients.values()) | set(of.patients["patient_id"])
    write_tables(
        work,
        name=name,
        staging=of.plan.staging.whole(),
        modalities=[Modality(m.name, m.kind, m.size, m.stored_channels, m.fit) for m in of.plan.modality],
        patients=of.patients,
        images=images_of(of.pictures),
        exclusions=exclusions_of(of.intake, studied, of.words),
        simulated=of.simulated,
        caveats=of.caveats,
        source=", ".join(f"{count} {kind}" for kind, count in formats(of.pictures)),
        key=of.intake.privacy.mark,
    )
    if of.choices.link is not None:
        write_link(of.choices.link, of.intake)


def counts(pictures: pl.DataFrame) -> pl.DataFrame:
    """Pictures, files and patients by modality."""
    return pictures.group_by("modality", maintain_order=True).agg(
        pictures=pl.len(), files=pl.col("source").n_unique(), patients=pl.col("patient_id").n_unique()
    )


def formats(pictures: pl.DataFrame) -> list[tuple[str, int]]:
    table = pictures.group_by("source_format", maintain_order=True).agg(pl.col("source").n_unique())
    return [(str(kind), int(count)) for kind, count in table.iter_rows()]


def images_of(pictures: pl.DataFrame) -> pl.DataFrame:
    """The images table; an id says where a picture's pixels are."""
    numbered = with_days(pictures).with_columns(
        image_id=pl.format("{}-{}", "modality", pl.int_range(pl.len()).over("modality"))
    )
    return numbered.select(*IMAGES)


def store_pixels(
    journal: Journal, pictures: pl.DataFrame, places: list[Place], plan: Plan, folder: Path, progress: Progress
) -> None:
    """The pixels of a cohort's `folder`, copied from the journal one picture at a time."""
    where = []
    with progress.task("writing pictures", len(pictures)) as advance:
        for modality in plan.modality:
            own = pictures.filter(pl.col("modality") == modality.name)[PLACE]
            square = (modality.size, modality.size, modality.stored_channels)
            read = (journal.pixels(places[place], square) for place in own)
            where.append(write_pixels(folder, modality.name, (len(own), *square), counted(read, advance)))
    write_places(folder, where)


def tiles(of: Gathered) -> Iterable[Tile]:
    """A tile a picture that was cut from a screen, and one for each file that was kept out."""
    columns = "modality", "patient_id", "source", "frame", "kpa", "box_confidence", PLACE
    for modality, patient, source, frame, kpa, confidence, place in of.pictures.select(columns).iter_rows():
        thumb = of.journal.thumb(of.places[place])
        if not thumb:
            continue
        about = [modality, source, "" if frame is None else f"#{frame}"]
        found = ["" if kpa is None else f"{kpa:.1f} kPa", "" if confidence is None else f"box {confidence:.2f}"]
        yield Tile(thumb, (" ".join(filter(None, about)), " ".join(filter(None, [patient, *found]))))
    for problem in of.intake.problems:
        written = of.intake.privacy.problem(problem)
        if problem.kind == "picture" and written.file is not None:
            yield Tile(of.kept_out.get(problem.file or "", b""), (written.file, written.reason), kept_out=True)


def refusal(problems: Problems, why: str = "nothing was written") -> IntakeError:
    count = len(problems)
    return IntakeError(
        f"{count} problem{'s' if count != 1 else ''}, {why}:\n{problems.text()}\n{MEND}",
        problems,
    )
