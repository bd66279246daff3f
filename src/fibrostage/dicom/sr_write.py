"""Stiffness as a scanner reports it: a Comprehensive SR whose numbers point at the pictures they were taken from.

Laid out after TID 1500: an imaging measurement report with one measurement group a picture; in it the elasticity in
kPa and, where given, shear-wave speed, interquartile range and its ratio to the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from fibrostage.ground.quantities import speed_from_kpa

Code = tuple[str, str, str]  # value, scheme, meaning
ELASTICITY: Code = ("110830", "DCM", "Elasticity")
SPEED: Code = ("130611", "DCM", "Shear Wave Speed")
IQR: Code = ("130614", "DCM", "Interquartile Range of population")
RATIO: Code = ("130615", "DCM", "Interquartile Range to Median Ratio of population")
MEDIAN: Code = ("373099004", "SCT", "Median")
DERIVATION: Code = ("121401", "DCM", "Derivation")
REPORT: Code = ("126000", "DCM", "Imaging Measurement Report")
LIST: Code = ("126010", "DCM", "Imaging Measurements")
GROUP: Code = ("125007", "DCM", "Measurement Group")
SOURCE: Code = ("121112", "DCM", "Source of Measurement")
OUTLINE: Code = ("111030", "DCM", "Image Region")
KPA: Code = ("kPa", "UCUM", "kPa")
METRE_PER_SECOND: Code = ("m/s", "UCUM", "m/s")
NO_UNITS: Code = ("1", "UCUM", "no units")


class Stored(NamedTuple):
    """What a written picture is called, for whoever refers to it."""

    study: str
    series: str
    instance: str
    kind: str  # SOP Class UID


@dataclass(frozen=True)
class Measurement:
    """One reading. `kpa` is Young's modulus in kPa, E = 3c² (density 1 g/mL), `iqr_kpa` its interquartile range in kPa;
    `circle` is (x, y, radius) in pixels of the picture."""

    image: Stored
    kpa: float
    iqr_kpa: float | None = None
    speed: bool = True
    circle: tuple[float, float, float] | None = None


def save_report(path: Path, data: Dataset, measurements: Sequence[Measurement]) -> str:
    """Completes a data set that says whose and of which study the report is, writes it, and returns its SOP Instance
    UID.

    `data` has the tags of patient, study, series and instance, and what the report is called.
    """
    data.SOPClassUID, data.Modality = ComprehensiveSRStorage, "SR"
    data.ReferencedPerformedProcedureStepSequence, data.PerformedProcedureCodeSequence = [], []
    data.CompletionFlag, data.VerificationFlag = "PARTIAL", "UNVERIFIED"
    data.CurrentRequestedProcedureEvidenceSequence = [evidence(data.StudyInstanceUID, measurements)]
    tree = container(None, REPORT, [container("CONTAINS", LIST, [group(each) for each in measurements])])
    for element in tree:
        data.add(element)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return str(data.SOPInstanceUID)


def evidence(study_uid: str, measurements: Sequence[Measurement]) -> Dataset:
    """Lists the pictures of the study that the report leans on, by series."""
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = study_uid, []
    pictures = dict.fromkeys(each.image for each in measurements)
    for uid in dict.fromkeys(image.series for image in pictures):
        series = Dataset()
        series.SeriesInstanceUID = uid
        series.ReferencedSOPSequence = [reference(image) for image in pictures if image.series == uid]
        study.ReferencedSeriesSequence.append(series)
    return study


def reference(image: Stored) -> Dataset:
    """Returns the item that points at a picture by its SOP class and instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.kind, image.instance
    return item


def code_item(code: Code) -> Dataset:
    """Returns the item of a code sequence for a code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def content(relation: str | None, kind: str, concept: Code | None, children: Sequence[Dataset] = ()) -> Dataset:
    """Returns a content item of value type `kind`, related to its parent by `relation` (None at the root), with its
    concept and children."""
    item = Dataset()
    if relation is not None:
        item.RelationshipType = relation
    item.ValueType = kind
    if concept is not None:
        item.ConceptNameCodeSequence = [code_item(concept)]
    if children:
        item.ContentSequence = list(children)
    return item


def container(relation: str | None, concept: Code, children: Sequence[Dataset]) -> Dataset:
    """Returns a CONTAINER content item whose children are read one by one."""
    item = content(relation, "CONTAINER", concept, children)
    item.ContinuityOfContent = "SEPARATE"
    return item


def group(each: Measurement) -> Dataset:
    """Returns the measurement group of a picture: its elasticity in kPa and, where given, speed in m/s, interquartile
    range in kPa and its ratio to the median. Each number names the picture, by a circle on it where there is one."""
    median = content("HAS CONCEPT MOD", "CODE", DERIVATION)
    median.ConceptCodeSequence = [code_item(MEDIAN)]
    numbers = [number_item(ELASTICITY, each.kpa, KPA, [median, source(each)])]
    if each.speed:
        numbers.append(number_item(SPEED, speed_from_kpa(each.kpa), METRE_PER_SECOND, [median, source(each)]))
    if each.iqr_kpa is not None:
        numbers.append(number_item(IQR, each.iqr_kpa, KPA, [source(each)]))
        numbers.append(number_item(RATIO, each.iqr_kpa / each.kpa, NO_UNITS, [source(each)]))
    return container("CONTAINS", GROUP, numbers)


def number_item(concept: Code, value: float, unit: Code, children: Sequence[Dataset]) -> Dataset:
    """Returns a NUM content item whose value is written in four significant digits."""
    item = content("CONTAINS", "NUM", concept, children)
    measured = Dataset()
    measured.NumericValue = f"{value:.4g}"
    measured.MeasurementUnitsCodeSequence = [code_item(unit)]
    item.MeasuredValueSequence = [measured]
    return item


def source(each: Measurement) -> Dataset:
    """Returns the item that says where a reading was taken: INFERRED FROM the picture, or from a circle SELECTED FROM
    it."""
    relation = "INFERRED FROM" if each.circle is None else "SELECTED FROM"
    picture = content(relation, "IMAGE", SOURCE if each.circle is None else None)
    picture.ReferencedSOPSequence = [reference(each.image)]
    if each.circle is None:
        return picture
    x, y, radius = each.circle
    outline = content("INFERRED FROM", "SCOORD", OUTLINE, [picture])
    outline.GraphicType, outline.GraphicData = "CIRCLE", [x, y, x + radius, y]
    return outline
