"""What is said of patients as a folder: tables for programs, a page for people, a structured report for the archive.

The folder is whole or absent. A patient whose page or report cannot be made is named with the reason, and the others
are written.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fibrostage import __version__
from fibrostage.cohort.colour_bar import bar_of
from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import BOX
from fibrostage.csv_tables.writer import write_csv
from fibrostage.deploy.patient_page import PagePicture, PatientPage, page_html, sheets_of, write_page
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.files import new_folder, write_json
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.heat_maps import HeatMaps, Maps
from fibrostage.learn.predict_cohort import PredictedCohort, left_out_table
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.plan.run_plan import Plan
from fibrostage.results.metrics import Metrics
from fibrostage.results.model_folder import is_packaged, read_package
from fibrostage.results.run_folder import RunFolder, write_parquet
from fibrostage.results.staged import Staged
from fibrostage.views.table import figure_text

if TYPE_CHECKING:
    from pydicom import Dataset

PAGES, REPORTS = "pages", "reports"


@dataclass(frozen=True)
class Wanted:
    """What is written of every patient beside the tables: `pages` as HTML and PDF, DICOM `reports`, and `captures`
    of the page for the archive; a service adds with `ids` those that the files give their patients."""

    pages: bool = False
    reports: bool = False
    ids: bool = False
    captures: bool = False


@dataclass(frozen=True)
class Asked:
    """Who answered, and what was asked of the answers: the model's name, its plan with coverage and predictive values,
    and its figures, None of a model that has none."""

    name: str
    plan: Plan
    decision: DecisionPlan
    metrics: Metrics | None


def asked_of(run: Path, plan: Plan, decision: DecisionPlan) -> Asked:
    """Who answers, of a run's or a model's folder; raises `RunError` where its figures are damaged."""
    folder = RunFolder(run)
    name = read_package(run).name if is_packaged(run) else folder.name
    return Asked(name, plan, decision, folder.read_metrics() if folder.finished else None)


def write_answers(
    out: Path,
    found: PredictedCohort,
    cohort: Cohort,
    asked: Asked,
    wanted: Wanted,
    files: Mapping[str, Path] | None = None,
    progress: Progress = SILENT,
    heat: HeatMaps | None = None,
) -> dict[str, str]:
    """Writes a new folder: predictions.csv, .parquet and .json, left_out.csv where somebody was, and what is `wanted`.

    `files` lead from what the cohort calls a source to the file; with `heat` pages show where answers lie. Returns by
    patient why a page or a report was not written. Raises `RunError` where the folder cannot be written.
    """
    with new_folder(out) as work:
        table = found.table()
        write_csv(table, work / "predictions.csv")
        write_parquet(work / "predictions.parquet", table)
        write_json(work / "predictions.json", found.as_dict())
        if found.left_out:
            write_csv(left_out_table(found.left_out), work / "left_out.csv")
        return write_each(work, found, cohort, asked, wanted, files or {}, progress, heat)


def write_each(
    work: Path,
    found: PredictedCohort,
    cohort: Cohort,
    asked: Asked,
    wanted: Wanted,
    files: Mapping[str, Path],
    progress: Progress,
    heat: HeatMaps | None = None,
) -> dict[str, str]:
    """Writes what is wanted of every patient; returns by patient why it was not."""
    failed = {}
    names = file_names([one.patient_id for one in found.staged])
    to_archive = wanted.reports or wanted.captures
    if to_archive:
        from fibrostage.dicom.stage_report import save_dicom
    for folder in (PAGES,) * wanted.pages + (REPORTS,) * to_archive:
        (work / folder).mkdir()
    if not (wanted.pages or to_archive):
        return {}
    with progress.task("patients written", len(found.staged)) as advance:
        for one in found.staged:
            name = names[one.patient_id]
            try:
                if wanted.pages or wanted.captures:
                    maps = None if heat is None else heat.of(one, cohort)
                    page = page_of(one, found, cohort, asked, maps)
                if wanted.pages:
                    write_page(page, work / PAGES / f"{name}.html", work / PAGES / f"{name}.pdf")
                if wanted.reports:
                    save_dicom(report_of(one, found, cohort, asked.name, files), work / REPORTS / f"{name}.dcm")
                if wanted.captures:
                    save_dicom(capture_of(page, cohort, files), work / REPORTS / f"{name}-page.dcm")
            except FibrostageError as error:
                failed[one.patient_id] = str(error)
            advance(1)
    return failed


def file_names(patients: list[str]) -> dict[str, str]:
    """By patient a name that every file system takes, no two alike where case does not count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for patient in patients:
        plain = re.sub(r"[^\w.-]+", "_", patient, flags=re.ASCII).strip("._") or "patient"
        name, number = plain[:80], 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain[:80]}-{number}"
        taken.add(name.casefold())
        names[patient] = name
    return names


