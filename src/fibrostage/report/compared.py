"""A comparison of scores as a folder, and what its report shows; `compare --out` writes it, `report` reads it.

comparison.json is what `compare --json` prints, with the question beside it, and scores.csv the columns that were asked
for. The report asks the same question of them again, so that nothing can stand in one that is not in the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fibrostage import __version__
from fibrostage.analysis.compare_scores import PATIENT_NAMES, Comparison, ScoreQuestion, compare_scores
from fibrostage.analysis.conclusion import as_dict, conclusion
from fibrostage.csv_tables.scores import read_table
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.files import new_folder, read_json, write_json, write_text
from fibrostage.ground.lists import and_
from fibrostage.report.drawing import Drawing
from fibrostage.report.roc import areas_said, roc_grid, scores_panels
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.spec import Block, Bullets, Facts, Note, Section, ShownTable
from fibrostage.views.comparison import comparison_views, pairs_at_cuts_view
from fibrostage.views.table import TableView

COMPARISON, SCORES = "comparison.json", "scores.csv"
ORIGIN = "origin"  # the column that says which rows are simulated
Sections = list[tuple[Section, list[Block]]]
NOBODY_KNOWN = (
    "The table holds scores and what is true, and nothing of who the patients are or how they were chosen; the report "
    "of a run has both, as its cohort knows them."
)
NOBODY_TRAINS = (
    "A threshold must be chosen on other patients than those it is judged on, and all of these are judged. The report "
    "of a run has thresholds from training patients, and the published ones of markers, with predictive values and "
    "the grey zone."
)
NO_PROBABILITY = (
    "A score is no probability: nothing can be said of calibration or of net benefit. Net reclassification and IDI "
    "need thresholds or probabilities too."
)
NO_STAGE = "A score calls nobody a stage, so there is no matrix, no kappa and no share within one stage."
NOTHING_FITTED = (
    "Nothing was fitted here. What the checklists ask is of the study that the scores come from, which its table does "
    "not know."
)


@dataclass(frozen=True)
class ScoresCompared:
    """A comparison that a report is made of."""

    name: str
    made: Comparison

    @property
    def simulated(self) -> bool:
        return self.made.simulated

    @property
    def about(self) -> str:
        """What stands below the title."""
        return f"{and_(list(self.made.question.every))} against {self.made.question.truth} · {self.made.n} rows"


def write_comparison(made: Comparison, table: Path, encoding: str, target: Path) -> None:
    """Writes a comparison of a `table` as a new folder. Raises `RunError` where there is something at `target`, or it
    cannot be written."""
    question = made.question
    read = read_table(table, question.every, encoding)
    asked = (question.truth, *question.every, *(() if question.cluster is None else (question.cluster,)))
    beside = [name for name in read.columns if name.lower() in PATIENT_NAMES or name == ORIGIN]
    columns = list(dict.fromkeys([*asked, *beside]))
    with new_folder(target) as work:
        write_text(work / SCORES, csv_text(columns, ([cells[name] for name in columns] for _, cells in read.rows)))
        write_json(work / COMPARISON, {**as_dict(made), "question": asdict(question), "table": table.name})


def is_comparison(folder: Path) -> bool:
    """Whether `compare --out` wrote the folder."""
    return (folder / COMPARISON).is_file() and (folder / SCORES).is_file()


def read_comparison(folder: Path) -> ScoresCompared:
    """What `write_comparison` wrote; raises `RunError` where it is damaged."""
    try:
        question = TypeAdapter(ScoreQuestion).validate_python(read_json(folder / COMPARISON)["question"])
        return ScoresCompared(folder.resolve().name, compare_scores(folder / SCORES, question))
    except (KeyError, ValidationError):
        why = f"{COMPARISON} does not hold the question"
    except FibrostageError as error:
        why = str(error)
    raise RunError(f"the comparison in {folder} is damaged: {why}; call compare --out again")


def compared_sections(compared: ScoresCompared) -> Sections:
    """What the report of a comparison shows, in its order."""
    made = compared.made
    blocks: dict[tuple[str, str], list[Block]] = {
        ("caveats", "Read this first"): [Bullets(tuple(("", line) for line in made.caveats))] if made.caveats else [],
        ("conclusion", "What may be concluded"): [Note(conclusion(made), "lead")],
        ("figures", "Results"): [ShownTable(one) for one in tables_of(made)],
        ("roc_curves", "ROC curves"): [
            curves_of(made),
            Note("One point a row. A score's curve is of rows that have it."),
        ],
        ("provenance", "How this was made"): [Facts(facts_of(made))],
        ("not_here", SECTIONS["not_here"].title): [Facts(reasons())],
    }
    return [
        (Section(name, title, lambda _: True, lambda _: [], warns=name == "caveats"), own)
        for (name, title), own in blocks.items()
        if own
    ]


def tables_of(made: Comparison) -> list[TableView]:
    """The areas and the paired differences, of stages those at each cut too."""
    at_cuts = pairs_at_cuts_view(made)
    return [*comparison_views(made), *([at_cuts] if at_cuts.rows else [])]


def reasons() -> tuple[tuple[str, str], ...]:
    """The sections of a run's report that a comparison cannot have, by their titles, and why."""
    return tuple(
        (" · ".join(SECTIONS[name].title for name in names), why)
        for names, why in (
            (("table_one", "participants", "subgroups"), NOBODY_KNOWN),
            (("operating_points",), NOBODY_TRAINS),
            (("calibration", "decision_curves", "reclassification"), NO_PROBABILITY),
            (("stages_called", "agreement"), NO_STAGE),
            (("methods", "checklists"), NOTHING_FITTED),
        )
    )


def curves_of(made: Comparison) -> Drawing:
    """The ROC curves of the scores, a panel a cut."""
    panels, names = scores_panels(made), made.question.every
    people = "" if made.clusters is None else f" of {made.clusters} patients"
    how = "DeLong's interval" if made.clusters is None else "the interval clustered by patient (Obuchowski 1997)"
    alt = f"ROC curves at {and_([title for title, _, _ in panels])}. Areas under them: {areas_said(panels)}."
    shown = roc_grid(names, panels, made.simulated, reference=made.question.reference == names[0])
    counted = f"{made.n} rows{people}; each curve says its own n"
    return Drawing(shown, "", alt, counted, f"AUC with {how}, {100 * made.question.confidence:g} %")


def facts_of(made: Comparison) -> tuple[tuple[str, str], ...]:
    """What another needs to ask the same again."""
    question = made.question
    pairs = (
        ("truth", question.truth + (f" ({and_(list(question.positive))} is positive)" if question.positive else "")),
        ("high in disease", and_(list(question.scores))),
        ("low in disease", and_(list(question.lower))),
        ("stages", " < ".join(made.counts)),
        ("patient of a row", question.cluster or ""),
        ("left out", f"{made.without_truth} rows without {question.truth}" if made.without_truth else ""),
        ("intervals", f"{100 * question.confidence:g} %"),
        ("tests", "DeLong's paired test on the rows of both, p after Holm" if made.main.pairs else ""),
        ("fibrostage", __version__),
    )
    return tuple((name, said) for name, said in pairs if said)
