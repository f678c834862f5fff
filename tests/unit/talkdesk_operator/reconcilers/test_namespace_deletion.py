"""An app's namespace is deleted with a customer in it: the operator's rights go first, and nothing hangs for good."""

import pytest

from builders.objects import INSTALLATION
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.conditions import EventReason
from talkdesk_crds.fields import to_wire_time
from talkdesk_runtime.kube_errors import KubeForbidden, KubeOverloaded

pytestmark = pytest.mark.case(44, 90)
DENIED = KubeForbidden("cannot impersonate resource serviceaccounts")


async def going(*, terminating: bool = True, policy: str = "Delete") -> OperatorInMemory:
    """An installation that is deleted, with its whole namespace where that is terminating."""
    operator = OperatorInMemory(sentiment(), installed(deletionPolicy=policy), credentials_secret())
    await operator.converge()
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "finalizers": ["kubernetes"]}}
    operator.server.put(namespace)
    if terminating:
        operator.server.edit("Namespace", "team", moment)
    operator.change("TalkdeskInstallation", INSTALLATION, moment)
    operator.journal.clear()
    return operator


def left_behind(operator: OperatorInMemory) -> list[str]:
    events = [raw for raw in operator.server.all("Event") if raw["reason"] == EventReason.LEFT_BEHIND]
    assert all(raw["metadata"]["namespace"] == "default" for raw in events)
    assert all(raw["regarding"] == {"apiVersion": "v1", "kind": "Namespace", "name": "team"} for raw in events)
    return [raw["note"] for raw in events]


@pytest.mark.parametrize(
    "line", [f"DELETE secrets/{SPACE}/keys", "LIST secrets", "DELETE secrets/keys-1"], ids=["tenant", "list", "secret"]
)
async def test_a_deletion_ends_when_the_namespace_took_our_rights_and_what_is_left_is_reported(line: str) -> None:
    operator = await going()
    operator.journal.fail(line, DENIED, count=99)
    await operator.converge()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
    (note,) = left_behind(operator)
    assert f"appconnect.talkdesk.dev/tenant={TENANT}" in note


async def test_the_namespaces_deletion_does_not_spare_the_tenant_while_we_have_our_rights() -> None:
    operator = await going()
    await operator.converge()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
    assert operator.server.find("Namespace", SPACE) is None
    assert left_behind(operator) == []
    assert not any(line.startswith("DRY-RUN POST") for line in operator.journal.lines)


async def test_missing_rights_alone_do_not_end_a_deletion() -> None:
    operator = await going(terminating=False)
    operator.journal.fail(f"DELETE secrets/{SPACE}/keys", DENIED, count=99)
    await operator.converge()
    assert operator.installation.metadata.finalizers != ()
    assert operator.reason() == "False/AccessMissing"
    assert left_behind(operator) == []


async def test_other_trouble_in_a_namespace_that_goes_is_tried_again() -> None:
    operator = await going()
    operator.journal.fail(f"DELETE secrets/{SPACE}/keys", KubeOverloaded("busy"), count=99)
    await operator.converge()
    assert operator.installation.metadata.finalizers != ()
    assert left_behind(operator) == []


async def test_an_api_server_that_does_not_say_whether_the_namespace_goes_is_asked_again() -> None:
    operator = await going()
    operator.journal.fail(f"DELETE secrets/{SPACE}/keys", DENIED, count=99)
    operator.journal.fail("DRY-RUN events/Probe", KubeOverloaded("busy"))
    await operator.converge()
    assert operator.installation.metadata.finalizers != ()
    await operator.converge()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None


async def test_a_tenant_that_is_to_stay_is_released_without_a_question() -> None:
    operator = await going(policy="Retain")
    await operator.converge()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
    assert operator.server.find("Namespace", SPACE) is not None
    assert left_behind(operator) == []
