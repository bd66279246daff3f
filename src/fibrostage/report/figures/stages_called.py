"""Who was called what: patients by true and called stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.panels import counted, title
from fibrostage.report.results import Results
from fibrostage.report.style import INK, drawing, figure, keep_colour, mark_simulated
from fibrostage.views.table import method_text


def draw(results: Results) -> list[Drawing]:
    """One panel a method."""
    classes = results.staging.classes
    made = confusion_figure(results.confusions, classes, results.simulated)
    right = [f"{method_text(name)} {np.trace(table)} of {table.sum()}" for name, table in results.confusions.items()]
    alt = f"Patients by true stage (rows) and stage called (columns), {', '.join(classes)}. Called rightly: "
    alt += f"{', '.join(right)}."
    return [Drawing(made, "", alt, counted(results.predictions.values()), "no interval: counts of patients")]


def confusion_figure(confusions: Mapping[str, NDArray[np.int64]], classes: Sequence[str], simulated: bool) -> Figure:
    """Draws how many patients of each true stage were called each stage, a panel a method.

    Each method has its counts [K, K], a row a true stage and a column a called one; shade is the share of the true
    stage.
    """
    with drawing():
        columns = min(3, len(confusions))
        rows = -(-len(confusions) // columns)
        made, axes = figure(3.1 * columns, 3.0 * rows, columns, rows, least=1.5)
        for ax in axes[len(confusions) :]:
            ax.set_axis_off()
        for ax, (method, counts) in zip(axes, confusions.items(), strict=False):
            table = np.asarray(counts)
            totals = table.sum(axis=1, keepdims=True)
            share = np.divide(table, totals, out=np.zeros(table.shape), where=totals > 0)
            ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
            for i in range(len(classes)):
                for j in range(len(classes)):
                    colour = "white" if share[i, j] > 0.6 else INK
                    keep_colour(ax.text(j, i, str(table[i, j]), ha="center", va="center", color=colour))
            ax.set_xticks(range(len(classes)), classes)
            ax.set_yticks(range(len(classes)), classes)
            title(ax, method_text(method))
            ax.set_xlabel(f"called (n = {int(table.sum())})")
            for spine in ax.spines.values():
                spine.set_visible(False)
            ax.tick_params(length=0)
            mark_simulated(ax, simulated)
        axes[0].set_ylabel("true stage")
        return made


FIGURE = FigureKind("stages_called", "Who was called what", lambda results: bool(results.predictions), draw)
