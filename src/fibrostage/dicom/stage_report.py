"""What a model says of an exam as DICOM, for going back to the archive that its pictures came from.

A Comprehensive SR after TID 1500 (PS3.16): one measurement group has the stage called, the stages that cannot be
excluded, their probabilities, and for each cut whether it is ruled in or out; one group a picture has its stiffness in
kPa; the qualitative evaluations say in words why not to trust it. DICOM has no code for a stage of fibrosis, so stages
are of a private scheme, 99FIBROSTAGE (`stage_codes`). A page for people goes beside it as a Secondary Capture.

Patient and study are taken over from the pictures and never pass through highdicom, which would log and quote them.
UIDs follow from the pictures and the model: what is sent twice is one report.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, SIMULATED, __version__
from fibrostage.dicom.own import MAKER, SCHEME
from fibrostage.dicom.stage_codes import Code, StageCodes, codes_of, own
from fibrostage.dicom.taken_over import ALWAYS, SourceExam, SourcePicture, hand_over, hushed, source_exam
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import replace_file
from fibrostage.ground.quantities import KPA
from fibrostage.ground.stage import Staging
from fibrostage.results.staged import CANNOT_SAY, RULED_IN, RULED_OUT, Staged

if TYPE_CHECKING:
    from pydicom import Dataset

RULES = {RULED_IN: "IN", RULED_OUT: "OUT", CANNOT_SAY: "UNSAID"}

ULTRASOUND: Code = ("16310003", "SCT", "Diagnostic ultrasonography")
LIVER: Code = ("10200004", "SCT", "Liver")
FIBROSIS: Code = ("112674009", "SCT", "Fibrosis")
ELASTICITY: Code = ("110830", "DCM", "Elasticity")
DEVICE: Code = ("121007", "DCM", "Device")
WORDS: Code = ("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500 row 12
KILOPASCAL: Code = ("kPa", "UCUM", "kPa")
NO_UNITS: Code = ("1", "UCUM", "no units")
SOURCE_IMAGE: Code = ("121322", "DCM", "Source image for image processing operation")

UTF8 = "ISO_IR 192"
NAMESPACE = uuid.UUID("5b0e2a52-6f0c-5d0e-9c2b-8f3d5a1f7c46")  # any, and the same for ever: UIDs follow from it
REPORT_SERIES, PAGE_SERIES = 9901, 9902  # series numbers that no scanner counts up to
ORIENTATION = ("L", "F")  # highdicom asks for one; a page has none


def stage_report(
    sources: Sequence[Dataset],
    staged: Staged,
    staging: Staging,
    model_name: str,
    kpa: Mapping[str, float] | None = None,
    simulated: bool = False,
) -> Dataset:
    """A model's answer about one ultrasound exam as a Comprehensive SR (TID 1500), unverified.

    `sources` are the pictures that the model saw, as data sets with or without pixels; patient and study are theirs.
    `kpa` is Young's modulus in kPa by SOP Instance UID of the picture that it was read from. Says SIMULATED where
    `simulated`, or where a picture says so of itself. UIDs follow from the pictures and `staged.model` alone.

    Raises `RunError` where highdicom is not installed; for pictures of several patients or studies, or without UIDs;
    for a stiffness that cannot be believed or is of another picture; for an answer that does not fit the staging, and
    for a staging without codes. It names no identifier.
    """
    highdicom = the_library()
    exam = source_exam(sources)
    simulated = simulated or exam.simulated
    readings = dict(kpa or {})
    check_readings(exam, readings)
    codes = codes_of(staging)
    check_answer(staged, staging)
    with hushed():
        content = highdicom.sr.MeasurementReport(
            observation_context=observer(model_name),
            procedure_reported=coded(ULTRASOUND),
            imaging_measurements=[
                answer_group(exam, staged, staging, codes, model_name),
                *(
                    stiffness_group(exam, staged, picture, readings)
                    for picture in exam.pictures
                    if picture.instance in readings
                ),
            ],
        )
        content[0].ContentSequence.append(words(staged, staging, simulated))
        report = highdicom.sr.ComprehensiveSR(
            evidence=[blank(exam, picture) for picture in exam.pictures],
            content=content[0],
            series_instance_uid=own_uid("report series", exam, staged),
            series_number=REPORT_SERIES,
            sop_instance_uid=own_uid("report", exam, staged),
            instance_number=1,
            is_complete=True,
            specific_character_set=UTF8,
            coding_schemes=[
                highdicom.coding_schemes.CodingSchemeIdentificationItem(
                    designator=SCHEME, name="fibrostage: stages of liver fibrosis", responsible_organization=MAKER
                )
            ],
            series_description=titled("Fibrosis stage by a model", simulated),
            **made_by(),
        )
    name_classes(report, exam)
    finish(report, exam, simulated)
    return report


def secondary_capture(
    sources: Sequence[Dataset],
    page: NDArray[np.uint8],
    staged: Staged,
    model_name: str,
    simulated: bool = False,
) -> Dataset:
    """A rendered page [H, W, 3] about an exam as an uncompressed Secondary Capture in the study of its pictures.

    Raises `RunError` as `stage_report` does, and for a page of another shape or type.
    """
    highdicom = the_library()
    pixels = np.asarray(page)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise RunError(f"a page is uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    exam = source_exam(sources)
    simulated = simulated or exam.simulated
    with hushed():
        image = highdicom.sc.SCImage(
            pixel_array=np.ascontiguousarray(pixels),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=ORIENTATION,
            study_instance_uid=exam.study,
            series_instance_uid=own_uid("page series", exam, staged),
            series_number=PAGE_SERIES,
            sop_instance_uid=own_uid("page", exam, staged),
            instance_number=1,
            specific_character_set=UTF8,
            series_description=titled("Fibrosis stage by a model, page", simulated),
            **made_by(),
        )
    image.PatientOrientation, image.BodyPartExamined = "", "LIVER"
    image.ConversionType, image.BurnedInAnnotation = "WSD", "YES"
    image.SecondaryCaptureDeviceManufacturer = image.SecondaryCaptureDeviceManufacturerModelName = MAKER
    image.SecondaryCaptureDeviceSoftwareVersions = __version__
    image.ImageComments = titled(RESEARCH_USE, simulated)
    image.DerivationDescription = f"Rendered from the answer of {model_name}, SHA-256 {staged.model}"[:1024]
    image.SourceImageSequence = [source_item(picture) for picture in exam.pictures]
    finish(image, exam, simulated)
    return image


def save_dicom(dataset: Dataset, path: Path) -> None:
    """Writes a data set as a DICOM file, whole or not at all; raises `RunError` where that cannot be done."""
    try:
        content = file_of(dataset)
    except RunError as error:
        raise RunError(f"cannot write {path}: {error}") from None
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def file_of(dataset: Dataset) -> bytes:
    """A data set as the bytes of a DICOM file; raises `RunError` where it cannot be one."""
    file = io.BytesIO()
    with hushed():
        try:
            dataset.save_as(file, enforce_file_format=True)
        except Exception:  # pydicom's words, an OSError's too, may quote the value
            raise RunError("a value in it cannot be put into DICOM") from None
    return file.getvalue()


def the_library() -> Any:
    """highdicom; raises `RunError` where it is not installed."""
    try:
        import highdicom
    except ImportError:
        raise RunError('writing reports needs highdicom: pip install "fibrostage[dicom]"') from None
    return highdicom


def coded(code: Code) -> Any:
    return the_library().sr.CodedConcept(*code)


def check_readings(exam: SourceExam, readings: Mapping[str, float]) -> None:
    """Raises `RunError` where a stiffness is of a picture that is not a source, or cannot be believed."""
    strangers = len(readings.keys() - {picture.instance for picture in exam.pictures})
    if strangers:
        raise RunError(f"kpa has {strangers} readings of pictures that are not among the sources")
    refusals = [refusal for value in readings.values() if (refusal := KPA.refusal(value))]
    if refusals:
        raise RunError(f"a report cannot say a stiffness that cannot be believed: {refusals[0]}")


def check_answer(staged: Staged, staging: Staging) -> None:
    """Raises `RunError` where an answer names other stages, cuts or rules than there are."""
    named = {staged.stage, *staged.possible, *staged.probabilities}
    if not named <= set(staging.classes) or set(staged.probabilities) != set(staging.classes):
        raise RunError(f"the answer is not of the stages of {staging.name} ({', '.join(staging.classes)})")
    if not all(0 <= value <= 1 for value in staged.probabilities.values()):  # nan is none either
        raise RunError(f"the answer has probabilities outside 0–1: {list(staged.probabilities.values())}")
    if not set(staged.rules) <= set(staging.cuts) or not set(staged.rules.values()) <= set(RULES):
        raise RunError(f"the answer's rules are not of the cuts {', '.join(staging.cuts)}, each {' or '.join(RULES)}")


def observer(model_name: str) -> Any:
    """Who says it: a device, this package with a model."""
    sr = the_library().sr
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=coded(DEVICE),
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=uid_from("device", __version__), name=MAKER, manufacturer_name=MAKER, model_name=model_name
            ),
        )
    )


def answer_group(exam: SourceExam, staged: Staged, staging: Staging, codes: StageCodes, model_name: str) -> Any:
    """The measurement group (TID 1501) of all that is said of the stage, and of the pictures it is inferred from."""
    sr = the_library().sr
    said = [(own("STAGE"), codes.stages[staged.stage])]
    said += [(own("POSSIBLE"), codes.stages[stage]) for stage in staged.possible]
    said += [(code, own(RULES[staged.rules.get(cut, CANNOT_SAY)])) for cut, code in codes.rules.items()]
    chances = [(codes.chances[label], staged.probabilities[label]) for label in staging.classes]
    if len(staging.classes) > 2:  # of two classes the second is the cut
        chances += [(code, staged.at_or_above(staging, cut)) for cut, code in codes.at_or_above.items()]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(own_uid("answer", exam, staged), "Fibrosis stage"),
        finding_type=coded(FIBROSIS),
        finding_sites=[sr.FindingSite(coded(LIVER))],
        algorithm_id=sr.AlgorithmIdentification(
            name=MAKER, version=__version__, parameters=[f"model {model_name}", f"SHA-256 {staged.model}"]
        ),
        measurements=[number(code, value, NO_UNITS) for code, value in chances],
        qualitative_evaluations=[sr.QualitativeEvaluation(coded(name), coded(value)) for name, value in said],
        source_images=[sr.SourceImageForMeasurementGroup(picture.kind, picture.instance) for picture in exam.pictures],
    )


def stiffness_group(exam: SourceExam, staged: Staged, picture: SourcePicture, readings: Mapping[str, float]) -> Any:
    """The measurement group (TID 1501) of one picture's stiffness."""
    sr = the_library().sr
    place = exam.pictures.index(picture) + 1
    tracking = own_uid(f"stiffness {picture.instance}", exam, staged)
    source = sr.SourceImageForMeasurement(picture.kind, picture.instance)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(tracking, f"Stiffness of picture {place}"),
        finding_sites=[sr.FindingSite(coded(LIVER))],
        measurements=[number(ELASTICITY, readings[picture.instance], KILOPASCAL, [source])],
        source_images=[sr.SourceImageForMeasurementGroup(picture.kind, picture.instance)],
    )


