"""What the API server does with a label selector."""

import re
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r"([^\s,=()]+)(?:=([^,]*)| (in|notin) \(([^)]*)\))?(?:,|$)")


def selects(selector: str, labels: Mapping[str, str] | None) -> bool:
    """Whether an object with these labels is selected; of all forms, those that the operator uses."""
    assert "".join(found[0] for found in _PART.finditer(selector)) == selector, f"no selector: {selector}"
    return all(_holds(found, labels or {}) for found in _PART.finditer(selector))


def _holds(part: "re.Match[str]", labels: Mapping[str, str]) -> bool:
    name, value, operator, values = part.groups()
    if operator is not None:
        return (labels.get(name) in values.split(",")) == (operator == "in")
    return name in labels if value is None else labels.get(name) == value


def listed(raw: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether a listing or a watch with this query shows an object."""
    return selects(query.get("labelSelector", ""), raw["metadata"].get("labels"))
