"""Who was called what: patients by true and called stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrostage.analysis.stage_calls import seldom_called
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Bullets, Drawing, Note, Section
from fibrostage.report.style import INK, drawing, figure, mark_simulated
from fibrostage.results.predictions import scores_of
from fibrostage.stats.agreement import confusion
from fibrostage.views.table import method_text

SELDOM = (
    "The stage called is the most probable one. A stage that is seldom the most probable is seldom called, however "
    "well its probability tells patients apart (the AUC says that); look at the probability at each cut too."
)


def blocks(results: Results) -> list[Block]:
    """One panel a method."""
    classes = results.staging.classes
    counted = []
    for method, table in results.predictions.items():
        found = scores_of(table, results.staging)
        counted.append((method, confusion(found.stages, found.called, len(classes))))
    seldom = [
        ("", f"{method_text(method)}: {line}") for method, table in counted for line in seldom_called(table, classes)
    ]
    drawn = Drawing(confusion_figure(counted, classes, results.simulated))
    return [drawn, Note(SELDOM), Bullets(tuple(seldom))] if seldom else [drawn]


def confusion_figure(
    confusions: Sequence[tuple[str, NDArray[np.int64]]], classes: Sequence[str], simulated: bool
) -> Figure:
    """Draws how many patients of each true stage were called each stage, a panel a method.

    Each method has its counts [K, K], a row a true stage and a column a called one; shade is the share of the true
    stage.
    """
    with drawing():
        columns = min(3, len(confusions))
        rows = -(-len(confusions) // columns)
        made, axes = figure(3.1 * columns, 3.0 * rows, columns, rows)
        for ax in axes[len(confusions) :]:
            ax.set_axis_off()
        for ax, (method, counts) in zip(axes, confusions, strict=False):
            table = np.asarray(counts)
            totals = table.sum(axis=1, keepdims=True)
            share = np.divide(table, totals, out=np.zeros(table.shape), where=totals > 0)
            ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
            for i in range(len(classes)):
                for j in range(len(classes)):
                    colour = "white" if share[i, j] > 0.6 else INK
                    ax.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=9, color=colour)
            ax.set_xticks(range(len(classes)), classes)
            ax.set_yticks(range(len(classes)), classes)
            ax.set_title(method_text(method))
            ax.set_xlabel(f"called (n = {int(table.sum())})")
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.tick_params(length=0)
            mark_simulated(ax, simulated)
        axes[0].set_ylabel("true stage")
        return made


SECTION = Section("stages_called", "Who was called what", lambda results: bool(results.predictions), blocks)