def number(name: Code, value: float, unit: Code, sources: Sequence[Any] = ()) -> Any:
    """A measurement (TID 300), in four significant digits for people and exactly beside them."""
    measurement = the_library().sr.Measurement(
        name=coded(name), value=float(value), unit=coded(unit), referenced_images=list(sources) or None
    )
    measurement[0].MeasuredValueSequence[0].NumericValue = f"{value:.4g}"
    return measurement


def words(staged: Staged, staging: Staging, simulated: bool) -> Any:
    """The container of what is said in words: what it is for, whether it is simulated, the answer, and why not to trust
    it."""
    sr = the_library().sr
    texts = [("USE", RESEARCH_USE)]
    texts += [("SIMULATED", SIMULATED)] if simulated else []
    texts += [("ANSWER", staged.answer(staging)), *(("REASON", reason) for reason in staged.reasons)]
    container = sr.ContainerContentItem(coded(WORDS), is_content_continuous=False, relationship_type="CONTAINS")
    container.ContentSequence = sr.ContentSequence(
        [sr.TextContentItem(coded(own(code)), text, relationship_type="CONTAINS") for code, text in texts]
    )
    return container


def blank(exam: SourceExam, picture: SourcePicture) -> Any:
    """A picture as highdicom is shown it: its UIDs, nothing of the patient, and a class that highdicom knows."""
    from pydicom import Dataset
    from pydicom.uid import UltrasoundImageStorage

    shown = Dataset()
    for keyword in ALWAYS:
        setattr(shown, keyword, "")
    shown.StudyInstanceUID, shown.SeriesInstanceUID = exam.study, picture.series
    shown.SOPInstanceUID, shown.SOPClassUID = picture.instance, UltrasoundImageStorage
    return shown


