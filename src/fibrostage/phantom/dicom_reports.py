"""Structured reports of invented scanners, with the names that a hospital's would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from fibrostage import SIMULATED
from fibrostage.dicom.sr_write import Measurement, save_report
from fibrostage.phantom.dicom_files import describe, identify


def write_measurements(
    path: Path,
    measurements: Sequence[Measurement],
    *,
    patient_name: str,
    patient_id: str,
    birth_date: str,
    study_date: str,
    manufacturer: str,
    model: str,
    sex: str = "",
    series: int = 90,
    number: int = 1,
) -> str:
    """Writes one report of the same patient and study as the pictures it refers to, and returns its SOP Instance UID.
    Dates are YYYYMMDD."""
    title = "Elastography measurements"
    data = Dataset()
    keys = [patient_id, study_date, title, str(series)]
    data.StudyInstanceUID = generate_uid(entropy_srcs=keys[:2])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=keys)
    data.SOPInstanceUID = generate_uid(entropy_srcs=[*keys, str(number)])
    identify(data, patient_name, patient_id, birth_date, sex)
    describe(data, study_date, title, series, number)
    del data.PatientOrientation
    data.Manufacturer, data.ManufacturerModelName = manufacturer, model
    data.ContentLabel, data.ContentDescription = SIMULATED, SIMULATED
    return save_report(path, data, measurements)
