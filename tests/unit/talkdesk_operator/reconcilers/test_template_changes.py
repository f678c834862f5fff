"""Template changes in any sequence, with crashes: what is left is the last template, and what was to be kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.journal import Crashed, When
from builders.operator_in_memory import (
    NAMESPACE,
    SPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_operator.workqueue.contract import Cause

NAMES = ("a", "b", "c", "d")
Crash = tuple[int, When] | None


@dataclass(frozen=True)
class Edit:
    """The objects of two steps, one of which says that its objects go with it, and a crash on the way."""

    fleeting: frozenset[str]
    lasting: frozenset[str]
    crash: tuple[int, Literal["before", "after"]] | None

    def app(self) -> dict[str, Any]:
        def step(name: str, names: frozenset[str], **fields: Any) -> list[dict[str, Any]]:
            made = [config_map(f"{name}-{each}") for each in sorted(names)]
            return [{"name": name, "manifests": made, **fields}] if made else []

        base = {"name": "base", "manifests": [NAMESPACE]}
        fleeting = step("fleeting", self.fleeting, onRemove="Delete")
        return sentiment(base, *fleeting, *step("lasting", self.lasting, onRemove="Retain"))

    @property
    def objects(self) -> set[str]:
        return {f"fleeting-{each}" for each in self.fleeting} | {f"lasting-{each}" for each in self.lasting}


names = st.frozensets(st.sampled_from(NAMES))
crashes = st.none() | st.tuples(st.integers(1, 8), st.sampled_from(("before", "after")))
edits = st.lists(st.builds(Edit, names, names, crashes), min_size=1, max_size=5)


def there(operator: OperatorInMemory) -> set[str]:
    return {
        raw["metadata"]["name"] for raw in operator.server.all("ConfigMap") if raw["metadata"]["namespace"] == SPACE
    }


async def converged(operator: OperatorInMemory, crash: Crash) -> None:
    if crash is None:
        await operator.converge()
        return
    operator.journal.clear()
    operator.journal.crash_at(*crash)
    try:
        await operator.converge()
    except Crashed:
        operator.journal.crash = None
        operator.restart()
        await operator.converge(Cause.STARTUP)
    operator.journal.crash = None


@pytest.mark.case(36, 37, 51)
@settings(deadline=None)
@given(edits)
async def test_what_is_left_is_the_last_template_and_what_was_to_be_kept(history: Sequence[Edit]) -> None:
    operator = OperatorInMemory(Edit(frozenset("a"), frozenset("a"), None).app(), installed(), credentials_secret())
    await operator.converge()
    kept = {"lasting-a"}
    for edit in history:
        operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": edit.app()["spec"]["tenant"]}})
        await converged(operator, edit.crash)
        kept |= {name for name in edit.objects if name.startswith("lasting-")}
        assert there(operator) == edit.objects | kept
        assert edit.objects.isdisjoint(orphans(operator))
    operator.journal.clear()
    await operator.reconcile()
    assert operator.journal.writes == []


def orphans(operator: OperatorInMemory) -> set[str]:
    """Return what the tenant's status says is kept though it left the template."""
    [tenant] = operator.server.all("TalkdeskTenant")
    return {each["name"] for each in tenant["status"].get("orphanedObjects", ())}
