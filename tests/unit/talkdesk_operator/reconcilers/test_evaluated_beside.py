"""The event loop never waits for the process of long expressions, whatever makes them long."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from builders.objects import app_object
from builders.operator_in_memory import (
    NAMESPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from builders.scim import RecordsInMemory, ScimInMemory, SecretsInMemory, app_with_scim, pages, users
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.reconcile.scope import RetryClass
from talkdesk_operator.reconcilers.rendering import readiness_of
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.templates import cel
from talkdesk_operator.templates.cel import compile_expression
from talkdesk_operator.templates.evaluator import Evaluator, Variables
from talkdesk_operator.templates.limits import MAX_CONVERTED
from talkdesk_operator.templates.readiness import Ready

HEAVY = "(account.name" + "+''" * 320 + ").size() > 0"
"""Long by the estimate of its work, which needs the data: it has no comprehension and no `matches`."""


class Watched(Evaluator):
    """Knows who has waited for it."""

    def __init__(self, *how: Any, **more: Any) -> None:
        super().__init__(*how, **more)
        self.waited: list[threading.Thread] = []

    @override
    def evaluate(self, source: str, variables: Variables, language: str = "") -> tuple[Any, float]:
        self.waited.append(threading.current_thread())
        return super().evaluate(source, variables, language)


@pytest.fixture(name="watched")
def _watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    evaluator = Watched()
    monkeypatch.setattr(cel, "EVALUATOR", evaluator)
    yield evaluator
    assert evaluator.waited, "nothing was long"
    assert threading.main_thread() not in evaluator.waited
    evaluator.close()


def base(value: str) -> dict[str, Any]:
    return {"name": "base", "manifests": [NAMESPACE, config_map("account", data={"k": value})]}


async def converged(app: dict[str, Any]) -> OperatorInMemory:
    at = OperatorInMemory(app, installed(), credentials_secret())
    await at.converge()
    return at


@pytest.mark.usefixtures("watched")
async def test_the_name_of_the_tenant() -> None:
    app = sentiment(base("x"))
    app["spec"]["tenant"]["name"] = "td-${account.name.matches('^a') ? 'a' : 'b'}"
    at = await converged(app)
    assert at.tenant.spec.name == "td-a"


@pytest.mark.usefixtures("watched")
async def test_a_leaf_that_is_long_by_its_work_with_the_data() -> None:
    at = await converged(sentiment(base(f"${{string({HEAVY})}}")))
    assert at.tenant.spec.name


@pytest.mark.usefixtures("watched")
async def test_a_rule_that_is_long_by_its_work_with_the_data() -> None:
    rules = [{"expression": HEAVY, "reason": "a name"}]
    at = await converged(sentiment(base("x"), approval={"rejectWhen": rules}))
    assert [decision for _, decision, _ in at.answers] == ["Reject"]


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("app", [TalkdeskApp.read(app_object("sentiment")), None])
async def test_an_object_that_only_the_child_converts(app: TalkdeskApp | None) -> None:
    live = {"apiVersion": "example.com/v1", "kind": "Thing", "data": "x" * MAX_CONVERTED}
    assert isinstance(await readiness_of(app, live, compile_expression("1 == 1")), Ready)


@pytest.mark.usefixtures("watched")
async def test_an_address_that_is_long_by_its_work_with_the_data() -> None:
    app = app_with_scim(f"https://scim.example.com/${{string({HEAVY})}}")
    sync = UserSync(SecretsInMemory().read, RecordsInMemory(), ScimInMemory())
    outcome = await sync.sync(app, "acme", {"account": {"name": "acme" * 500}}, pages(users(1)), None)
    assert (outcome.failure, outcome.synced) == (None, 1)


async def test_an_address_is_tried_again_where_the_machine_was_too_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Evaluator((sys.executable, "-c", "import time; time.sleep(10)"), patience=0.1)
    monkeypatch.setattr(cel, "EVALUATOR", busy)
    app = app_with_scim("https://scim.example.com/${account.name.matches('a') ? 'a' : 'b'}")
    sync = UserSync(SecretsInMemory().read, RecordsInMemory(), ScimInMemory())
    outcome = await sync.sync(app, "acme", {"account": {"name": "acme"}}, pages(users(1)), None)
    assert outcome.failure is not None
    assert (outcome.failure.reason, outcome.failure.retry_class) == (Reason.RENDER_FAILED, RetryClass.SLOW)
