"""Sources elsewhere, of an archive or a bucket, make the cohort that their files make, and are fetched once."""

from __future__ import annotations

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.dicom import web
from fibrostage.dicom.web import parse_archive, push
from fibrostage.ground.errors import ArchiveError, CohortError, IntakeError
from fibrostage.intake import pulled as room
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.pulled import pulled
from tests.conftest import make_source
from tests.intake.hospital import PLAN, put, table
from tests.services import BucketOfTests, Orthanc

TOML = """
[[modality]]
name = "SWE"
kind = "elastogram"
size = 96
marker = "swe"
[[modality]]
name = "B"
kind = "bmode"
size = 64
[[rule]]
modality = "SWE"
series = "^elasto"
[[rule]]
modality = "B"
series = "^abdomen"
[[stiffness]]
scale = 40.0
"""


@pytest.fixture
def hospital(orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four patients' exams of two years in an archive, the same files in a folder, their stages in a table."""
    source = tmp_path / "source"
    for number in range(4):
        day = {"study_date": f"{2021 + number % 2}0317"}
        put(source, f"{number}/map.dcm", f"P{number}", number, 4.0 + 3 * number, **day)
        put(source, f"{number}/grey.dcm", f"P{number}", 20 + number, **day)
    push(parse_archive(orthanc.web)[0], sorted(source.rglob("*.dcm")))
    table(tmp_path, [[f"P{number}", f"F{number}"] for number in range(4)])
    (tmp_path / "plan.toml").write_text(TOML)
    (tmp_path / "key").write_text("5a" * 32)
    monkeypatch.setenv("FIBROSTAGE_KEY", str(tmp_path / "key"))
    return source


def as_one(cohort: Cohort, columns: list[str]) -> object:
    """What the images table says, but for names of files, in an order that does not hang on them."""
    return cohort.images.select("patient_id", "modality", "sha256", *columns).sort("sha256")


def intake(*words: str) -> None:
    app(["intake", *words], standalone_mode=False)


def test_an_archive_gives_the_cohort_that_its_files_give(
    orthanc: Orthanc, hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rest = ("--patients", "patients.csv", "--plan", "plan.toml", "--skip-bad", "--yes")
    intake(f"{orthanc.web}?StudyDate=20210101-20211231", *rest, "--out", "year")
    intake(orthanc.web, *rest, "--out", "all")
    intake(str(hospital), *rest, "--out", "files")
    files, every, year = (open_cohort(tmp_path / name) for name in ("files", "all", "year"))
    assert_frame_equal(files.patients, every.patients)
    columns = [name for name in ("kpa", "device", "quality", "box_confidence") if name in files.images.columns]
    assert_frame_equal(as_one(files, columns), as_one(every, columns))  # type: ignore[arg-type]
    with_pictures = set(year.images["patient_id"])
    assert len(with_pictures) == 2
    assert with_pictures < set(every.images["patient_id"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "nothing fetched stays"
    intake(f"{orthanc.web}?PatientID=P1", "--plan", "plan.toml", "--dry-run")
    assert "P1" not in "".join(path.name for path in tmp_path.rglob("*.parquet"))
    capfd.readouterr()


def test_an_intake_that_was_cut_goes_on_where_it_was(
    orthanc: Orthanc, hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    real = web.fetch_instance

    def counted(open_archive: web.OpenArchive, one: web.WebInstance, target: Path) -> None:
        if len(fetched) == 3:
            raise KeyboardInterrupt
        real(open_archive, one, target)
        fetched.append(one.instance)

    out = tmp_path / "cohort"
    monkeypatch.setattr(web, "fetch_instance", counted)
    with pytest.raises(KeyboardInterrupt), pulled([orthanc.web], out):
        raise AssertionError("it was not whole")
    assert len(list((tmp_path / ".cohort.pulled").rglob("*.dcm"))) == 3
    assert (tmp_path / ".cohort.pulled").stat().st_mode & 0o77 == 0
    monkeypatch.setattr(web, "fetch_instance", lambda *given: (real(*given), fetched.append(given[1].instance)))
    bad = Sources(tmp_path, None, None)
    with pytest.raises(IntakeError, match=r"kept for the next call in .*\.cohort\.pulled"), pulled([orthanc.web], out):
        raise IntakeError("something is wrong with the files.")
    with pulled([orthanc.web], out, ("US",)) as (folder,):
        cohort = take_in(Sources(folder, bad.patients), out, PLAN, choices=Choices(skip_bad=True))
    assert len(fetched) == len(set(fetched)) == 8
    assert len(cohort.images) == 8
    assert not (tmp_path / ".cohort.pulled").exists()


def test_what_no_longer_matches_is_not_taken(
    orthanc: Orthanc, hospital: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cohort"
    with pytest.raises(IntakeError, match="later"), pulled([orthanc.web, str(hospital)], out) as seen:
        raise IntakeError("later")
    assert seen[1] == hospital
    assert len(list(seen[0].iterdir())) == 4
    listed = room.studies
    monkeypatch.setattr(room, "studies", lambda *asked: listed(*asked)[1:])
    with pulled([orthanc.web], out) as (folder,):
        assert len(list(folder.iterdir())) == 3


def test_sources_without_an_archive_are_paths_and_what_is_wrong_is_said_first(orthanc: Orthanc, tmp_path: Path) -> None:
    with pulled(["a", "b/c"], tmp_path / "cohort") as paths:
        assert paths == [Path("a"), Path("b/c")]
    out = tmp_path / "cohort"
    with (
        pytest.raises(IntakeError, match="no study of the archive") as caught,
        pulled([f"{orthanc.web}?PatientID=NO"], out),
    ):
        pass
    assert "PatientID" not in str(caught.value)
    assert list(tmp_path.glob(".cohort*")) == []
    with pytest.raises(ArchiveError, match="address"), pulled(["dicomweb://"], out):
        pass
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    with pytest.raises(CohortError, match="exists and is not empty"), pulled([orthanc.web], tmp_path / "full"):
        pass


def test_a_bucket_gives_the_cohort_that_its_files_give(
    bucket: BucketOfTests, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_source(tmp_path / "source", patients=3, lacking=())
    bucket.put_folder(source.folder, "hospital/2021")
    bucket.put("hospital/2021/notes.txt", b"no picture")
    kinds = (("LSTE", "elastogram"), ("LUS", "bmode"))
    plan = "".join(f'[[modality]]\nname = "{name}"\nkind = "{kind}"\nsize = 32\n' for name, kind in kinds)
    (tmp_path / "plan.toml").write_text(plan)
    tables = ("--patients", str(source.patients), "--images", str(source.images), "--plan", str(tmp_path / "plan.toml"))
    address = f"{bucket.address}/hospital/2021"
    seen: list[str] = []
    kept = r"later What was fetched.* is kept for the next call in .*\.out\.pulled"

    def look_and_refuse() -> None:
        with pulled([address], tmp_path / "out") as (folder,):
            seen.extend(path.name for path in folder.rglob("*") if path.is_file())
            raise IntakeError("later")

    with pytest.raises(IntakeError, match=kept):
        look_and_refuse()
    assert len(seen) == 15
    assert "notes.txt" not in seen
    intake(address, *tables, "--out", str(tmp_path / "out"), "--yes")
    intake(str(source.folder), *tables, "--out", str(tmp_path / "files"), "--yes")
    assert open_cohort(tmp_path / "out").fingerprint == open_cohort(tmp_path / "files").fingerprint
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "nothing fetched stays"
    capsys.readouterr()
    people = ("--patients", str(source.patients), "--images", str(source.images), "--json")
    app(["survey", address, *people], standalone_mode=False)
    there = capsys.readouterr().out
    app(["survey", str(source.folder), *people], standalone_mode=False)
    assert there == capsys.readouterr().out
    with pytest.raises(IntakeError, match="nothing at s3://.*/hospital/1999 that may hold a picture"):
        intake(f"{bucket.address}/hospital/1999", *tables, "--dry-run")
