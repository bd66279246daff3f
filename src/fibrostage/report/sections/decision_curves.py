"""Whether acting on the probabilities helps (Vickers & Elkin 2006)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from fibrostage.analysis.probabilities import AtCut
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Drawing, Note, Section
from fibrostage.report.style import FAINT, INK, drawing, figure, line_style, mark_simulated
from fibrostage.views.table import method_text

NOTE = (
    "Net benefit per patient of acting on everybody whose probability is at or above the threshold; the threshold "
    "says how many needless actions one right one is worth. A method helps where it lies above both acting on "
    "everybody (grey, solid) and on nobody (the line at 0); the band is its 95 % interval. Per patient, test "
    "patients only."
)


def blocks(results: Results) -> list[Block]:
    """A panel a cut; nothing but a note where there are too few patients."""
    found = results.at_cuts
    if not any(one.decision for one in found):
        return [Note(f"Not drawn: {found[0].why}.")]
    return [Drawing(decision_figure(found, results)), Note(NOTE)]


def decision_figure(found: Sequence[AtCut], results: Results) -> Figure:
    """Net benefit against threshold."""
    cuts = [cut for cut in results.staging.cuts if any(one.cut == cut and one.decision for one in found)]
    methods = list(dict.fromkeys(one.method for one in found))
    with drawing():
        made, axes = figure(3.7 * len(cuts), 3.9, len(cuts))
        for ax, cut in zip(axes, cuts, strict=True):
            curves = [one for one in found if one.cut == cut and one.decision is not None]
            for one in curves:
                curve = one.decision
                assert curve is not None
                line = line_style(methods.index(one.method))
                label = f"{method_text(one.method)}, n = {curve.n}"
                ax.plot(curve.thresholds, curve.net_benefit, linewidth=1.5, label=label, **line)
                ax.fill_between(curve.thresholds, curve.lo, curve.hi, color=line["color"], alpha=0.1, linewidth=0)
            everybody = curves[0].decision
            assert everybody is not None
            ax.plot(everybody.thresholds, everybody.treat_all, color="#8a96a3", linewidth=1, zorder=0)
            ax.axhline(0, color=INK, linewidth=0.7, zorder=0)
            ax.set_ylim(-0.08, max(0.1, float(everybody.treat_all.max()) + 0.05))
            ax.set_title(results.staging.cut_name(cut))
            ax.set_xlabel("threshold probability")
            ax.grid(axis="y", color=FAINT, linewidth=0.6)
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8)
            mark_simulated(ax, results.simulated)
        axes[0].set_ylabel("net benefit")
        return made


SECTION = Section("decision_curves", "Would acting on them help?", lambda results: bool(results.judged), blocks)
