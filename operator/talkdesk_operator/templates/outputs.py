"""`outputs.STEP.NAME` and `outputs.STEP.secrets.NAME`: what an `http` step's service has answered, in later steps.

Belongs here: which expressions use whose outputs, and which may not. Does not belong here: the outputs themselves
(`domain.hooks`).

Names of objects can't depend on them: which objects a tenant has is on record before any service is called.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.nearest import nearest

__all__ = ["OUTPUTS", "SECRETS", "made_up", "output_problems", "steps_needed"]

OUTPUTS: Final = "outputs"
SECRETS: Final = "secrets"
_SECRET: Final = 4
"""Length of the chain `outputs.STEP.secrets.NAME`."""


def steps_needed(found: Iterable[Expression]) -> frozenset[str]:
    """Return the steps whose outputs these expressions use."""
    return frozenset(chain[1] for each in found for chain in each.chains if chain[0] == OUTPUTS and len(chain) > 1)


def made_up(found: Iterable[Expression]) -> dict[str, dict[str, Any]]:
    """Return outputs for each that is used, with its own name as its value: for somebody who calls no service."""
    outputs: dict[str, dict[str, Any]] = {}
    for chain in (chain for each in found for chain in each.chains if chain[0] == OUTPUTS and len(chain) > 2):
        known = outputs.setdefault(chain[1], {SECRETS: {}})
        if chain[2] == SECRETS:
            known[SECRETS].update({name: ".".join(chain[:_SECRET]) for name in chain[3:_SECRET]})
        else:
            known[chain[2]] = ".".join(chain[:3])
    return outputs


def output_problems(expression: Expression, steps: AbstractSet[str], *, in_secret: bool) -> Iterator[str]:
    """Yield what is wrong with an expression's use of outputs; `steps` are the `http` steps before its own."""
    if OUTPUTS in expression.bound:
        yield f"{OUTPUTS} cannot be the variable of a comprehension"
        return
    for chain in dict.fromkeys(chain for chain in expression.chains if chain[0] == OUTPUTS):
        if len(chain) < 3:
            yield f"write {OUTPUTS}.STEP.NAME, or {OUTPUTS}['STEP'].NAME for a step with a hyphen"
        elif chain[1] not in steps:
            there_are = f"there are {', '.join(sorted(steps))}" if steps else "there is none"
            yield f"no http step {chain[1]} comes before this one{nearest(chain[1], steps)} ({there_are})"
        elif chain[2] == SECRETS and len(chain) < _SECRET:
            yield f"write {OUTPUTS}.{chain[1]}.{SECRETS}.NAME"
        elif chain[2] == SECRETS and not in_secret:
            yield f"{OUTPUTS}.{chain[1]}.{SECRETS} can only be used in data and stringData of a v1 Secret"
