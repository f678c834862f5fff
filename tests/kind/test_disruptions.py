"""What a cluster does to its pods: updates, kills, drained nodes, an API server that restarts, two operators at once.

Customers install the app all the while. No event is lost, nobody is answered twice, nothing of theirs is missing.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from builders.kind_app import WITHIN, KindApp, eventually
from builders.kind_stream import CustomerStream
from builders.say import Say
from talkdesk_sandbox.controlplane import KubectlFailed
from talkdesk_sandbox.kind.engine import docker
from talkdesk_sandbox.kind.manifests import SYSTEM

pytestmark = pytest.mark.kind
PROGRAMS = ("talkdesk-webhook", "talkdesk-operator")


def in_system(app: KindApp, *arguments: str) -> str:
    return app.cluster.kubectl(f"--namespace={SYSTEM}", *arguments)


def rolled_out(app: KindApp) -> None:
    for program in PROGRAMS:
        in_system(app, "rollout", "status", f"deployment/{program}", f"--timeout={WITHIN}s")


def leader(app: KindApp) -> str:
    """Return the name of the pod that works."""
    holder = in_system(app, "get", "lease/talkdesk-operator", "--output=jsonpath={.spec.holderIdentity}")
    return holder.partition("_")[0]


@pytest.mark.case(49)
def test_a_rolling_update_of_both_programs_refuses_no_event(light_app: KindApp) -> None:
    with CustomerStream(light_app) as customers:
        for program in PROGRAMS:
            in_system(light_app, "rollout", "restart", f"deployment/{program}")
        rolled_out(light_app)
    assert not customers.check()


@pytest.mark.case(50)
def test_pods_that_are_killed_lose_no_event(light_app: KindApp, say: Say) -> None:
    webhook = in_system(
        light_app, "get", "pods", "--selector=app.kubernetes.io/name=talkdesk-webhook", "--output=name"
    ).split()[0]
    with CustomerStream(light_app) as customers:
        in_system(light_app, "delete", webhook, f"pod/{leader(light_app)}", "--grace-period=0", "--force")
        rolled_out(light_app)
    say(f"{len(customers.check())} of {len(customers.events)} deliveries were repeated")


def test_a_drained_node_takes_one_replica_at_a_time(light_app: KindApp) -> None:
    """There is one node: the pods that are evicted come back nowhere, so each budget keeps the last of its own."""
    ours = "--pod-selector=app.kubernetes.io/part-of=talkdesk-operator"
    with CustomerStream(light_app) as customers, uncordoned_at_the_end(light_app):
        with pytest.raises(KubectlFailed, match="disruption budget"):
            light_app.cluster.kubectl("drain", light_app.kind.node, ours, "--timeout=15s")
        assert leader(light_app)
    rolled_out(light_app)
    assert not customers.check()


def test_events_that_come_while_the_api_server_restarts_are_stored_later(light_app: KindApp, say: Say) -> None:
    with CustomerStream(light_app) as customers:
        restarts = api_server_restarts(light_app)
        docker("exec", light_app.kind.node, "pkill", "-KILL", "-f", "^kube-apiserver ")
        eventually(lambda: answers(light_app), bool)
        eventually(lambda: api_server_restarts(light_app), lambda now: now > restarts)
        rolled_out(light_app)
    say(f"{len(customers.check())} of {len(customers.events)} deliveries were repeated")


@pytest.mark.case(49)
def test_two_operators_at_once_answer_nobody_twice(light_app: KindApp) -> None:
    with both_at_work(light_app), CustomerStream(light_app) as customers:
        eventually(lambda: len(customers.events), lambda sent: sent >= 15)
    customers.check()


@contextmanager
def both_at_work(app: KindApp) -> Iterator[None]:
    """Let two operators work without a Lease, as they would by a mistake."""
    name = "deployment/talkdesk-operator"
    in_system(app, "set", "env", name, "TALKDESK_OPERATOR_LEADER_ELECTION=false")
    try:
        rolled_out(app)
        yield
    finally:
        in_system(app, "set", "env", name, "TALKDESK_OPERATOR_LEADER_ELECTION-")
        rolled_out(app)


@contextmanager
def uncordoned_at_the_end(app: KindApp) -> Iterator[None]:
    try:
        yield
    finally:
        app.cluster.kubectl("uncordon", app.kind.node)


def api_server_restarts(app: KindApp) -> int:
    where = ("--namespace=kube-system", "get", "pod", f"kube-apiserver-{app.kind.node}")
    try:
        return int(app.cluster.kubectl(*where, "--output=jsonpath={.status.containerStatuses[0].restartCount}"))
    except KubectlFailed:
        return -1


def answers(app: KindApp) -> bool:
    try:
        return app.cluster.kubectl("get", "--raw=/readyz") == "ok"
    except (KubectlFailed, subprocess.TimeoutExpired):
        return False
