"""Everything of a folder in two readings: what the files say and show, then what intake makes of them by the draft.

The second reading is a dry run of intake with the plan that the first one drafted, so that what the survey promises is
what intake does. What leaves the survey names nobody: texts with a word of a header's identifying tags are left out,
pictures are those that a cohort would hold, and dates are years.
"""

from __future__ import annotations

import secrets
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.ground.errors import IntakeError, PlanError, Problems
from fibrostage.ground.files import Json
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources, any_dicom
from fibrostage.intake.build.find_files import survey as files_of
from fibrostage.intake.build.take_in import look_at
from fibrostage.intake.build.workers import read_all
from fibrostage.intake.privacy import KEY_BYTES, QUOTED, Privacy, identifies
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules
from fibrostage.intake.survey.draft import draft_of, words_in
from fibrostage.intake.survey.groups import VEIL, counted, ruled_of
from fibrostage.intake.survey.listed import as_listed, listed_modalities, picture_table
from fibrostage.intake.survey.look import LOOK, FileLook, look_at_file
from fibrostage.intake.survey.table_draft import Drafted, table_draft
from fibrostage.plan.run_plan import Plan

SAMPLES = 3  # pictures of a modality on a device


@dataclass(frozen=True)
class SamplePicture:
    """A picture as a cohort would hold it [S, S, C], of which modality and device."""

    modality: str
    device: str
    pixels: NDArray[np.uint8]


@dataclass
class Surveyed:
    """What is in the sources. `refused` is (file, reason) of what cannot be opened, `left_out` of what intake with the
    draft would refuse; `taken` counts pictures by modality."""

    looks: list[FileLook]
    refused: list[tuple[str, str]]
    plan: str
    simulated: bool
    taken: dict[str, int] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    samples: list[SamplePicture] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        """Files whose picture another file has too."""
        copies = Counter(look.pixels for look in self.looks if look.pixels)
        return sum(count - 1 for count in copies.values())

    def groups(self) -> list[dict[str, Json]]:
        """Files by device and series: how many, of how many patients, what they show."""
        found: dict[tuple[str, str, str], list[FileLook]] = {}
        for look in self.looks:
            if look.readings is None:
                found.setdefault((look.device, look.series, look.view), []).append(look)
        return [
            {
                "device": device,
                "series": series,
                "view": view,
                "files": len(own),
                "patients": len({look.patient for look in own if look.patient}),
                "loops": sum(look.loop for look in own),
                "colour_boxes": sum(look.box for look in own),
                "colour_bars": sum(look.bar for look in own),
                "regions": counted(kind for look in own for kind in look.regions),
                "photometric": counted(look.photometric or look.format for look in own),
                "sizes": counted(f"{look.width}×{look.height}" for look in own),
            }
            for (device, series, view), own in sorted(found.items(), key=lambda item: -len(item[1]))
        ]

    def as_dict(self, named: bool) -> dict[str, Json]:
        """The survey as JSON; with `named`, for the user's own terminal, with file names and days."""
        dates = sorted(look.date for look in self.looks if look.date is not None)
        span = [str(date) if named else str(date.year) for date in (dates[0], dates[-1])] if dates else []
        reports = [look for look in self.looks if look.readings is not None]
        return {
            "simulated": self.simulated,
            "notice": RESEARCH_USE,
            "files": len(self.looks) + len(self.refused),
            "patients": len({look.patient for look in self.looks if look.patient}),
            "studies": len({look.study for look in self.looks if look.study}),
            "dates": span,
            "devices": counted(look.device for look in self.looks if look.device),
            "loops": sum(look.loop for look in self.looks if look.readings is None),
            "structured_reports": len([look for look in reports if not look.own]),
            "readings": sum(look.readings or 0 for look in reports),
            "written_by_fibrostage": sum(look.own for look in reports),
            "duplicates": self.duplicates,
            "groups": self.groups(),
            "refused": told(self.refused, named),
            "with_the_draft": {"pictures": self.taken, "left_out": told(self.left_out, named)},
            "to_look_at": words_in(self.plan),
            "plan": self.plan,
        }


def told(refusals: Sequence[tuple[str, str]], named: bool) -> list[dict[str, Json]]:
    """Reasons by how often they come; with `named`, with the files that they are of, and without, as they may be shown
    to anybody: without what stands in quotation marks."""
    found: dict[str, list[str]] = {}
    for file, reason in refusals:
        found.setdefault(reason if named else QUOTED.sub(VEIL, reason), []).append(file)
    rows = sorted(found.items(), key=lambda item: -len(item[1]))
    return [{"reason": why, "count": len(own), **({"files": own} if named else {})} for why, own in rows]