def name_classes(report: Any, exam: SourceExam) -> None:
    """Puts the pictures' own classes into the list of evidence, where `blank` stood."""
    kinds = {picture.instance: picture.kind for picture in exam.pictures}
    for study in report.CurrentRequestedProcedureEvidenceSequence:
        for series in study.ReferencedSeriesSequence:
            for item in series.ReferencedSOPSequence:
                item.ReferencedSOPClassUID = kinds[item.ReferencedSOPInstanceUID]


def source_item(picture: SourcePicture) -> Any:
    """The item that points at a picture which a page was made from."""
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = picture.kind, picture.instance
    item.PurposeOfReferenceCodeSequence = [coded(SOURCE_IMAGE)]
    return item


def finish(dataset: Any, exam: SourceExam, simulated: bool) -> None:
    """Says whose it is and of which study, and on what is of nobody that it is."""
    hand_over(exam, dataset)
    if simulated:
        dataset.PatientComments = SIMULATED


def made_by() -> dict[str, str]:
    """What made it, as highdicom's constructors are told."""
    return {"manufacturer": MAKER, "manufacturer_model_name": MAKER, "software_versions": __version__}


def titled(text: str, simulated: bool) -> str:
    """A text that says SIMULATED where what it is about is."""
    return f"{SIMULATED}. {text}" if simulated else text


def own_uid(what: str, exam: SourceExam, staged: Staged) -> str:
    """A UID that the same pictures and model have every time; `what` tells those of one report apart."""
    return uid_from(what, staged.model, *sorted(picture.instance for picture in exam.pictures))


def uid_from(*parts: str) -> str:
    """A UID under 2.25 that follows from words (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(NAMESPACE, chr(0).join(parts)).int}"
