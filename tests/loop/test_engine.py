"""The loop and the playback from an archive are one engine: the same answers make the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.campaign.oracles.archive import Archive
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.state import replay
from fibrostage.loop.opened import begin, open_loop
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.estimate import Estimate
from tests.conftest import Cut, plan_data
from tests.loop import SMALL

TESTED = (1, 6, 12, 18)


@pytest.mark.parametrize(
    ("strategy", "unit"),
    [
        ("random", "candidate"), ("esd", "candidate"), ("entropy", "image"), ("esd", "patient"),
        ("bald+power", "candidate"), ("badge", "patient"),
    ],
)  # fmt: skip
def test_the_archives_answers_told_to_a_loop_make_the_queries_of_the_playback(
    cohort: Cohort, cut: Cut, tmp_path: Path, strategy: str, unit: str
) -> None:
    everybody = cut("archive", range(20), known=range(20))
    fold = pl.Series(["test" if row in TESTED else "train" for row in range(20)])
    divided = Cohort(**{**everybody.__dict__, "patients": everybody.patients.with_columns(fold=fold)})
    asked = (f"active.strategy={strategy}", f"active.unit={unit}", "active.rounds=3", "active.initial=0.2", *SMALL)
    plan = Plan.parse(plan_data(), [*asked, "split.scheme=column", "split.column=fold", "active.fold=0"])
    run_active(divided, plan, tmp_path / "active")
    played = replay(read_events(tmp_path / "active"))

    clinic = cut("clinic", range(20), known=TESTED)
    loop = begin(clinic.path, tmp_path / "loop", {}, [*asked, "loop.audit=0", "loop.known=test"])
    loop.leave()
    queries, figures = [], []
    for query in played.issued:
        with open_loop(tmp_path / "loop") as loop:  # as if it were months between
            question = loop.campaign.ask(len(query.items))
            assert question is not None
            queries.append(question.items)
            archive = Archive(loop.units, everybody.stages, 5, plan.oracle, plan.seed)
            items = np.array(question.items)
            loop.campaign.tell(dict(zip(question.items, archive.answer(items).tolist(), strict=True)), "archive")
            figures.append(values(loop.campaign.close().figures))
    assert queries == [query.items for query in played.issued]
    assert figures == [values(closed.figures) for closed in played.closed]


def values(figures: Mapping[str, Estimate]) -> dict[str, float | None]:
    """Figures without what a ledger does not keep of them."""
    return {name: figure.value for name, figure in figures.items()}


def test_the_ledger_holds_names_and_no_numbers(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    clinic = cut("clinic", range(10))
    with begin(clinic.path, tmp_path / "loop", {}, [*SMALL, "active.unit=image", "active.initial=4"]) as loop:
        question = loop.campaign.ask()
        assert question is not None
        loop.campaign.tell({question.items[0]: 2}, "A")
        patient = loop.patient_id(question.items[0])
        shown = loop.units.rows(np.array(question.items[:1]))[0]
        modality = ("LSTE", "LUS")[int(np.argmax(shown))]
        sha = clinic.picture_hashes(modality)[int(shown.max())]
    events = read_events(tmp_path / "loop")
    told = next(event for event in events if event.kind == "labelled")
    assert told.item is None
    assert told.payload["item"] == [patient, [sha, None] if modality == "LSTE" else [None, sha]]
