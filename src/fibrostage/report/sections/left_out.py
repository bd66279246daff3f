"""Leave one hospital out: the figures of each value of the column by which patients were divided."""

from __future__ import annotations

from collections.abc import Iterator

from fibrostage.analysis.by_fold import figures_by_fold
from fibrostage.analysis.judged import KeptRun
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section, ShownTable
from fibrostage.results.predictions import LEFT_OUT
from fibrostage.views.by_fold import by_fold_view
from fibrostage.views.table import method_text


def blocks(results: Results) -> list[Block]:
    """A table of a run, or of a study's first method; of a study of cuts one a cut."""
    first = results.first
    return [
        ShownTable(
            by_fold_view(
                figures_by_fold(run.predictions, run.tells(results.staging), first.confidence),
                run.tells(results.staging),
                first.split.column,
                method_text(run.method),
                results.simulated,
            ),
            titled=True,
        )
        for run in divided(results)
    ]


def divided(results: Results) -> Iterator[KeptRun]:
    """What the first method told of patients who were left out by a column's value, several of them: runs of earlier
    versions do not say which, and one that asks leaves out one."""
    for run in results.told:
        there = LEFT_OUT in run.predictions.columns and run.predictions[LEFT_OUT].n_unique() > 1
        if there and run.method == results.told[0].method:
            yield run


def wanted(results: Results) -> bool:
    """Whether patients were divided by a column, and each of its values tested."""
    return results.first.split.scheme == "column" and results.validation is None and any(divided(results))


def why(results: Results) -> str:
    """By what patients were divided instead."""
    if results.validation is not None:
        return "No network was fitted here. The subgroups say how the model does at each site and on each device."
    if results.first.strategy is not None:
        return (
            "Runs that ask test one division of the patients. 'fibrostage train' with split.scheme = \"column\" leaves "
            "each site or device out in turn."
        )
    if results.first.split.scheme == "column":
        return "The run does not say who was left out by which value; runs from before that must be made again."
    return (
        'Patients were divided by chance. With split.scheme = "column" and split.column = "site" (or "device") each '
        "is left out in turn, and tested by networks that have seen nobody of it."
    )


SECTION = Section("left_out", "Each left out in turn", wanted, blocks, why=why)
