"""Tables are read as they stand, as their owner says they are written, and never by a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.csv_tables.reader import CsvTable, read_csv
from fibrostage.csv_tables.reading import TableReading
from fibrostage.csv_tables.writer import as_meant, as_text, csv_text, write_csv
from fibrostage.ground.errors import IntakeError, Problems
from tests.csv_tables.books import Rows, ods, xls, xlsx

ROWS: Rows = (("patient_id", "stage", "te"), ("007", "F2", 5.5), ("8", "", 12))


def read(path: Path, **said: object) -> CsvTable:
    return read_csv(path, ("patient_id", "stage"), Problems(), reading=TableReading(**said))  # type: ignore[arg-type]


def cells(table: CsvTable) -> list[tuple[int, list[str]]]:
    return [(row, list(values.values())) for row, values in table.rows]


@pytest.mark.parametrize(("write", "suffix"), [(xlsx, "xlsx"), (ods, "ods"), (xls, "xls")])
def test_workbooks_are_read_as_csvs_are(write: Callable[..., Path], suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"p.{suffix}", {"Patients": ROWS})
    assert cells(read(path)) == [(2, ["007", "F2", "5.5"]), (3, ["8", "", "12"])]
    assert cells(read(path, decimal=","))[0] == (2, ["007", "F2", "5,5"])


def test_which_of_several_sheets_is_meant_must_be_said(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "p.xlsx", {"Notes": [["seen by"]], "Patients": ROWS, "Empty": []})
    with pytest.raises(IntakeError, match=r'2 sheets with .*: Notes, Patients.*\[table\] sheet = "Notes"'):
        read(path)
    assert len(read(path, sheet="Patients").rows) == 2
    with pytest.raises(IntakeError, match="no sheet 'Patient', did you mean 'Patients'"):
        read(path, sheet="Patient")


def test_a_broken_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.xlsx"
    path.write_bytes(b"PK\x03\x04 and nothing that follows")
    with pytest.raises(IntakeError, match="cannot be read as a workbook"):
        read(path)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_usual_delimiters_are_told_by_the_header(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"patient_id{mark}stage\nA{mark}F1\n")
    assert cells(read(path)) == [(2, ["A", "F1"])]
    path.write_text("patient_id#stage\nA#F1\n")
    assert cells(read(path, delimiter="#")) == [(2, ["A", "F1"])]


def test_encodings_that_a_mark_tells_and_one_that_must_be_said(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text("patient_id,stage\nMüller,F1\n", encoding=encoding)
        assert cells(read(path)) == [(2, ["Müller", "F1"])]
    path.write_text("patient_id,stage\nMüller,F1\n", encoding="cp1252")
    with pytest.raises(IntakeError, match=r'line 2 is not utf-8 text.*\[table\] encoding = "'):
        read(path)
    assert cells(read(path, encoding="cp1252")) == [(2, ["Müller", "F1"])]
    path.write_bytes("patient_id,stage\nMüller,F1\n".encode("utf-16-le"))
    with pytest.raises(IntakeError, match=r"line 1 holds signs of the value 0.*--encoding \(utf-16-le"):
        read(path)
    assert cells(read(path, encoding="utf-16-le")) == [(2, ["Müller", "F1"])]


def test_the_line_that_would_name_a_column_is_proposed_and_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("Pat.-Nr.;METAVIR;PLT\n1;F2;200\n")
    with pytest.raises(IntakeError) as caught:
        read(path)
    assert '[table] columns = { "Pat.-Nr." = "patient_id", "METAVIR" = "stage" }' in str(caught.value)
    table = read(path, columns={"Pat.-Nr.": "patient_id", "METAVIR": "stage"})
    assert table.columns == ("patient_id", "stage", "PLT")
    with pytest.raises(IntakeError, match="repeats 'stage'"):
        read(path, columns={"Pat.-Nr.": "patient_id", "METAVIR": "stage", "PLT": "stage"})


def test_what_is_no_value_is_blank_and_counted_and_ids_get_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient_id,stage,ast\n7,NA,n.d.\n012,2.0,-\nX1,F3,40\n")
    table = read(path, missing=frozenset(("na", "n.d.", "-")), stages={"2.0": "F2"}, id_digits=3)
    assert cells(table) == [(2, ["007", "", ""]), (3, ["012", "F2", ""]), (4, ["X1", "F3", "40"])]
    assert table.record.as_dict() == {
        "missing": {"stage": 1, "ast": 2}, "stages": {"2.0 → F2": 1}, "ids filled with zeros": 1,
    }  # fmt: skip


@given(st.text())
def test_texts_come_back_as_they_were_and_none_begins_a_formula(text: str) -> None:
    written = str(as_text(text))
    assert as_meant(written) == text
    assert not written.startswith(("=", "@", "\t", "\r"))


def test_formulas_cannot_leave_in_a_csv_and_numbers_stay_numbers(tmp_path: Path) -> None:
    rows = [("=HYPERLINK(1)", "-1.5", -2, "+49 221"), ("@x", "-", 0.5, "'=quoted")]
    text = csv_text(("patient_id", "stage", "n", "=tel"), rows)
    assert text.splitlines() == [
        "patient_id,stage,n,'=tel", "'=HYPERLINK(1),-1.5,-2,'+49 221", "'@x,'-,0.5,''=quoted",
    ]  # fmt: skip
    path = tmp_path / "t.csv"
    path.write_text(text)
    back = read_csv(path, ("patient_id",), Problems())
    assert back.columns == ("patient_id", "stage", "n", "=tel")
    assert [list(values.values()) for _, values in back.rows] == [[str(cell) for cell in row] for row in rows]
    frame = pl.DataFrame({"patient_id": ["=1+1", "P1", None], "@who": [-1.0, 2.0, None]})
    write_csv(frame, path)
    assert path.read_text() == "patient_id,'@who\n'=1+1,-1.0\nP1,2.0\n,\n"