def survey(
    sources: Sources, progress: Progress = SILENT, workers: int | None = None, modalities: Sequence[str] = ("US",)
) -> Surveyed:
    """Looks at everything under the sources, drafts a plan, and tries it.

    Raises `IntakeError` where there is no file, none can be opened, or a table cannot be read.
    """
    sources.check()
    table = (
        None if sources.patients is None else table_draft(sources.patients, ("patient_id", "stage"), sources.encoding)
    )
    jobs = files_of(sources, Problems())
    privacy = Privacy(secrets.token_bytes(KEY_BYTES))
    asked = Plan.parse({"modality": [{"name": "LUS"}], "dicom": {"modalities": list(modalities)}})
    looks, refused, words, simulated = look_through(jobs, ReadingRules(asked, privacy), workers, progress)
    if not looks:
        reasons = "\n".join(f"  {one['count']} × {one['reason']}" for one in told(refused, named=False))
        raise IntakeError(f"{len(refused)} files, and none of them is a picture that can be read:\n{reasons}")
    looks = [unnamed(look, words, privacy) for look in looks]
    pictures = picture_table(sources)
    if pictures is not None:
        looks = as_listed(looks, pictures)
    listed = [] if pictures is None else listed_modalities(looks, pictures)
    ruled = ruled_of([] if listed else [look for look in looks if look.format == "DICOM"])
    if table is not None:
        draft_ids(table, looks)
    told_simulated = SIMULATED if simulated else ""
    text = draft_of(ruled, looks, table, listed, told_simulated, pictures, modalities)
    found = Surveyed(looks, refused, text, simulated)
    try_draft(found, sources, bool(ruled.rules or listed), lambda text: veiled(text, words, privacy), workers, progress)
    return found


def look_through(
    jobs: list[ReadingJob], setting: ReadingRules, workers: int | None, progress: Progress
) -> tuple[list[FileLook], list[tuple[str, str]], frozenset[str], bool]:
    """Every file's look, what was refused with why, hashes of words that identify, and whether all is simulated."""
    looks: list[FileLook] = []
    refused: list[tuple[str, str]] = []
    words: set[str] = set()
    simulated = False
    with progress.task("looking at files", len(jobs)) as advance:
        for job, outcome in read_all(jobs, setting, workers, any_dicom(jobs), look_at_file):
            if LOOK in outcome.facts:
                looks.append(outcome.facts[LOOK])
            refused += [(job.name, refusal.reason) for refusal in outcome.refused]
            words |= outcome.words
            simulated |= outcome.simulated
            advance(1)
    return looks, refused, frozenset(words), simulated


def unnamed(look: FileLook, words: Collection[str], privacy: Privacy) -> FileLook:
    """A look whose texts, which people write, name nobody."""
    series, view, device = (veiled(text, words, privacy) for text in (look.series, look.view, look.device))
    return replace(look, series=series, view=view, device=device)


def veiled(text: str, words: Collection[str], privacy: Privacy) -> str:
    """A text of a header without the words that stand in identifying tags; nothing but the veil where it names somebody
    by more than single words."""
    text = text.encode("utf-8", "replace").decode("utf-8")  # half a sign cannot be written
    shown = " ".join(VEIL if identifies(word, words, privacy) else word for word in text.split())
    return VEIL if identifies(shown.replace(VEIL, " "), words, privacy) else shown


def draft_ids(table: Drafted, looks: Sequence[FileLook]) -> None:
    """Says how many digits ids have in the pictures, where the table's lost their zeros."""
    pictures = {look.patient for look in looks if look.patient}
    lengths = {len(patient) for patient in pictures if patient.isdigit()}
    own = [patient for patient in table.column("patient_id") if patient.isdigit()]
    if len(lengths) != 1 or not all(patient.isdigit() for patient in pictures):
        return
    (length,) = lengths
    gained = sum(patient not in pictures and patient.zfill(length) in pictures for patient in own)
    if gained:
        table.lines.append(
            (f"id_digits = {length}", f"{gained} ids of the table are in the pictures with zeros in front")
        )


def try_draft(
    found: Surveyed,
    sources: Sources,
    drafted: bool,
    veil: Callable[[str], str],
    workers: int | None,
    progress: Progress,
) -> None:
    """Lets intake look at the files by the draft, and keeps what it would take and refuse, and some of the pictures."""
    if not drafted:
        found.left_out = [(look.name, "no modality could be drafted of it") for look in found.looks]
        return
    plan = Plan.parse(tomllib.loads(found.plan), source="the draft")
    kept: Counter[tuple[str, str]] = Counter()

    def watch(job: ReadingJob, outcome: Outcome) -> None:
        for each in outcome.taken:
            modality, device = str(each.record["modality"]), veil(str(each.record["device"] or ""))
            found.taken[modality] = found.taken.get(modality, 0) + 1
            if kept[modality, device] < SAMPLES:
                kept[modality, device] += 1
                found.samples.append(SamplePicture(modality, device, each.pixels.copy()))

    try:
        rows, problems = look_at(sources, plan, Choices(skip_bad=True, workers=workers), progress, watch)
    except (IntakeError, PlanError) as error:
        found.left_out = [("the draft", str(error))]
        return
    known = {file for file, _ in found.refused}
    found.left_out = [(str(row["file"]), str(row["refused"])) for row in rows if row.get("refused")]
    found.left_out = [one for one in found.left_out if one[0] not in known]
    found.left_out += [(problem.where, problem.reason) for problem in problems]
    found.samples.sort(key=lambda one: (one.modality, one.device))
