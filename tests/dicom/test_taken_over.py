"""What reports repeat of the patient and the study of their pictures, however odd, and what nobody may read."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install fibrostage[dicom]")
import pydicom

from fibrostage.dicom.stage_report import save_dicom, secondary_capture, stage_report
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import METAVIR
from tests.dicom.staged_exam import OF_SOURCES, STAGED, exam, verified, with_raw
from tests.intake.hospital import screen


def both(folder: Path, source: pydicom.Dataset) -> tuple[Path, Path]:
    """A report and a page about one picture, written."""
    save_dicom(stage_report([source], STAGED, METAVIR, "m"), folder / "sr")
    save_dicom(secondary_capture([source], screen(1), STAGED, "m"), folder / "sc")
    return folder / "sr", folder / "sc"


def test_patient_and_study_are_those_of_the_pictures(tmp_path: Path) -> None:
    _, sources = exam(tmp_path)
    for made in (stage_report(sources, STAGED, METAVIR, "m"), secondary_capture(sources, screen(1), STAGED, "m")):
        save_dicom(made, tmp_path / "made")
        back = pydicom.dcmread(tmp_path / "made")
        for keyword in (
            "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
            "AccessionNumber", "StudyID", "ReferringPhysicianName", "StudyDescription",
        ):  # fmt: skip
            assert back[keyword].value == sources[0][keyword].value, keyword
        assert back.SeriesInstanceUID not in {source.SeriesInstanceUID for source in sources}
        assert back.Manufacturer == "fibrostage"
        for keyword in ("PatientAddress", "OperatorsName", "InstitutionName", "OtherPatientIDs"):
            assert keyword not in back
        assert "P7" not in str(back)  # what the package calls the patient is nothing to the archive


@pytest.mark.parametrize(
    ("charset", "raw", "name"),
    [
        ("ISO_IR 100", "MÜLLER-LÜDENSCHEIDT^Jörg".encode("latin-1"), "MÜLLER-LÜDENSCHEIDT^Jörg"),
        (None, "MÜLLER^Jörg".encode("latin-1"), "MÜLLER^Jörg"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        (
            ["", "ISO 2022 IR 87"],
            b"Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        ("ISO_IR 192", "MÜLLER^Jörg".encode("latin-1"), ""),  # declared wrongly: no letters that could be told
        ("ISO_IR 999", b"MILLER^Jo", "MILLER^Jo"),
    ],
)
def test_names_survive_in_every_alphabet(
    tmp_path: Path, charset: str | list[str] | None, raw: bytes, name: str
) -> None:
    source = with_raw(tmp_path, charset, PatientName=raw, ReferringPhysicianName=raw)
    written = both(tmp_path, source)
    for path in written:
        back = pydicom.dcmread(path)
        assert (str(back.PatientName), str(back.ReferringPhysicianName)) == (name, name)
    for path in written:
        verified(path, tuple(OF_SOURCES))


@pytest.mark.parametrize(
    ("keyword", "raw", "kept"),
    [
        ("PatientBirthDate", None, ""),
        ("PatientBirthDate", b"19600231", ""),
        ("PatientBirthDate", b"1960", ""),
        ("PatientBirthDate", b"1960.02.03", "19600203"),
        ("StudyDate", b"unknown!", ""),
        ("StudyTime", None, ""),
        ("StudyTime", b"250000", ""),
        ("StudyTime", b"09:30:15", "093015"),
        ("StudyTime", b"0930", "0930"),
        ("StudyID", None, ""),
        ("AccessionNumber", None, ""),
        ("AccessionNumber", b"A" * 40, "A" * 40),  # what the archive knows it by, if 24 signs too long
        ("ReferringPhysicianName", None, ""),
        ("PatientName", None, ""),
        ("PatientName", b"N" * 300, "N" * 300),
        ("PatientID", None, ""),
        ("PatientID", b"7" * 90, "7" * 90),
        ("PatientSex", b"female", ""),
        ("PatientSex", b"f", "F"),
        ("StudyDescription", b"line\nline", None),
        ("StudyDescription", None, None),
        ("IssuerOfPatientID", b"Hospital", "Hospital"),
    ],
)
def test_what_is_absent_or_odd_is_left_empty_or_goes_over_as_it_stands(
    tmp_path: Path, keyword: str, raw: bytes | None, kept: str | None
) -> None:
    source = with_raw(tmp_path, "ISO_IR 100", **{keyword: raw})
    written = both(tmp_path, source)
    for path in written:
        back = pydicom.dcmread(path)
        assert (str(back[keyword].value or "") if keyword in back else None) == kept
    for path in written if kept is None or len(kept) < 17 else ():
        verified(path, tuple(OF_SOURCES))


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("PatientID", "B2", "of several patients (their ids differ)"),
        ("PatientID", "", "of several patients (their ids differ)"),
        ("PatientName", "SECRET^Sally", "of several patients (their names differ)"),
        ("PatientBirthDate", "19610101", "of several patients (their birth dates differ)"),
        ("IssuerOfPatientID", "Elsewhere", "of several patients (their issuers of the id differ)"),
        ("StudyInstanceUID", "1.2.3", "of 2 studies"),
        ("StudyInstanceUID", "", "no valid StudyInstanceUID"),
        ("SOPInstanceUID", "1.2.SECRET", "no valid SOPInstanceUID"),
        ("SeriesInstanceUID", "1." + "2" * 80, "no valid SeriesInstanceUID"),
        ("Rows", 0, "holds none (no Rows and Columns)"),
    ],
)
def test_pictures_of_two_patients_or_studies_are_refused_without_naming_them(
    tmp_path: Path, keyword: str, value: Any, message: str
) -> None:
    _, sources = exam(tmp_path)
    for source in sources:
        source.IssuerOfPatientID = "Here"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setattr(sources[1], keyword, value)
    identifiers = {str(source[name].value) for source in sources for name in ("PatientName", "SOPInstanceUID")}
    for write in (
        lambda: stage_report(sources, STAGED, METAVIR, "m"),
        lambda: secondary_capture(sources, screen(1), STAGED, "m"),
    ):
        with pytest.raises(RunError) as error:
            write()
        assert message in str(error.value)
        assert not any(word in str(error.value) for word in (*identifiers, "SECRET", "19610101", "Elsewhere", "B2"))


def test_an_id_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    source = with_raw(tmp_path, "ISO_IR 192", PatientID="MÜ7".encode("latin-1"))
    with pytest.raises(RunError, match="PatientID of a picture cannot be read in the alphabet that its file declares"):
        stage_report([source], STAGED, METAVIR, "m")


def test_no_pictures_are_refused() -> None:
    with pytest.raises(RunError, match="none were given"):
        stage_report([], STAGED, METAVIR, "m")


def test_nothing_of_the_patient_is_logged_or_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    source = with_raw(
        tmp_path, "ISO_IR 999", PatientName=b"SECRETSALLY", PatientID=b"SECRET" * 20, PatientBirthDate=b"SECRET",
        AccessionNumber=b"SECRET" * 9, StudyDate=b"SECRET01", ReferringPhysicianName=b"SECRETDOCTOR",
    )  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(("highdicom", "pydicom"))]:
        caplog.set_level(logging.DEBUG, logger=name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        both(tmp_path, source)
    said = [*(str(one.message) for one in caught), *(record.getMessage() for record in caplog.records)]
    said += capfd.readouterr()
    assert not [line for line in said if "SECRET" in line or str(source.SOPInstanceUID) in line]
    assert not any(logging.getLogger(name).disabled for name in ("pydicom", "highdicom.base", "highdicom.sr.sop"))


def test_a_class_that_the_standard_retired_is_referred_to_all_the_same(tmp_path: Path) -> None:
    retired = "1.2.840.10008.5.1.4.1.1.6"
    _, sources = exam(tmp_path)
    sources[1].SOPClassUID = retired
    report = stage_report(sources, STAGED, METAVIR, "m", {sources[1].SOPInstanceUID: 5.0})
    assert [entry[3] for entry in report.get_evidence()] == [sources[0].SOPClassUID, retired]


def test_a_picture_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    stored, sources = exam(tmp_path)
    report = stage_report([*sources, *sources], STAGED, METAVIR, "m")
    assert [entry[2] for entry in report.get_evidence()] == [one.instance for one in stored]
