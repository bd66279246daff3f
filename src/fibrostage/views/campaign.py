"""The tables of a campaign: its ledger, and labels that deserve a second look."""

from __future__ import annotations

import polars as pl

from fibrostage.ledger.export import LedgerSummary
from fibrostage.views.table import TableView, view

MOST = 30  # doubtful patients shown


def ledger_view(found: LedgerSummary) -> TableView:
    """A ledger, a row a round."""
    pending = f", {found.pending} waiting for an answer" if found.pending else ""
    again = f", {found.reread} read again" if found.reread else ""
    disputed = f", {found.disputed} in dispute" if found.disputed else ""
    stopped = f" · stopped: {found.stopped}" if found.stopped else ""
    title = f"{found.labels} {found.unit}s labelled, {found.rejected} rejected{pending}{again}{disputed}{stopped}"
    rows = [
        [
            str(row.round),
            row.at[:19].replace("T", " "),
            row.strategy,
            *(str(count) for count in (row.asked, row.labelled, row.rejected)),
            "yes" if row.closed else "no",
        ]
        for row in found.rounds
    ]
    return view(title, ("round", "asked at (UTC)", "strategy", "asked", "labelled", "rejected", "closed"), rows)


def doubts_view(table: pl.DataFrame) -> TableView:
    """The doubtful among held-out patients, worst first."""
    doubtful = table.filter("doubtful")
    rows = [
        [row["patient_id"], row["stage"], row["called"], f"{row['quality']:.2f}"]
        for row in doubtful.head(MOST).iter_rows(named=True)
    ]
    title = f"{len(doubtful)} of {len(table)} held-out patients have a doubtful stage"
    return view(title, ("patient", "stage given", "stage called", "quality of the label"), rows)
