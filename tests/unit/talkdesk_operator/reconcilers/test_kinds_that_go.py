"""Objects whose kind is served in another version, or not at all any more, hold up nobody; in doubt they stay."""

from datetime import timedelta

import pytest

from builders.objects import DAY
from builders.operator_in_memory import (
    KEY,
    SPACE,
    TEMPLATE_STEPS,
    TENANT,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeOverloaded

V1, V2 = "/apis/widgets.example/v1", "/apis/widgets.example/v2"
WIDGET = config_map("engine", kind="Widget", apiVersion="widgets.example/v1", spec={"size": 1})
STEP = {"name": "widgets", "onOffboard": "Delete", "manifests": [WIDGET]}


def phase(operator: OperatorInMemory) -> InstallationPhase | None:
    return operator.installation.status.phase


async def active() -> OperatorInMemory:
    operator = OperatorInMemory(sentiment(*TEMPLATE_STEPS, STEP), installed(), credentials_secret())
    await operator.converge()
    assert phase(operator) is InstallationPhase.ACTIVE
    assert operator.server.find("Widget", "engine", SPACE) is not None
    return operator


async def uninstalled(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="ev-2")
    await operator.converge()


@pytest.mark.case(89)
async def test_an_offboarding_is_finished_and_answered_when_the_kind_is_gone() -> None:
    operator = await active()
    operator.server.remove("Widget", "engine", SPACE)  # its CRD takes its objects along
    del operator.server.served[V1]
    await uninstalled(operator)
    assert phase(operator) is InstallationPhase.UNINSTALLED
    assert operator.tenant_reason() == "False/Retained"


@pytest.mark.case(89)
async def test_an_offboarding_deletes_the_object_in_the_version_that_is_served_now() -> None:
    operator = await active()
    operator.server.served[V2] = operator.server.served.pop(V1)
    await uninstalled(operator)
    assert operator.server.find("Widget", "engine", SPACE) is None
    assert phase(operator) is InstallationPhase.UNINSTALLED


@pytest.mark.case(89)
async def test_an_offboarding_waits_while_nobody_knows_whether_the_kind_is_gone() -> None:
    operator = await active()
    operator.restart()
    operator.server.journal.fail(f"GET {V1}", KubeOverloaded("the aggregated API server is away"), count=10)
    await uninstalled(operator)
    assert phase(operator) is InstallationPhase.OFFBOARDING
    assert operator.server.find("Widget", "engine", SPACE) is not None
    operator.server.journal.faults.clear()
    operator.now += timedelta(minutes=1)
    await operator.converge(Cause.RETRY)
    assert operator.server.find("Widget", "engine", SPACE) is None
    assert phase(operator) is InstallationPhase.UNINSTALLED


@pytest.mark.case(89)
async def test_the_purge_and_the_erasure_come_to_their_end_when_the_kind_is_gone() -> None:
    operator = OperatorInMemory(
        sentiment(*TEMPLATE_STEPS, STEP | {"onOffboard": "Retain"}), installed(), credentials_secret()
    )
    await operator.converge()
    await uninstalled(operator)
    operator.server.remove("Widget", "engine", SPACE)
    del operator.server.served[V1]
    operator.now += 91 * DAY
    await operator.converge(Cause.RETRY)
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert phase(operator) is InstallationPhase.PURGED


@pytest.mark.case(88)
async def test_a_tenants_record_that_the_watch_never_showed_as_deleted_holds_up_nobody() -> None:
    operator = await active()
    operator.server.remove("TalkdeskTenant", TENANT)
    # It went between the listing and the begin of the watch, so that no event shows it.
    operator.asks("Update", event="ev-2", appVersion="2")
    operator.talkdesk.becomes("updating")
    for raw in operator.server.all("TalkdeskInstallation"):
        operator.cache.observe(raw)
    for _ in range(3):
        operator.now += timedelta(minutes=1)
        await operator.accounts.reconcile(KEY, frozenset({Cause.RETRY}))
    assert operator.server.find("TalkdeskTenant", TENANT) is not None
    assert phase(operator) is InstallationPhase.ACTIVE
