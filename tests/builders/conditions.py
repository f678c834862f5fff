"""What an object's conditions say."""

from typing import Any


def condition(held: dict[str, Any] | None, kind: str) -> str | None:
    """Return a condition's status."""
    return _condition(held, kind).get("status")


def reason(held: dict[str, Any] | None, kind: str) -> str | None:
    """Return a condition's reason."""
    return _condition(held, kind).get("reason")


def message(held: dict[str, Any] | None, kind: str) -> str:
    """Return a condition's message."""
    return str(_condition(held, kind).get("message", ""))


def _condition(held: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    conditions = (held or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})
