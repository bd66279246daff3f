"""The tables of a report as files: CSV for a spreadsheet or a program, LaTeX and Word for a manuscript."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import PlanError
from fibrostage.ground.files import replace_file, write_text
from fibrostage.report.page import Sections, made_folder
from fibrostage.report.sections.spec import ShownTable
from fibrostage.views.table import NONE, TableView

if TYPE_CHECKING:
    from docx.document import Document

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
SMALL = 8  # points, of what stands beside a figure and of notes
ACROSS = 6  # columns, beyond which a page of Word lies on its side
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "≥": r"$\geq$", "≤": r"$\leq$",
    "⊕": r"$\oplus$", "−": r"$-$", "–": "--", "—": "---", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$",
    "²": r"$^2$", "’": "'", "“": "``", "”": "''", "[": "{[}", "]": "{]}", "\n": " ",
}  # fmt: skip


def named_tables(sections: Sections) -> dict[str, TableView]:
    """The tables of sections by the names of their files: the section's, numbered where it has several."""
    found = {}
    for section, blocks in sections:
        views = [block.view for block in blocks if isinstance(block, ShownTable)]
        for index, view in enumerate(views, start=1):
            found[section.name if len(views) == 1 else f"{section.name}-{index}"] = view
    return found


def write_csv(folder: Path, tables: Mapping[str, TableView], simulated: bool) -> None:
    """A CSV a table; what stands beside a figure has a column of its own, simulated data say so in each row."""
    made_folder(folder)
    for name, view in tables.items():
        beside = [any(row[k].beside for row in view.rows) for k in range(len(view.columns))]
        columns: list[str] = []
        for column, doubled in zip(view.columns, beside, strict=True):
            columns += [column, f"{column}, beside"] if doubled else [column]
        rows = []
        for row in view.rows:
            cells: list[str] = []
            for cell, doubled in zip(row, beside, strict=True):
                cells += [cell.text, "; ".join(cell.beside)] if doubled else [cell.text]
            rows.append([*cells, *([SIMULATED] if simulated else [])])
        header = [*columns, *(["data"] if simulated else [])]
        write_text(folder / f"{name}.csv", csv_text(header, rows))


def write_latex(folder: Path, tables: Mapping[str, TableView], simulated: bool) -> None:
    """A file a table, to be read by `\\input`; it takes the package booktabs."""
    made_folder(folder)
    for name, view in tables.items():
        write_text(folder / f"{name}.tex", latex_of(name, view, simulated))


def latex_of(name: str, view: TableView, simulated: bool) -> str:
    """A table as LaTeX; what stands beside figures has a smaller line below them."""
    sides = "".join("r" if k in view.numbers else "l" for k in range(len(view.columns)))
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"\\caption{{{in_latex(titled(view, simulated))}}}",
        f"\\label{{tab:{name}}}",
        "\\small",
        f"\\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        "\\toprule",
        " & ".join(map(in_latex, view.columns)) + " \\\\",
        "\\midrule",
    ]
    for row in view.rows:
        lines.append(" & ".join(in_latex(cell.text) for cell in row) + " \\\\")
        for k in range(max(len(cell.beside) for cell in row)):
            small = [in_latex(cell.beside[k]) if k < len(cell.beside) else "" for cell in row]
            lines.append(" & ".join(f"{{\\footnotesize {text}}}" if text else "" for text in small) + " \\\\")
    note = " ".join(filter(None, (view.note, RESEARCH_USE)))
    lines += ["\\bottomrule", "\\end{tabular}", f"\\par\\footnotesize {in_latex(note)}", "\\end{table}", ""]
    return "\n".join(lines)


def in_latex(text: str) -> str:
    """A text with the signs that mean something to LaTeX written so that they are printed."""
    return "".join(LATEX.get(sign, sign) for sign in UNPRINTABLE.sub("", text))


def titled(view: TableView, simulated: bool) -> str:
    """A table's title, which says that its patients do not exist where they do not."""
    return f"{view.title} · {SIMULATED}" if simulated and SIMULATED not in view.title else view.title


def check_word() -> None:
    """Raises `PlanError` where python-docx is missing."""
    try:
        import docx  # noqa: F401
    except ImportError:
        raise PlanError("tables for Word need python-docx: install fibrostage with its extra [pages]") from None


def write_word(path: Path, tables: Mapping[str, TableView], simulated: bool) -> None:
    """All tables in one Word document, a page each, as journals ask; raises `PlanError` without python-docx."""
    check_word()
    import docx
    from docx.enum.section import WD_ORIENT, WD_SECTION

    made = docx.Document()
    made.core_properties.author = ""
    made.core_properties.title = f"Tables{f' · {SIMULATED}' if simulated else ''}"
    for index, view in enumerate(tables.values()):
        page = made.sections[0] if index == 0 else made.add_section(WD_SECTION.NEW_PAGE)
        across = len(view.columns) > ACROSS
        sides = sorted((int(page.page_width or 0), int(page.page_height or 0)))
        page.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
        page.page_width, page.page_height = reversed(sides) if across else sides
        word_table(made, view, simulated)
    replace_file(path, lambda temporary: made.save(str(temporary)))


def word_table(made: Document, view: TableView, simulated: bool) -> None:
    """One table with its title above and its note below; its first row is repeated on every page."""
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    made.add_heading(printable(titled(view, simulated)), level=2)
    table = made.add_table(rows=1 + len(view.rows), cols=len(view.columns))
    table.style = "Light Shading"
    table.autofit = True
    repeated = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(repeated)
    for row, cells in zip(table.rows, [[(column, ()) for column in view.columns], *texts_of(view)], strict=True):
        for cell, (text, beside) in zip(row.cells, cells, strict=True):
            cell.paragraphs[0].add_run(printable(text)).font.size = Pt(SMALL + 1)
            for line in beside:
                cell.add_paragraph().add_run(printable(line)).font.size = Pt(SMALL - 1)
            for paragraph in cell.paragraphs:
                paragraph.paragraph_format.space_after = Pt(0)
    note = " ".join(filter(None, (view.note, RESEARCH_USE)))
    made.add_paragraph().add_run(printable(note)).font.size = Pt(SMALL)


def texts_of(view: TableView) -> Sequence[Sequence[tuple[str, tuple[str, ...]]]]:
    """The texts of a table's rows, and what stands beside each; a dash where a cell is empty."""
    return [[(cell.text or NONE, cell.beside) for cell in row] for row in view.rows]


def printable(text: str) -> str:
    """A text without the signs that XML cannot hold."""
    return UNPRINTABLE.sub("", text)
