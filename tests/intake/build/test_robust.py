"""Tables, rules, keys and pictures that contradict each other: said in a line, and nothing is half-written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.ground.errors import IntakeError, PlanError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at
from fibrostage.intake.privacy import Privacy
from fibrostage.plan.run_plan import Plan
from tests.intake.build.bad_files import (
    KEY,
    MODALITY,
    NOTHING,
    PLAN,
    PLAN_DATA,
    check_refused,
    edit,
    picture,
    take,
    write,
)


def with_csvs(place: Path, rows: str, people: str = "ID-1,F1\nID-2,F2\n") -> Sources:
    (place / "source" / "P.csv").write_text("patient_id,stage\n" + people)
    (place / "source" / "I.csv").write_text("file,patient_id,modality,frame\n" + rows)
    return Sources(place / "source", place / "source" / "P.csv", place / "source" / "I.csv")


@pytest.mark.parametrize("file", ["../outside.dcm", "{place}/outside.dcm", "a/../../outside.dcm", "linked.dcm"])
def test_a_row_cannot_leave_the_source(place: Path, file: str) -> None:
    write(place / "outside.dcm")
    (place / "source" / "linked.dcm").symlink_to(place / "outside.dcm")
    file = file.format(place=place)
    sources = with_csvs(place, f"good1.dcm,ID-1,LUS,\n{file},ID-1,LUS,\n")
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match=rf"1 problem.*\n  I.csv row 3: '{file}' lies outside the source folder\n"):
        take(place, sources=sources)
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before
    cohort = take(place, sources=sources, skip_bad=True)
    assert len(cohort.images) == 1
    assert cohort.exclusions["row"].to_list() == [3]


def test_rows_of_bad_files_and_frames_that_are_not_there(place: Path) -> None:
    write(place / "source" / "loop.dcm", [picture(k) for k in range(3)])
    (place / "source" / "empty.dcm").touch()
    sources = with_csvs(place, "good1.dcm,ID-1,LUS,\nloop.dcm,ID-1,LUS,3\nloop.dcm,ID-1,LUS,2\nempty.dcm,ID-2,LUS,\n")
    with pytest.raises(IntakeError) as caught:
        take(place, sources=sources)
    assert str(caught.value).splitlines()[1:-1] == [
        "  I.csv row 3: 'loop.dcm': frame 3 asked for, but the file holds 3 (from 0)",
        f"  I.csv row 5: 'empty.dcm': {NOTHING} (it is empty)",
    ]
    assert take(place, sources=sources, skip_bad=True).images["frame"].to_list() == [None, 2]


def test_a_patient_whom_nobody_listed(place: Path) -> None:
    write(place / "source" / "bad.dcm", patient="ID-9")
    sources = replace(with_csvs(place, ""), images=None)
    hidden = Privacy(KEY).patient("ID-9")
    check_refused(place, "bad.dcm", f"is of {hidden}, who is not among the patients (1 picture)", sources=sources)


def test_no_rule_fits(place: Path) -> None:
    write(place / "source" / "bad.dcm", series_description="Kidney")
    plan = Plan.parse({**PLAN_DATA, "rule": [{"modality": "LUS", "series": "^abdomen"}]})
    check_refused(place, "bad.dcm", "no rule of the plan says what it is", plan=plan)
    with pytest.raises(IntakeError, match="must say what a file is"):
        take(place, plan=Plan.parse({"modality": [MODALITY]}))


@pytest.mark.parametrize(
    ("rule", "message"),
    [({"modality": "LUSS"}, "LUSS"), ({"modality": "LUS", "series": "("}, r"'\(' is no regular expression")],
)
def test_a_rule_that_cannot_be_followed(rule: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Plan.parse({**PLAN_DATA, "rule": [rule]})


@pytest.mark.parametrize("content", [b"", b"rubbish", b"abcd", b"\xff\xfe\0", b"0" * 63, b"0" * 66])
def test_a_key_that_is_none(place: Path, content: bytes) -> None:
    (place / "key").write_bytes(content)
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match="is no key") as caught:
        take(place)
    assert "\n" not in str(caught.value)
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before


def test_a_key_or_a_link_in_the_cohort_is_refused(place: Path) -> None:
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match="lies in the cohort"):
        take(place, key=place / "cohort" / "key")
    with pytest.raises(IntakeError, match="lies in the cohort"):
        take(place, link=place / "cohort" / "link.csv")
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before


def stored(place: Path, path: Path) -> NDArray[np.uint8]:
    """The whole picture [S, S] of the only file, as the cohort has it."""
    plan = Plan.parse({**PLAN_DATA, "modality": [{**MODALITY, "size": 64, "region": "given"}]})
    cohort = take(place, plan, sources=Sources(path))
    return np.asarray(cohort.pixels("LUS")[0, :, :, 0])


@pytest.mark.parametrize("window", [None, (1000, 500)])
def test_sixteen_bits_become_eight_by_the_window_or_the_bits(place: Path, window: tuple[int, int] | None) -> None:
    path = write(place / "deep.dcm", picture(0, (64, 64)), regions=(), burned_in="NO")
    values = np.arange(64 * 64, dtype="<u2").reshape(64, 64)
    edit(path, BitsAllocated=16, BitsStored=12, HighBit=11, PixelData=values.tobytes())
    expected = values / 4095 * 255
    if window is not None:
        centre, width = window
        edit(path, WindowCenter=centre, WindowWidth=width)
        # PS3.3 C.11.2.1.2.1, linear
        expected = np.clip(((values - (centre - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)
    assert np.abs(stored(place, path) - expected).max() <= 0.51


def test_monochrome1_is_inverted(place: Path) -> None:
    pixels = picture(0, (64, 64))
    path = write(place / "inverted.dcm", pixels, regions=(), burned_in="NO")
    edit(path, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(stored(place, path), 255 - pixels)


def test_what_stands_in_a_header_is_not_written_down(place: Path) -> None:
    edit(write(place / "source" / "bad.dcm"), Modality="NOBODY^EVER")
    assert not take(place, skip_bad=True).exclusions["reason"].str.contains("NOBODY").any()


def test_a_bar_outside_the_picture(place: Path) -> None:
    screen = picture(0, (200, 300))[..., None].repeat(3, axis=2) // 4 + 40
    screen[50:120, 60:160] = picture(1, (70, 100, 3)) // 6 + np.array([180, 20, 20], dtype=np.uint8)
    write(place / "source" / "map.dcm", screen, regions=(), burned_in="NO")
    modality = {"name": "LSTE", "kind": "elastogram", "size": 32}
    bar = [3000, 3000, 10, 100]
    plan = Plan.parse(
        {"modality": [modality], "rule": [{"modality": "LSTE"}], "stiffness": [{"scale": 50, "bar": bar}]}
    )
    cohort = take(place, plan, skip_bad=True)
    assert len(cohort.images) == 1
    assert cohort.exclusions["reason"].str.contains("no stiffness could be read").any()


def test_a_dry_run_says_the_same_and_writes_nothing(place: Path) -> None:
    (place / "source" / "empty.dcm").touch()
    before = sorted(place.iterdir())
    rows, problems = look_at(Sources(place / "source"), PLAN, Choices(key=place / "absent", workers=1))
    assert [row["refused"] for row in rows] == [f"{NOTHING} (it is empty)", None, None]
    assert [row.get("taken_for") for row in rows] == [None, "LUS", "LUS"]
    assert not len(problems)
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before
