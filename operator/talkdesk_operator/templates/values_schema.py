"""Values of tenants checked against the app's JSON Schema before anything is rendered with them.

Belongs here: asking the child process, which the kernel ends when a pattern takes too long. Does not belong here: what
is said of a value (`json_schema`), what follows from it (`reconcilers`).

    ValuesError    values, or the schema itself, are no good; nothing is proven against a customer by it
"""

import json
from collections.abc import Mapping
from typing import Any

from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.evaluator import EVALUATOR, JSON_SCHEMA, EvaluationError, Variables

__all__ = ["ValuesError", "check_values"]


class ValuesError(RenderError):
    """Values that a person of ours wrote, or the schema, are no good."""

    def __init__(self, path: str, reason: str, *, passing: bool = False) -> None:
        super().__init__(path, reason, exhausted=True, passing=passing)


def check_values(schema: Mapping[str, Any] | None, values: Mapping[str, Any], *, partial: bool = False) -> None:
    """Raise ValuesError where values don't fit the schema; `partial` ones are defaults that a tenant's own complete.

    It may wait for the child process: never call it on the event loop.
    """
    if schema is None:
        return
    source = json.dumps({"schema": schema, "partial": partial}, sort_keys=True)
    try:
        said, _ = EVALUATOR.evaluate(source, Variables({"values": values}), JSON_SCHEMA)
    except EvaluationError as error:
        raise ValuesError("tenant.valuesSchema", error.reason, passing=error.passing) from None
    if said:
        path, _, reason = str(said).partition(": ")
        raise ValuesError(path, reason)
