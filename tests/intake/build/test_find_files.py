"""Which files and folders intake looks into: names, indexes, links, and what cannot be read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build import take_in as build
from fibrostage.intake.build.find_files import Sources
from tests.intake.build.bad_files import check_refused, picture, take, write


def test_what_a_file_is_called_says_nothing_of_what_it_is(place: Path) -> None:
    for name in ("third.png", "fourth.mp4", "IM0005", "1.2.840.6"):
        write(place / "source" / name)
    assert len(take(place).images) == 6


def test_indexes_hidden_files_and_documents_are_passed_over(place: Path) -> None:
    for name in ("DICOMDIR", "Thumbs.db", "desktop.ini", "read.me.txt", ".hidden", "a/DICOMDIR"):
        (place / "source" / name).parent.mkdir(exist_ok=True)
        (place / "source" / name).write_bytes(b"nothing")
    cohort = take(place)
    assert (len(cohort.images), len(cohort.exclusions)) == (2, 0)


def test_indexes_are_passed_over_whatever_their_case(place: Path) -> None:
    for name in ("dicomdir", "thumbs.db", "Desktop.INI"):
        (place / "source" / name).write_bytes(b"nothing")
    assert len(take(place).images) == 2


def test_links_between_folders_are_said_and_no_loop(place: Path) -> None:
    (place / "source" / "again").symlink_to(place / "source", target_is_directory=True)
    check_refused(place, "again", "is a link to a folder, which is not followed")


def test_a_link_that_leads_up_is_no_loop(place: Path) -> None:
    (place / "source" / "a").mkdir()
    (place / "source" / "a" / "up").symlink_to("..", target_is_directory=True)
    check_refused(place, "a/up", "is a link to a folder, which is not followed")


def test_a_folder_that_cannot_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place / "source" / "locked" / "one.dcm")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    check_refused(place, "locked", "the folder cannot be read: Permission denied")


def test_a_folder_that_can_be_listed_and_not_entered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place / "source" / "locked" / "one.dcm")
    is_file = Path.is_file

    def refusing(path: Path) -> bool:
        if path.parent.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refusing)
    with pytest.raises(IntakeError, match="one.dcm"):
        take(place)


@pytest.mark.parametrize("stage", ["before its state was asked", "before it was opened"])
def test_a_file_that_vanishes(place: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Between listing and reading, in either call: it is there again for the second."""
    bad = place / "source" / "bad.dcm"
    name = "survey" if "state" in stage else "read_all"
    whole: Callable[..., Any] = getattr(build, name)

    def vanishing(*args: Any, **kwargs: Any) -> Any:
        found = list(whole(*args, **kwargs)) if name == "survey" else whole(*args, **kwargs)
        bad.unlink()
        return found

    monkeypatch.setattr(build, name, vanishing)
    touch = build.begin

    def begun(*args: Any) -> Any:
        write(bad)
        return touch(*args)

    monkeypatch.setattr(build, "begin", begun)
    check_refused(place, "bad.dcm", "No such file or directory")


def test_two_sources_of_one_name(place: Path) -> None:
    one, other = write(place / "a" / "dicom" / "1.dcm"), write(place / "b" / "dicom" / "1.dcm", picture(5))
    assert len(take(place, sources=Sources(one.parent, more=(other.parent,))).images) == 2


def test_a_file_name_in_an_old_encoding(place: Path) -> None:
    path = write(place / "source" / "old.dcm")
    path.rename(path.with_name(os.fsdecode(b"M\xfcller.dcm")))
    assert len(take(place).images) == 3


def test_a_file_name_of_two_lines(place: Path) -> None:
    (place / "source" / "one\ntwo.dcm").touch()
    with pytest.raises(IntakeError) as caught:
        take(place)
    assert len(str(caught.value).splitlines()) == 3


def test_the_index_of_a_disc_stands_for_the_disc(place: Path) -> None:
    (place / "source" / "DICOMDIR").write_bytes(b"nothing")
    found = Sources(place / "source" / "DICOMDIR")
    found.check()
    assert found.folders == (place / "source",)
