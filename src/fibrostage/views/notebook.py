"""Tables as a notebook shows them: plain HTML, everything escaped, nothing fetched from anywhere.

`api` says that cohorts and runs are shown so (`ground.notebook`).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from fibrostage import RESEARCH_USE
from fibrostage.views.table import Cell, TableView

if TYPE_CHECKING:
    from fibrostage.cohort.store import Cohort
    from fibrostage.results.metrics import Metrics


def html_of(*tables: TableView, caveats: Iterable[str] = ()) -> str:
    """Tables one below the other, what a reader must know, and what they are not for."""
    parts = [table_html(table) for table in tables]
    parts += [f"<p>caveat: {escape(caveat)}</p>" for caveat in caveats]
    return f'<div class="fibrostage">{"".join(parts)}<p><small>{escape(RESEARCH_USE)}</small></p></div>'


def table_html(table: TableView) -> str:
    """One table with its title above and its note below."""
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(cell_html, row))}</tr>" for row in table.rows)
    note = f"<p><small>{escape(table.note)}</small></p>" if table.note else ""
    title = f"<caption>{escape(table.title)}</caption>"
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def cell_html(cell: Cell) -> str:
    """A cell, what stands beside it smaller below."""
    beside = "".join(f"<br><small>{escape(text)}</small>" for text in cell.beside)
    return f"<td>{escape(cell.text)}{beside}</td>"


def cohort_html(cohort: Cohort) -> str:
    """Patients, pictures and candidates of a cohort by stage."""
    from fibrostage.cohort.describe import describe
    from fibrostage.views.cohort import description_view

    return html_of(description_view(describe(cohort)), caveats=cohort.caveats)


def metrics_html(metrics: Metrics) -> str:
    """The figures of a run."""
    from fibrostage.analysis.few_patients import too_few
    from fibrostage.views.run import figures_view, stages_view

    staging = metrics.staging("stages")
    called = stages_view(metrics, staging)
    tables = [figures_view(metrics, staging), *([] if called is None else [called])]
    return html_of(*tables, caveats=(*too_few(metrics), *metrics.caveats))
