"""What a plan would fit, in a line."""

from __future__ import annotations

from fibrostage.ground.lists import first_of
from fibrostage.plan.run_plan import Plan

TUNED = {"head": "frozen", "last": "its last blocks trained", "all": "all of it trained"}


NAMED = 3  # columns of a table that a line names


def in_a_line(plan: Plan) -> str:
    """The network, where it begins, what is trained of it and what it sees: efficientnet_lite0 from imagenet …"""
    network, training = plan.network, plan.training
    begins = "random weights" if network.weights == "random" else network.weights
    named = "" if network.name in ("mmfn", "plain", network.backbone) else f"{network.name}: "
    tables = {table.name: f"{table.name} ({first_of(table.columns, NAMED)})" for table in plan.tables}
    sees = " ⊕ ".join(tables.get(name, name) for name in plan.fused)
    return f"{named}{network.backbone} from {begins}, {TUNED[training.finetune]}, {network.head} head, on {sees}"
