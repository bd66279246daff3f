"""What a report can be written as, each form by its name: a page, a PDF, figures, tables.

All forms are of the same sections, so whatever a section gives is in each. Nothing is written where a form lacks what
it needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fibrostage import RESEARCH_USE
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.files import replace_file, write_text
from fibrostage.report.compared import ScoresCompared, compared_sections, is_comparison, read_comparison
from fibrostage.report.methods import write_methods
from fibrostage.report.page import (
    PAPER,
    PHONE,
    Headed,
    Sections,
    made_folder,
    named_figures,
    narrow_pictures,
    render,
    sections_of,
    write_figures,
)
from fibrostage.report.pdf import check_pdf, pdf_of
from fibrostage.report.read_results import read_results
from fibrostage.report.results import Results
from fibrostage.report.style import LOOK, PLAIN, FigureLook, looking
from fibrostage.report.table_files import check_word, named_tables, write_csv, write_latex, write_word
from fibrostage.views.table import marked

FOR_JOURNALS = (".svg", ".pdf", ".png", ".tiff")
NARROWEST, WIDEST = 40.0, 400.0  # mm
Write = Callable[[Path, Headed, Sections], Path]


@dataclass(frozen=True)
class Form:
    """`write` writes the form of results and their sections in a folder and returns where; `check` raises `PlanError`
    where something that it needs is missing; `drawn` says that it is of figures at a journal's column width, `wide` how
    many millimetres its own are, None for the page's."""

    name: str
    write: Write
    check: Callable[[], None] = lambda: None
    drawn: bool = False
    wide: float | None = None

    def looks(self, look: FigureLook) -> FigureLook:
        """How its figures are drawn, where those of the journal's are drawn so."""
        return look if self.drawn else FigureLook(look.style, self.wide, stretch=self.wide is None)


def as_page(out: Path, results: Headed, sections: Sections) -> Path:
    """index.html, in which is everything, and beside it the methods paragraph with its references."""
    write_text(out / "index.html", whole_page(results, sections))
    if isinstance(results, Results):
        write_methods(out, results)
    return out / "index.html"


def whole_page(results: Headed, sections: Sections) -> str:
    """The page as HTML, with wide figures drawn a second time for a phone."""
    with looking(FigureLook({"font.size": 8, **LOOK.get().style}, PHONE, tallest=math.inf, stretch=False)):
        narrow = narrow_pictures(sections, sections_again(results), results.simulated)
    return render(results, sections, narrow=narrow)


def as_pdf(out: Path, results: Headed, sections: Sections) -> Path:
    """report.pdf, the page on A4."""
    made = pdf_of(render(results, sections, paper=True))
    replace_file(out / "report.pdf", lambda temporary: temporary.write_bytes(made))
    return out / "report.pdf"


def as_figures(out: Path, results: Headed, sections: Sections) -> Path:
    """figures/: each figure as SVG, PDF, PNG and TIFF, and captions.txt with what stands below and what is seen."""
    write_figures(out / "figures", sections, results, FOR_JOURNALS)
    lines = [
        f"{name}\n{marked(section.title, results.simulated)}. {drawn.caption}\nAlternative text: {drawn.said}\n"
        for name, (section, drawn) in named_figures(sections).items()
    ]
    write_text(out / "figures" / "captions.txt", "\n".join([*lines, RESEARCH_USE, ""]))
    return out / "figures"


def as_csv(out: Path, results: Headed, sections: Sections) -> Path:
    """tables/: a CSV a table."""
    write_csv(out / "tables", named_tables(sections), results.simulated)
    return out / "tables"


def as_latex(out: Path, results: Headed, sections: Sections) -> Path:
    """tables/: a LaTeX file a table."""
    write_latex(out / "tables", named_tables(sections), results.simulated)
    return out / "tables"


def as_word(out: Path, results: Headed, sections: Sections) -> Path:
    """tables/tables.docx: all tables, a page each."""
    path = made_folder(out / "tables") / "tables.docx"
    write_word(path, named_tables(sections), results.simulated)
    return path


