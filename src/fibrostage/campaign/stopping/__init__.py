"""When to stop asking: rules over the closed rounds, one file each, that a plan combines with any or all.

Every rule looks at what the training side knows: costs, validation patients, predictions on the pool. None sees a
test patient. A new rule is a file and its name here, or an entry point of "fibrostage.stopping".
"""

from collections.abc import Sequence

from fibrostage.campaign.stopping.spec import StoppingRule
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.registry import InFiles, Registry
from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.rounds import Round

FILES = ("plateau", "stable", "gain")
RULES: Registry[StoppingRule] = Registry("stopping rule", InFiles(__name__, "RULE", FILES), "fibrostage.stopping")


def check_rules(plan: StoppingPlan) -> None:
    """Raises `PlanError` for a rule under [stopping.rules] that is none."""
    for name in plan.rules:
        if name not in RULES:
            raise PlanError(
                f"stopping.rules.{name}{nearest(name, RULES.names())} is no stopping rule; known: "
                f"{', '.join(RULES.names())}"
            )


def asked_rules(plan: StoppingPlan) -> list[StoppingRule]:
    """The rules that a plan sets."""
    return [rule for rule in RULES if rule.is_set(plan)]


def reason_to_stop(rounds: Sequence[Round], plan: StoppingPlan) -> str | None:
    """Which rules say that it is enough, by name; None to go on."""
    asked = asked_rules(plan)
    said = [rule.name for rule in asked if rule.enough(rounds, plan)]
    enough = said and (plan.combine == "any" or len(said) == len(asked))
    return " and ".join(said) if enough else None
