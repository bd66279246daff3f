"""How the results were made: cohort, split, weights, versions, and the plan."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fibrostage.plan.network import SourcePlan
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Facts, Folded, Section


def blocks(results: Results) -> list[Block]:
    """What another person needs to make the same again."""
    first = results.first
    stratified = "" if first.split.scheme == "column" else " and stratified by stage"
    seeds = ", ".join(str(seed) for seed in sorted({metrics.seed for metrics in results.metrics}))
    split = f"{first.split.scheme}, by patient{stratified}"
    if results.validation is not None:
        split = "none: everybody was judged by a model that was fitted elsewhere; the plan is the model's"
    pairs = [
        ("cohort", f"{first.cohort.name} · fingerprint {first.cohort.fingerprint}"),
        ("split", split),
        *(("weights from", source_text(source)) for source in sources_of(results)),
        ("seeds", seeds),
        ("fibrostage", first.tool),
        *first.versions.items(),
    ]
    plan = json.dumps(results.plans[0], indent=2)
    return [Facts(tuple(pairs)), Folded(f"The plan{' of the first run' if len(results.metrics) > 1 else ''}", plan)]


def sources_of(results: Results) -> list[SourcePlan]:
    """What trained weights the networks began from, each once."""
    found = {}
    for plan in results.plans:
        network = plan.get("network")
        source = network.get("source") if isinstance(network, Mapping) else None
        if isinstance(source, Mapping):
            found[source.get("sha256")] = SourcePlan.model_validate(dict(source))
    return list(found.values())


def source_text(source: SourcePlan) -> str:
    """A weights file in words."""
    trained = f" · trained on {source.cohort} ({source.task})" if source.cohort else ""
    return f"{source.name}{trained}{' · SIMULATED' if source.simulated else ''} · SHA-256 {source.sha256}"


SECTION = Section("provenance", "How this was made", lambda results: True, blocks)