def as_papers(out: Path, results: Headed, sections: Sections) -> Path:
    """figures/: each figure as PDF and PNG."""
    write_figures(out / "figures", sections, results)
    return out / "figures"


FORMS = {
    form.name: form
    for form in (
        Form("html", as_page),
        Form("pdf", as_pdf, check_pdf, wide=PAPER),
        Form("figures", as_figures, drawn=True),
        Form("tables", as_csv),
        Form("latex", as_latex),
        Form("docx", as_word, check_word),
    )
}


FIGURES_TOO = Form("--figures", as_papers)  # an option of its own, older than the forms


def write_report(folder: Path, target: Path | None = None, figures: bool = False) -> Path:
    """Writes index.html, methods.md and references.bib under `target` (DIR/report by default) and returns the page's
    path; with `figures`, every figure as PDF and PNG too, under figures/.

    Raises `RunError` where the folder holds no finished run or study, or the page cannot be written.
    """
    return write_forms(folder, target, ["html"], figures=figures)[0]


def forms_named(names: Sequence[str]) -> list[Form]:
    """The forms of such names, each once; raises `PlanError` for an unknown one."""
    found = []
    for name in dict.fromkeys(names):
        if name not in FORMS:
            raise PlanError(f"--format {name!r}{nearest(name, FORMS)} is not known; known: {', '.join(FORMS)}")
        found.append(FORMS[name])
    return found


def read_whole(folder: Path, prevalences: Sequence[float] = ()) -> tuple[Headed, Sections]:
    """What a folder holds, with the sections of its report: a run, a study or a comparison of scores; predictive values
    are told at `prevalences` where any are given. Raises `RunError` where it is none, unfinished or damaged, and
    `PlanError` for a prevalence that is no share, or of a comparison, which chooses no thresholds."""
    wrong = [share for share in prevalences if not 0 < share < 1]
    if wrong:
        raise PlanError(f"--prevalence {wrong[0]:g} is not between 0 and 1, as 0.15")
    if is_comparison(folder):
        if prevalences:
            raise PlanError(f"--prevalence is of thresholds, and the comparison in {folder} has none")
        compared = read_comparison(folder)
        return compared, compared_sections(compared)
    results = read_results(folder)
    if prevalences:
        results = replace(results, prevalences=tuple(dict.fromkeys(prevalences)))
    return results, sections_of(results)


def sections_again(results: Headed) -> Sections:
    """The sections of what was read, with figures drawn as is asked for by now."""
    if isinstance(results, Results):
        return sections_of(results)
    assert isinstance(results, ScoresCompared)
    return compared_sections(results)


def write_forms(
    folder: Path,
    target: Path | None,
    names: Sequence[str],
    look: FigureLook = PLAIN,
    figures: bool = False,
    prevalences: Sequence[float] = (),
) -> list[Path]:
    """Writes the report of a run's, a study's or a comparison's folder in each of the forms named, under `target`
    (DIR/report by default), and returns where each is.

    `look` is how figures are drawn; its width is that of the figures' own files. With `figures`, those are written as
    PDF and PNG where the form "figures" is not asked for; `prevalences` are those at which predictive values are told
    beside the cohort's own. Raises `PlanError` for an unknown form, a width that no page
    has, or where a form lacks what it needs, before anything is written; `RunError` where the folder holds no finished
    run or study, or something cannot be written.
    """
    wanted = forms_named(names)
    if figures and FORMS["figures"] not in wanted:
        wanted.append(FIGURES_TOO)
    if look.width is not None and not NARROWEST <= look.width <= WIDEST:
        raise PlanError(
            f"--width {look.width:g} is not between {NARROWEST:g} and {WIDEST:g} mm (a column: 89, two: 183)"
        )
    for form in wanted:
        form.check()
    written: dict[str, Path] = {}
    for own in (FigureLook(look.style), FigureLook(look.style, PAPER, stretch=False), look):
        mine = [form for form in wanted if form.looks(look) == own and form.name not in written]
        if not mine:
            continue
        with looking(own):
            results, sections = read_whole(folder, prevalences)
            out = made_folder(target or folder / "report")
            written |= {form.name: form.write(out, results, sections) for form in mine}
    return [written[form.name] for form in wanted]
