"""Replaced credentials whose deletion fails: it stays due, is tried again with back-off, and holds up nothing else."""

import pytest

from builders.objects import DAY, HOUR, INSTALLATION, NOON, credentials_object
from builders.operator_in_memory import OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeOverloaded, KubeUnreachable

pytestmark = pytest.mark.case(79)
REQUESTS = ("LIST secrets", "DELETE secrets/keys-1")


async def rotated() -> OperatorInMemory:
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret())
    await operator.converge()
    operator.now += DAY
    operator.server.put(credentials_secret("keys-2", client="client-2", event_time=NOON + DAY, key_id="k-2"))
    operator.talkdesk.clients.add("client-2")
    operator.talkdesk.rotating = "client-2"
    register = {"credentials": credentials_object("keys-2", at=NOON + DAY)}
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": register})
    return operator


@pytest.mark.parametrize("line", REQUESTS)
@pytest.mark.parametrize("error", [KubeUnreachable, KubeOverloaded, KubeForbidden], ids=lambda each: each.__name__)
async def test_a_failed_deletion_is_told_and_tried_again_until_it_is_done(line: str, error: type[KubeError]) -> None:
    operator = await rotated()
    operator.journal.fail(line, error("no"), count=2)
    await operator.converge()
    assert operator.reason().startswith("True/")
    assert not operator.reason("CredentialsValid").endswith("Succeeded")
    retry, known = operator.installation.status.retry, operator.installation.status.credentials
    assert retry is not None
    assert known is not None
    assert known.acknowledged_event_id == "rotation-1"
    assert known.replacement_time == operator.now
    operator.restart()
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    second = operator.installation.status.retry
    assert second is not None
    assert second.attempts == 2
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.server.find("Secret", "keys-1") is None
    assert operator.installation.status.retry is None
    assert operator.reason("CredentialsValid") == "True/Succeeded"
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.lines == []


async def test_a_deletion_stays_due_while_something_else_fails_before_it() -> None:
    operator = await rotated()
    operator.journal.fail("DELETE secrets/keys-1", KubeUnreachable("no"))
    await operator.converge()
    for _ in range(3):
        operator.now += HOUR
        operator.journal.fail("GET secrets/keys-2", KubeUnreachable("no"))
        await operator.converge(Cause.RETRY)
    operator.now += HOUR
    await operator.converge(Cause.WATCH)
    assert operator.server.find("Secret", "keys-1") is None


async def test_an_answer_does_not_wait_for_a_deletion() -> None:
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret())
    operator.server.put(credentials_secret("keys-0", client="client-0", event_time=NOON - DAY))
    operator.journal.fail("(LIST secrets|DELETE secrets/.*)", KubeForbidden("no"), count=9)
    await operator.converge(Cause.RESYNC)
    assert len(operator.answers) == 1
    assert operator.reason().startswith("True/")
