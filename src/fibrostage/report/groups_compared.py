"""Whether the network of a report does as well in every kind of its test patients, for the figure and the table."""

from __future__ import annotations

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import NETWORK
from fibrostage.analysis.subgroups import Subgroups, subgroups_of
from fibrostage.report.results import Results


def compared(results: Results) -> list[tuple[Judged, list[Subgroups]]]:
    """Of a run its network, of a study the reference: at each cut what is known of its test patients, group by group;
    nothing where their participants were not kept."""
    if not results.kept:
        return []
    name = results.kept[0].method
    known = {run.task: run.participants for run in results.kept if run.method == name}
    found = []
    for judged in results.judged:
        participants = known.get(None, known.get(judged.cut))
        if judged.kind == NETWORK and judged.method == name and participants is not None:
            found.append((judged, subgroups_of(judged, participants, results.first.confidence)))
    return found
