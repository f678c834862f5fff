"""A pass that breaks off over and over is told at the installation; the trace is in the log."""

from datetime import datetime
from typing import cast

import pytest

from builders.objects import INSTALLATION, app_object, condition, installation_object
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cluster import Cluster, ObjectKey
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.reconcilers import AccountReconciler, CompiledApps, InstallationReconciler, TenantReconciler
from talkdesk_operator.workqueue.contract import Cause

KEY = AccountKey("team", "sentiment", "acc-1")


class Unforeseen(Exception):
    """What nobody thought of."""


class Told:
    """The part of the cluster that is asked before anything breaks."""

    def __init__(self) -> None:
        self.stalled: list[tuple[ObjectKey, Reason]] = []

    async def write_stalled(self, place: ObjectKey, reason: Reason, message: str) -> None:
        assert "the log has the trace" in message
        self.stalled.append((place, reason))


def broken_clock() -> datetime:
    raise Unforeseen


def account(told: Told, *, reason: str = "") -> AccountReconciler:
    store, cluster = InformerCache(), cast("Cluster", told)
    held = installation_object()
    if reason:
        held["status"] = {"conditions": [condition(ConditionType.READY, "False", reason).wire()]}
    store.put(app_object())
    store.put(held)
    apps = CompiledApps(cluster, broken_clock)
    nobody = cast("InstallationReconciler", None), cast("TenantReconciler", None)
    return AccountReconciler(store, cluster, apps, *nobody, now=broken_clock, follow=lambda: None)


@pytest.mark.case(9)
@pytest.mark.parametrize(
    ("cause", "reason", "expected"),
    [
        (Cause.FAULT, "", [(("TalkdeskInstallation", "team", INSTALLATION), Reason.INTERNAL_ERROR)]),
        (Cause.FAULT, "Succeeded", [(("TalkdeskInstallation", "team", INSTALLATION), Reason.INTERNAL_ERROR)]),
        (Cause.FAULT, "InternalError", []),
        (Cause.WATCH, "", []),
    ],
)
async def test_a_fault_is_told_once_and_before_the_pass_is_tried_again(
    cause: Cause, reason: str, expected: list[tuple[ObjectKey, Reason]]
) -> None:
    told = Told()
    with pytest.raises(Unforeseen):
        await account(told, reason=reason).reconcile(KEY, frozenset({cause}))
    assert told.stalled == expected
