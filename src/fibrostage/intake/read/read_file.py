"""One file → its pictures, ready to be stored, or why not: what a worker does, without knowing of any other file."""

from __future__ import annotations

from typing import Any

from fibrostage.dicom.file import Report
from fibrostage.ground.errors import FibrostageError, UnreadableImageError
from fibrostage.ground.quantities import KPA
from fibrostage.intake.person import hashed
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.media import Medium, open_medium
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules, Refusal
from fibrostage.intake.read.requests import read_request
from fibrostage.intake.read.rules import ruled


def read_file(job: ReadingJob, setting: ReadingRules) -> Outcome:
    """Reads everything of one file. It never raises for what a file holds, only `FibrostageError` where something is
    missing here."""
    outcome = Outcome()
    try:
        read_into(outcome, job, setting)
    except FibrostageError:
        raise  # something is missing here, not in the file
    except MemoryError:
        outcome.refused += [Refusal("does not fit into memory", request) for request in job.requests or (None,)]
    except Exception:  # whatever a library makes of a damaged file
        reason = "cannot be read: it is damaged in a way that its reader did not foresee"
        outcome.refused += [Refusal(reason, request) for request in job.requests or (None,)]
    return outcome


def read_into(outcome: Outcome, job: ReadingJob, setting: ReadingRules) -> None:
    """Adds to `outcome` what a file gives: readings of a report, or the pictures of every request; refusals are noted
    there."""
    try:
        medium = open_medium(job.path, setting.plan.dicom.modalities, setting.plan.raster.window)
        outcome.simulated = medium.simulated
        if isinstance(medium, Report) and medium.own:
            pass_over(outcome, medium, job, setting.privacy)
            return
        if isinstance(medium, Report):
            outcome.person = hashed(medium.person, medium.patient, setting.privacy)
            patient, report = setting.privacy.patient(medium.patient), setting.privacy.source(medium.instance)
            outcome.measured = [
                (patient, setting.privacy.source(each.instance), each.kpa, report)
                for each in medium.measured
                if KPA.refusal(each.kpa) is None
            ]
            odd = len(medium.measured) - len(outcome.measured)
            if odd:
                outcome.refused.append(Refusal(f"{odd} stiffnesses in it cannot be believed", value=True))
            outcome.facts = {
                "format": medium.format,
                "patient": patient,
                "taken_for": f"{len(medium.measured)} readings",
            }
            return
        outcome.facts = facts_of(medium, setting.privacy)
        if medium.header is not None:
            outcome.person = hashed(medium.header.person, medium.header.patient, setting.privacy)
            outcome.words = frozenset(setting.privacy.word(word) for word in medium.header.identifying)
        requests = job.requests or (ruled(job, medium, setting),)
    except UnreadableImageError as error:
        outcome.refused += [Refusal(str(error), request) for request in job.requests or (None,)]
        return
    for request in requests:
        try:
            read_request(medium, request, setting, outcome)
        except UnreadableImageError as error:
            outcome.refused.append(Refusal(str(error), request))


def pass_over(outcome: Outcome, report: Report, job: ReadingJob, privacy: Privacy) -> None:
    """Takes nothing from what this package wrote of an exam; refuses it where a row of I.csv asks for it."""
    outcome.facts = {
        "format": report.format,
        "patient": privacy.patient(report.patient) if report.patient else None,
        "taken_for": "passed over: fibrostage wrote it",
    }
    outcome.refused += [
        Refusal("was written by fibrostage: it is no picture of an exam", one) for one in job.requests or ()
    ]


def facts_of(medium: Medium, privacy: Privacy) -> dict[str, Any]:
    """Returns what a dry run shows of a file on the user's own terminal."""
    header = medium.header
    facts: dict[str, Any] = {"format": medium.format, "frames": medium.count, "notes": "; ".join(medium.notes) or None}
    if header is not None:
        facts |= {
            "patient": privacy.patient(header.patient) if header.patient else None,
            "width": header.width,
            "height": header.height,
            "series": header.series,
            "view": header.view,
            "device": header.device,
            "regions": ", ".join(dict.fromkeys(region.kind for region in medium.regions(0))),
            "photometric": header.photometric,
        }
    return facts
