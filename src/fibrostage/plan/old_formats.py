"""Plans as earlier versions wrote them: known again by what they say, whatever they were named by then."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from fibrostage.ground.errors import PlanError
from fibrostage.plan.commands import Reads, content_read
from fibrostage.plan.run_plan import Plan


def whole_digest(saved: Mapping[str, Any]) -> str:
    """How earlier versions named a plan: by a hash of every key, read or not, as it stands in plan.json."""
    data = copy.deepcopy(dict(saved))
    if isinstance(data.get("network"), dict) and data["network"].get("source") is not None:
        data["network"]["weights"] = data["network"].pop("source")["sha256"]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def says_the_same(saved: Mapping[str, Any], plan: Plan, reads: Reads) -> bool:
    """Whether a saved plan is, in what a command reads, the same as `plan`."""
    try:
        before = Plan.parse(dict(saved), source="the saved plan")
    except PlanError:
        return False
    return content_read(before, reads) == content_read(plan, reads)
