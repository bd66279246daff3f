"""Which of the plan's rules says what a file is, where no row of I.csv does."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.header import Header
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.read.media import Medium
from fibrostage.intake.read.outcome import ReadingJob, ReadingRules
from fibrostage.intake.read.tables import Request
from fibrostage.plan.intake import RulePlan


def ruled(job: ReadingJob, medium: Medium, setting: ReadingRules) -> Request:
    """Returns the request that the first fitting rule of the plan makes of a file. Raises `UnreadableImageError` where
    the file does not say whose it is, or no rule fits."""
    header = medium.header
    if header is None or not header.patient:
        raise UnreadableImageError("does not say whose it is (no PatientID); name it in images.csv")
    first: NDArray[np.uint8] | None = None
    for rule in setting.plan.rule:
        if not says(rule, job, medium, header):
            continue
        if rule.colour is not None:
            if first is None:
                _, _, first = next(iter(medium.frames([(header.frames - 1) // 2])))
            if (first.ndim == 3 and find_box(first, lossy=medium.lossy) is not None) != rule.colour:
                continue
        return Request(0, job.name, header.patient, rule.modality)
    raise UnreadableImageError("no rule of the plan says what it is")


def says(rule: RulePlan, job: ReadingJob, medium: Medium, header: Header) -> bool:
    """Says whether what a file tells of itself fits a rule; its `colour` is looked at elsewhere."""
    texts = (rule.series, header.series), (rule.view, header.view), (rule.device, header.device), (rule.file, job.name)
    if any(pattern is not None and not re.search(pattern, text, re.IGNORECASE) for pattern, text in texts):
        return False
    kinds = {region.kind for region in medium.regions(0)}
    if not set(rule.regions) <= kinds:
        return False
    return rule.frames is None or (rule.frames == "many") == (header.frames > 1)
