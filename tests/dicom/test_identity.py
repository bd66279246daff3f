"""Names are found in whatever encoding they were written, declared, undeclared or declared wrongly."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from fibrostage.dicom.file import open_dicom
from fibrostage.intake.privacy import Privacy, identifies
from tests.intake.build.bad_files import write

WRITTEN = [
    ("王小东", "gb18030"), ("王小东", "utf-8"), ("王小東", "big5"), ("山田太郎", "shift_jis"),
    ("山田太郎", "euc_jp"), ("김희중", "euc_kr"), ("Müller", "latin-1"), ("Иванов", "cp1251"), ("Иванов", "iso8859-5"),
    ("Иванов", "koi8-r"), ("Παπαδόπουλος", "iso8859-7"), ("Şahin", "iso8859-9"), ("Łukasz", "iso8859-2"),
    ("Łukasz", "cp1250"), ("ธนพล", "tis-620"),
]  # fmt: skip


@pytest.mark.parametrize("declared", [None, "ISO_IR 100", "ISO_IR 192", "GB18030"])
@pytest.mark.parametrize(("name", "encoding"), WRITTEN)
def test_a_name_is_found_whatever_the_file_declares(
    name: str, encoding: str, declared: str | None, tmp_path: Path
) -> None:
    raw = name.encode(encoding)
    path = write(tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    if declared is None:
        del data.SpecificCharacterSet
    else:
        data.SpecificCharacterSet = declared
    data.PatientName = "XXNAMEXX"
    data.save_as(path)
    put = raw + b" " * (8 - len(raw)) if len(raw) <= 8 else raw + b" " * (len(raw) % 2)
    whole = path.read_bytes()
    at = whole.index(b"XXNAMEXX")
    length = len(put).to_bytes(2, "little")
    path.write_bytes(whole[: at - 2] + length + put + whole[at + 8 :])
    found = open_dicom(path).header.identifying
    privacy = Privacy(b"k" * 32)
    hashed = {privacy.word(word) for word in found}
    assert identifies(name, hashed, privacy)
    assert identifies(f"control {name} 2024", hashed, privacy)


def test_a_name_is_found_inside_a_sentence_that_has_no_spaces() -> None:
    privacy = Privacy(b"k" * 32)
    assert identifies("患者王小东今天复查", {privacy.word("王小东")}, privacy)
    assert not identifies("患者今天复查", {privacy.word("王小东")}, privacy)