def page_of(
    staged: Staged, found: PredictedCohort, cohort: Cohort, asked: Asked, heat: Maps | None = None
) -> PatientPage:
    """What a patient's page shows; `heat` is by modality and row where in a picture the answer lies [S, S]."""
    given = (found.given or {}).get(staged.patient_id)
    pictures = tuple(pictures_of(staged, cohort, heat or {}))
    seen = [one for one in staged.seen if one.modality in cohort.modality_names]
    devices = {each for one in seen if (each := value(cohort, one.modality, "device", one.row))}
    return PatientPage(
        staged=staged,
        staging=found.staging,
        pictures=pictures,
        person=str(given or staged.patient_id),
        exam_device=", ".join(sorted(map(str, devices))) or None,
        model_name=asked.name,
        version=__version__,
        figures=figures_of(asked.metrics, asked.plan),
        coverage=asked.decision.coverage,
        npv=asked.decision.npv,
        ppv=asked.decision.ppv,
        simulated=found.simulated,
        made=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        tables=tuple(table.name for table in asked.plan.tables),
    )


def pictures_of(staged: Staged, cohort: Cohort, heat: Maps) -> list[PagePicture]:
    """A patient's pictures as the model saw them, with what is known of each; measurements are none."""
    result = []
    for one in staged.seen:
        if one.modality not in cohort.modality_names:
            continue
        x, y, width, height = (value(cohort, one.modality, name, one.row) for name in BOX)
        box = None if x is None else (int(x), int(y or 0), int(width or 0), int(height or 0))
        kpa, quality = value(cohort, one.modality, "kpa", one.row), value(cohort, one.modality, "quality", one.row)
        result.append(
            PagePicture(
                modality=one.modality,
                pixels=cohort.pixels(one.modality)[one.row],
                box=box,
                kpa=None if kpa is None else float(kpa),
                quality=None if quality is None else str(quality),
                share=one.share,
                far=one.far,
                strange=one.strange,
                heat=heat.get((one.modality, one.row)),
                bar=bar_of(cohort.images_of(one.modality).row(one.row, named=True)),
                weight=one.weight,
            )
        )
    return result


def value(cohort: Cohort, modality: str, column: str, row: int) -> str | float | None:
    """What the images table says of a picture; None where it does not, or has no such column."""
    images = cohort.images_of(modality)
    return images[column][row] if column in images.columns else None


def figures_of(metrics: Metrics | None, plan: Plan) -> tuple[tuple[str, str], ...]:
    """How well the model was tested, with n and intervals; nothing for one that was not."""
    if metrics is None:
        return ()
    staging, patients = plan.staging.resolve(), f"{metrics.n_patients} patients"
    at_cuts = [(f"AUC {staging.cut_name(cut)}", figure) for cut, figure in metrics.auc_at_cut.items()]
    rows = [("accuracy", metrics.accuracy), *at_cuts]
    return tuple((name, f"{figure_text(figure)}, {patients}") for name, figure in rows)


def report_of(staged: Staged, found: PredictedCohort, cohort: Cohort, model: str, files: Mapping[str, Path]) -> Dataset:
    """A patient's structured report; raises `RunError` where no picture came from DICOM, or they are of several
    studies."""
    from fibrostage.dicom.stage_report import stage_report

    images, sources = sources_of(staged, cohort, files)
    readings = images.filter(pl.col("kpa").is_not_null()).select("source", "kpa").iter_rows()
    kpa = {str(sources[source].SOPInstanceUID): float(each) for source, each in readings if source in sources}
    return stage_report(list(sources.values()), staged, found.staging, model, kpa, found.simulated)


def capture_of(page: PatientPage, cohort: Cohort, files: Mapping[str, Path]) -> Dataset:
    """A patient's page as a Secondary Capture in the study of the pictures; raises what `report_of` raises, and
    `PlanError` where what draws the page is missing."""
    from fibrostage.dicom.stage_report import secondary_capture

    _, sources = sources_of(page.staged, cohort, files)
    sheets = sheets_of(page_html(page))
    return secondary_capture(list(sources.values()), sheets, page.staged, page.model_name, page.simulated is True)


def sources_of(staged: Staged, cohort: Cohort, files: Mapping[str, Path]) -> tuple[pl.DataFrame, dict[str, Dataset]]:
    """The rows of a patient's pictures in the images table, and by source the headers of the DICOM files that they came
    from; raises `RunError` where none did."""
    from fibrostage.dicom.stage_sources import read_sources

    pictured = [name for name in staged.pictures if name in cohort.modality_names]
    images = pl.concat(
        [cohort.images_of(name)[[one.row for one in staged.seen if one.modality == name]] for name in pictured]
    )
    paths = {source: files[source] for source in images["source"].unique(maintain_order=True) if source in files}
    sources = read_sources(paths)
    if not sources:
        raise RunError("nothing for the archive: none of the pictures came from a DICOM file")
    return images, dict(sources)
