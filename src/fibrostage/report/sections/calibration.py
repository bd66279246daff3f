"""Whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from fibrostage.analysis.probabilities import AtCut
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Drawing, Section, ShownTable
from fibrostage.report.style import FAINT, drawing, figure, line_style, mark_simulated
from fibrostage.views.probabilities import calibration_view
from fibrostage.views.table import method_text


def blocks(results: Results) -> list[Block]:
    """A panel a cut, and slopes and intercepts in a table."""
    found = results.at_cuts
    table = ShownTable(calibration_view(found, results.staging, results.simulated))
    if not any(one.calibration for one in found):
        return [table]
    return [Drawing(calibration_figure(found, results)), table]


def calibration_figure(found: Sequence[AtCut], results: Results) -> Figure:
    """Observed share against mean probability, in groups of like probability, with Wilson's interval."""
    cuts = [cut for cut in results.staging.cuts if any(one.cut == cut and one.calibration for one in found)]
    methods = list(dict.fromkeys(one.method for one in found))
    with drawing():
        made, axes = figure(3.7 * len(cuts), 4.2, len(cuts))
        for ax, cut in zip(axes, cuts, strict=True):
            ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
            for one in found:
                if one.cut != cut or one.calibration is None:
                    continue
                bins = [group for group in one.calibration.bins if group.observed.value is not None]
                x = np.array([group.mean_probability for group in bins])
                y = np.array([group.observed.value for group in bins], dtype=np.float64)
                low = np.array([group.observed.lo for group in bins], dtype=np.float64)
                high = np.array([group.observed.hi for group in bins], dtype=np.float64)
                line = line_style(methods.index(one.method))
                label = f"{method_text(one.method)}, n = {one.calibration.n}"
                ax.errorbar(
                    x, y, yerr=np.abs([y - low, high - y]), marker="o", markersize=3, linewidth=1, label=label, **line
                )
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1)
            ax.set_aspect("equal")
            ax.set_title(results.staging.cut_name(cut))
            ax.set_xlabel("probability said")
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
            mark_simulated(ax, results.simulated)
        axes[0].set_ylabel("share that was so")
        return made


SECTION = Section(
    "calibration", "Do the probabilities mean what they say?", lambda results: bool(results.judged), blocks
)
