"""Reports and pages for the archive: checked by dciodvfy and dsrdump, read back by highdicom and pydicom."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install fibrostage[dicom]")
import highdicom
import pydicom

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.dicom.file import open_dicom
from fibrostage.dicom.simulated import says_simulated
from fibrostage.dicom.stage_report import save_dicom, secondary_capture, stage_report
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import METAVIR, SCHEUER, Staging
from fibrostage.results.staged import Staged
from tests.dicom.real_files import real
from tests.dicom.staged_exam import MODEL, OF_SOURCES, STAGED, dumped, exam, items_of, verified
from tests.intake.hospital import screen


def test_dciodvfy_and_dsrdump_accept_a_report_and_a_page(tmp_path: Path) -> None:
    stored, sources = exam(tmp_path)
    save_dicom(stage_report(sources, STAGED, METAVIR, "Liver 3", {stored[0].instance: 12.34567}), tmp_path / "sr")
    save_dicom(secondary_capture(sources, screen(3, 8.0), STAGED, "Liver 3"), tmp_path / "sc")
    text = dumped(tmp_path / "sr")
    assert '(F3,99FIBROSTAGE,"METAVIR F3: numerous septa without cirrhosis")' in text
    for line in (
        '(P-F0,99FIBROSTAGE,"Probability of METAVIR F0")="0.01235" (1,UCUM,"no units")',
        '(P-F3,99FIBROSTAGE,"Probability of METAVIR F3")="0.45" (1,UCUM,"no units")',
        '(P-GE-F2,99FIBROSTAGE,"Probability at or above METAVIR F2")="0.8877" (1,UCUM,"no units")',
        '(RULE-GE-F4,99FIBROSTAGE,"Whether METAVIR F4 is ruled in or out")=(OUT,99FIBROSTAGE,"Ruled out")',
        '(110830,DCM,"Elasticity")="12.35" (kPa,UCUM,"kPa")',
        f'(111002,DCM,"Algorithm Parameters")="SHA-256 {MODEL}"',
        "Verification Flag   : UNVERIFIED",
        "Completion Flag     : COMPLETE",
        f'"Intended use")="{RESEARCH_USE}"',
        "Häufigkeit ≥ 3, and a backslash \\",
    ):
        assert line in text, line
    verified(tmp_path / "sr")
    verified(tmp_path / "sc")


@pytest.mark.parametrize("name", ["examples_palette.dcm", "examples_ybr_color.dcm", "ExplVR_BigEnd.dcm"])
def test_pictures_of_real_scanners_get_a_report_and_a_page_without_errors(tmp_path: Path, name: str) -> None:
    source = pydicom.dcmread(real(name))
    save_dicom(stage_report([source], STAGED, METAVIR, "m", {source.SOPInstanceUID: 7.0}), tmp_path / "sr")
    save_dicom(secondary_capture([source], screen(1), STAGED, "m"), tmp_path / "sc")
    for written in ("sr", "sc"):
        back = pydicom.dcmread(tmp_path / written)
        assert back.StudyInstanceUID == source.StudyInstanceUID
        assert back.PatientID == source.get("PatientID", "")
        assert back.StudyDate == source.StudyDate.replace(".", "")
        assert not says_simulated(back)
        assert open_dicom(tmp_path / written, ("US", "OT")).own
    assert "METAVIR F3" in dumped(tmp_path / "sr")
    for written in ("sr", "sc"):
        verified(tmp_path / written, tuple(OF_SOURCES))


def test_highdicom_reads_every_value_again(tmp_path: Path) -> None:
    stored, sources = exam(tmp_path)
    readings = {stored[0].instance: 12.34567, stored[1].instance: 5.5}
    save_dicom(stage_report(sources, STAGED, METAVIR, "Liver 3", readings), tmp_path / "sr")
    report = highdicom.sr.srread(tmp_path / "sr")
    assert type(report).__name__ == "ComprehensiveSR"
    answer, *stiffness = report.content.get_image_measurement_groups()
    chances = {each.name.value: (each.value, each.unit.value) for each in answer.get_measurements()}
    assert chances == {
        **{f"P-{label}": (value, "1") for label, value in STAGED.probabilities.items()},
        **{f"P-GE-{cut}": (STAGED.at_or_above(METAVIR, cut), "1") for cut in METAVIR.cuts},
    }
    said = [(each.name.value, each.value.value) for each in answer.get_qualitative_evaluations()]
    assert said == [
        ("STAGE", "F3"), ("POSSIBLE", "F2"), ("POSSIBLE", "F3"),
        ("RULE-GE-F2", "IN"), ("RULE-GE-F3", "UNSAID"), ("RULE-GE-F4", "OUT"),
    ]  # fmt: skip
    assert [image.referenced_sop_instance_uid for image in answer.source_images] == [one.instance for one in stored]
    assert {
        group.get_measurements()[0].referenced_images[0].referenced_sop_instance_uid: group.get_measurements()[0].value
        for group in stiffness
    } == readings
    assert {group.get_measurements()[0].unit.value for group in stiffness} == {"kPa"}
    assert {entry[2] for entry in report.get_evidence()} == {one.instance for one in stored}
    (device,) = report.content.get_observer_contexts()
    assert device.observer_identifying_attributes.model_name == "Liver 3"
    texts = [(code, value) for kind, code, value in items_of(report) if kind == "TEXT"]
    assert [value for code, value in texts if code == "REASON"] == list(STAGED.reasons)
    assert ("ANSWER", "F2–F3") in texts
    assert ("USE", RESEARCH_USE) in texts
    assert ("SIMULATED", SIMULATED) in texts  # as the pictures say of themselves
    assert [value for code, value in texts if code in ("111001", "111002")] == [
        "fibrostage", "model Liver 3", f"SHA-256 {MODEL}",
    ]  # fmt: skip


def test_only_what_is_simulated_says_so(tmp_path: Path) -> None:
    _, sources = exam(tmp_path)
    for source in sources:
        del source.PatientComments, source.ImageComments
    for told in (False, True):
        report = stage_report(sources, STAGED, METAVIR, "m", simulated=told)
        page = secondary_capture(sources, screen(1), STAGED, "m", told)
        assert says_simulated(report) == says_simulated(page) == told
        assert [SIMULATED in str(made) for made in (report, page)] == [told, told]
        assert RESEARCH_USE in str(page.ImageComments)


def test_a_page_is_kept_pixel_for_pixel_and_points_at_its_pictures(tmp_path: Path) -> None:
    stored, sources = exam(tmp_path)
    page = np.random.default_rng(0).integers(0, 256, (51, 33, 3), dtype=np.uint8)  # an odd number of bytes
    save_dicom(secondary_capture(sources, page[:, ::-1], STAGED, "m"), tmp_path / "sc")
    back = pydicom.dcmread(tmp_path / "sc")
    assert np.array_equal(back.pixel_array, page[:, ::-1])
    assert (back.Modality, back.PhotometricInterpretation) == ("OT", "RGB")
    assert [item.ReferencedSOPInstanceUID for item in back.SourceImageSequence] == [one.instance for one in stored]
    for bad in (page[..., 0], page.astype(float), np.zeros((0, 3, 3), np.uint8)):
        with pytest.raises(RunError, match=r"a page is uint8 \[H, W, 3\], got"):
            secondary_capture(sources, bad, STAGED, "m")
    verified(tmp_path / "sc")


def test_the_same_pictures_and_model_make_the_same_report_and_others_another(tmp_path: Path) -> None:
    _, sources = exam(tmp_path)

    def uids(sources: Sequence[pydicom.Dataset], staged: Staged = STAGED) -> tuple[str, ...]:
        made = (
            stage_report(sources, staged, METAVIR, "m"),
            secondary_capture(sources, screen(1), staged, "m"),
        )
        return tuple(str(one[keyword].value) for one in made for keyword in ("SOPInstanceUID", "SeriesInstanceUID"))

    first = uids(sources)
    assert len(set(first)) == 4
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in first)
    assert uids(sources) == uids(sources[::-1]) == uids([*sources, sources[0]]) == first
    assert uids(sources, replace(STAGED, stage="F2")) == first
    assert not set(uids(sources, replace(STAGED, model="6b" * 32))) & set(first)
    assert not set(uids(sources[:1])) & set(first)


@pytest.mark.parametrize(
    ("kpa", "message"),
    [
        ({"1.2.3": 5.0}, "kpa has 1 readings of pictures that are not among the sources"),
        ({"": float("nan")}, "kpa = nan is outside 0.1–300 kPa"),
        ({"": -1.0}, "kpa = -1 is outside 0.1–300 kPa"),
    ],
)
def test_a_stiffness_of_no_source_or_beyond_belief_is_refused(
    tmp_path: Path, kpa: dict[str, float], message: str
) -> None:
    stored, sources = exam(tmp_path)
    with pytest.raises(RunError) as error:
        stage_report(sources, STAGED, METAVIR, "m", {uid or stored[0].instance: value for uid, value in kpa.items()})
    assert message in str(error.value)
    assert "1.2.3" not in str(error.value)


@pytest.mark.parametrize(
    ("staged", "staging", "message"),
    [
        (replace(STAGED, stage="S3"), METAVIR, "not of the stages of METAVIR"),
        (STAGED, SCHEUER, "not of the stages of Scheuer"),
        (replace(STAGED, probabilities={"F3": 1.0}), METAVIR, "not of the stages of METAVIR"),
        (replace(STAGED, probabilities=dict.fromkeys(METAVIR.classes, float("nan"))), METAVIR, "outside 0–1"),
        (replace(STAGED, rules={"F2": "perhaps"}), METAVIR, "rules are not of the cuts F2, F3, F4"),
        (replace(STAGED, rules={"F1": "in"}), METAVIR, "rules are not of the cuts F2, F3, F4"),
        (STAGED, Staging("own", METAVIR.classes, ("F2",)), "no DICOM codes for the stages of 'own'"),
    ],
)
def test_an_answer_that_does_not_fit_its_staging_is_refused(
    tmp_path: Path, staged: Staged, staging: Staging, message: str
) -> None:
    _, sources = exam(tmp_path)
    with pytest.raises(RunError, match=message):
        stage_report(sources, staged, staging, "m")


def test_without_highdicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, sources = exam(tmp_path)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(RunError, match=r"fibrostage\[dicom\]"):
        stage_report(sources, STAGED, METAVIR, "m")
    with pytest.raises(RunError, match=r"fibrostage\[dicom\]"):
        secondary_capture(sources, screen(1), STAGED, "m")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    _, sources = exam(tmp_path)
    report = stage_report(sources, STAGED, METAVIR, "m")
    (tmp_path / "out").mkdir()
    save_dicom(report, tmp_path / "out" / "sr.dcm")
    before = (tmp_path / "out" / "sr.dcm").read_bytes()
    report.InstanceNumber = 1
    report["InstanceNumber"].VR, report["InstanceNumber"]._value = "US", "SECRET"
    with pytest.raises(RunError, match="a value in it cannot be put into DICOM") as error:
        save_dicom(report, tmp_path / "out" / "sr.dcm")
    assert "SECRET" not in str(error.value)
    assert (tmp_path / "out" / "sr.dcm").read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sr.dcm"]
    with pytest.raises(RunError, match="cannot write"):
        save_dicom(report, tmp_path / "nowhere" / "sr.dcm")
