import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.cohort.describe import describe
from fibrostage.cohort.store import Cohort, open_cohort, verify_pixels, whole_or_absent
from fibrostage.ground.errors import CohortError


@pytest.fixture
def copy(cohort: Cohort, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(cohort.path, target)
    for file in target.rglob("*"):
        if file.is_file():
            file.chmod(0o644)
    return target


def test_pixels_are_mapped_in_table_order(cohort: Cohort) -> None:
    pixels = cohort.pixels("LSTE")
    assert isinstance(pixels, np.memmap)
    assert pixels.shape == (40, 32, 32, 3)
    assert cohort.pixels("LUS").shape == (57, 32, 32, 1)
    assert (np.diff(cohort.owners("LUS")) >= 0).all()
    verify_pixels(cohort)


def test_the_fingerprint_is_of_the_data_not_of_the_place(cohort: Cohort, copy: Path) -> None:
    assert open_cohort(copy).fingerprint == cohort.fingerprint


def test_a_changed_label_is_noticed(copy: Path) -> None:
    patients = pl.read_parquet(copy / "patients.parquet")
    patients.with_columns(stage=pl.lit("F4")).write_parquet(copy / "patients.parquet")
    with pytest.raises(CohortError, match="was changed after intake"):
        open_cohort(copy)


def test_a_changed_pixel_is_noticed(copy: Path) -> None:
    pixels = np.load(copy / "pixels" / "LUS.npy", mmap_mode="r+")
    pixels[7, 0, 0, 0] ^= 1
    pixels.flush()
    with pytest.raises(CohortError, match="pixels of image"):
        verify_pixels(open_cohort(copy))


@pytest.mark.parametrize("file", ["cohort.json", "patients.parquet", "images.parquet"])
def test_a_truncated_file_is_damage_not_a_crash(copy: Path, file: str) -> None:
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(CohortError, match="damaged"):
        open_cohort(copy)


@pytest.mark.parametrize("change", ["fewer", "floats", "flat", "cut", "no array"])
def test_pixels_that_are_not_those_of_the_tables_are_damage(copy: Path, change: str) -> None:
    path = copy / "pixels" / "LUS.npy"
    before, pixels = path.read_bytes(), np.load(path)
    path.unlink()
    if change in ("fewer", "floats", "flat"):
        np.save(path, {"fewer": pixels[:3], "floats": pixels.astype(float), "flat": pixels[..., 0]}[change])
    else:
        path.write_bytes(before[:-100] if change == "cut" else b"rubbish")
    with pytest.raises(
        CohortError, match=r"LUS are .*its tables say 57×32×32×1 of uint8|damaged, or cut short"
    ) as caught:
        open_cohort(copy).pixels("LUS")
    assert "allow_pickle" not in str(caught.value)


def test_a_missing_key_is_damage(copy: Path) -> None:
    head = json.loads((copy / "cohort.json").read_text())
    del head["staging"]
    (copy / "cohort.json").write_text(json.dumps(head))
    with pytest.raises(CohortError, match="damaged"):
        open_cohort(copy)


def test_exclusions_without_a_reason_are_damage(copy: Path) -> None:
    pl.read_parquet(copy / "exclusions.parquet").drop("reason").write_parquet(copy / "exclusions.parquet")
    with pytest.raises(CohortError, match=r"damaged: exclusions\.parquet has no column reason"):
        open_cohort(copy)


def test_what_is_no_cohort(tmp_path: Path, cohort: Cohort) -> None:
    with pytest.raises(CohortError, match="no such folder"):
        open_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortError, match=r"no cohort\.json"):
        open_cohort(tmp_path)
    with pytest.raises(CohortError, match="no modality 'LUSS', did you mean 'LUS'"):
        cohort.pixels("LUSS")


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    def interrupted() -> None:
        with whole_or_absent(tmp_path / "out") as work:
            (work / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    with pytest.raises(CohortError, match="never overwritten"), whole_or_absent(tmp_path / "full"):
        pass
    (tmp_path / "full" / "cohort.json").touch()
    with pytest.raises(CohortError, match="lies in the cohort .*full"), whole_or_absent(tmp_path / "full" / "a" / "b"):
        pass
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(CohortError, match="is a link that leads nowhere"), whole_or_absent(tmp_path / "link"):
        pass


def test_description_counts_by_stage_and_what_is_missing(cohort: Cohort) -> None:
    content = describe(cohort).as_dict()
    assert content["patients"] == {"total": 20, "by_stage": dict.fromkeys(["F0", "F1", "F2", "F3", "F4"], 4)}
    assert content["images"]["LUS"]["by_stage"]["F3"] == 9
    assert content["candidates"]["total"] == 19 * 6
    assert content["candidates_incomplete"]["total"] == 2
    assert content["patients_without"] == {"LSTE": 0, "LUS": 1}
    assert describe(cohort, keep_incomplete=False).candidates.total == 19 * 6
