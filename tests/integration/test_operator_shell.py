"""The operator's process around the reconcilers, on a real API server: kopf's watches, Lease, start and end."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from builders.raw_objects import app, installation, request
from builders.relay import relaying
from builders.serving import until
from builders.shell_process import WITHIN, ShellProcess, shell_process
from talkdesk_sandbox.controlplane import Cluster

LEASE = "talkdesk-operator"


class Team:
    """A namespace of the cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.kubeconfig = cluster.kubeconfig

    async def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return await asyncio.to_thread(self.cluster.kubectl, "-n", self.namespace, *arguments, stdin=stdin)

    async def apply(self, *objects: dict[str, Any]) -> None:
        for raw in objects:
            names = {"name": raw["metadata"]["name"], "finalizers": raw["metadata"].get("finalizers", [])}
            await self.kubectl("apply", "-f", "-", stdin=json.dumps({**raw, "metadata": names}))

    async def spec_of_lease(self) -> dict[str, Any]:
        spec: dict[str, Any] = json.loads(await self.kubectl("get", "lease", LEASE, "-o", "json"))["spec"]
        return spec

    async def metadata(self, kind: str, name: str) -> dict[str, Any]:
        metadata: dict[str, Any] = json.loads(await self.kubectl("get", kind, name, "-o", "json"))["metadata"]
        return metadata


@pytest.fixture
def team(crds: Cluster, namespace: str) -> Team:
    return Team(crds, namespace)


def written_once(causes: list[list[str]], *expected: list[str]) -> bool:
    """Return whether an account was reconciled once, for the expected cause, and wrote its status once.

    The event of that write causes another reconcile when it overtakes the answer.
    """
    first = list(expected) or [["Startup"]]
    return causes in (first, [*first, ["Watch"]])


async def at_work(it: ShellProcess, account: str) -> None:
    await it.until(lambda: it.reconciles(account))


async def test_objects_that_are_there_at_the_start_and_objects_that_come_later_are_reconciled(team: Team) -> None:
    await team.apply(app(), installation("sentiment-i1", account="a1", spec=request()))
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await it.until(lambda: it.reconciles("a1") and it.reconciles(""))
        assert it.reconciles("a1")[0] == it.reconciles("")[0] == ["Startup"]
        await team.apply(installation("sentiment-i2", account="a2"))
        await at_work(it, "a2")
        assert it.reconciles("a2")[0] == ["Watch"]
        before = [len(it.reconciles(account)) for account in ("a1", "a2", "")]
        await team.kubectl("patch", "tdapp", "sentiment", "--type=merge", '-p={"spec":{"resyncPeriod":"5m"}}')
        await it.until(lambda: all(len(it.reconciles(a)) > n for a, n in zip(("a1", "a2", ""), before, strict=True)))
        assert (await it.probe("/healthz")).status_code == (await it.probe("/readyz")).status_code == 200


async def test_our_own_writes_cause_no_loop(team: Team) -> None:
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await team.apply(installation("sentiment-first", account="first"))
        await at_work(it, "first")  # what comes now is no part of the start any more
        await team.apply(*(installation(f"sentiment-i{n}", account=f"a{n}") for n in range(10)))
        await team.apply(installation("sentiment-last", account="last"))
        await at_work(it, "last")
        # The fence: an event after all of theirs, in the same watch.
        await team.apply(installation("sentiment-fence", account="fence"))
        await at_work(it, "fence")
        causes = {account: it.reconciles(account) for account in (f"a{n}" for n in range(10))}
        assert not {account: each for account, each in causes.items() if not written_once(each, ["Watch"])}
        assert await it.metric("controller_runtime_reconcile_total") == len(it.all("reconcile"))


@pytest.mark.case(44)
async def test_a_deletion_is_reconciled_when_it_is_requested(team: Team) -> None:
    await team.apply(installation("sentiment-i1", account="a1", finalizers=["example.com/hold"]))
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await at_work(it, "a1")
        before = len(it.reconciles("a1"))
        await team.kubectl("delete", "tdi", "sentiment-i1", "--wait=false")
        await it.until(lambda: len(it.reconciles("a1")) > before and it.reconciles("a1")[-1] == ["Watch"])
        await team.kubectl("patch", "tdi", "sentiment-i1", "--type=merge", '-p={"metadata":{"finalizers":null}}')
        await team.apply(installation("sentiment-i2", account="a1"))
        await it.until(lambda: it.all("reconcile")[-1]["installations"] == ["sentiment-i2"])


async def test_kopf_writes_nothing_to_objects(team: Team) -> None:
    await team.apply(app(), installation("sentiment-i1", account="a1"))
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await at_work(it, "a1")
        await team.apply(installation("sentiment-fence", account="fence"))
        await at_work(it, "fence")
        for kind, name in (("tdapp", "sentiment"), ("tdi", "sentiment-i1"), ("lease", LEASE)):
            metadata = await team.metadata(kind, name)
            assert "finalizers" not in metadata
            assert not [key for key in metadata.get("annotations", {}) if "kopf" in key]
        assert "kopf" not in await team.kubectl("get", "events", "-o", "json")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_after_a_signal_running_work_ends_and_the_lease_is_free(team: Team, number: signal.Signals) -> None:
    await team.apply(installation("sentiment-i1", account="a1", spec={"accountName": "slow"}))
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await at_work(it, "a1")
        assert (await team.spec_of_lease())["holderIdentity"]
        assert await it.end(number) == 0
        for event in ("slow reconcile ended", "closed", "leader.released", "operator.ended"):
            await it.prints(event)
        assert not [line for line in it.lines if line.get("level") in ("error", "critical")]
    assert (await team.spec_of_lease())["holderIdentity"] == ""


@pytest.mark.case(82)
async def test_a_process_in_which_something_hangs_ends_in_time_and_leaves_the_lease(team: Team) -> None:
    await team.apply(installation("sentiment-i1", account="a1", spec={"accountName": "deaf"}))
    async with shell_process(team.kubeconfig, team.namespace, "--shutdown-timeout", "1s") as it:
        await at_work(it, "a1")
        holder = (await team.spec_of_lease())["holderIdentity"]
        assert await it.end() == 1
        assert it.all("operator.stopping")[0]["reason"] == "SIGTERM"
        await it.prints("operator.end_timed_out")
        assert not it.all("leader.released")
    assert (await team.spec_of_lease())["holderIdentity"] == holder


@pytest.mark.case(49)
async def test_a_second_process_stands_by_and_takes_over_at_once(team: Team) -> None:
    await team.apply(installation("sentiment-i1", account="a1"))
    async with (
        shell_process(team.kubeconfig, team.namespace) as first,
        shell_process(team.kubeconfig, team.namespace) as second,
    ):
        await first.until(lambda: first.all("leader.candidate"))
        await second.until(lambda: second.all("leader.candidate"))
        leader, other = await _leader_of(first, second)
        await at_work(leader, "a1")
        await stands_by(other)
        assert not other.all("reconcile")
        assert await leader.end() == 0
        await at_work(other, "a1")


async def test_a_process_that_loses_the_lease_ends_at_once(team: Team) -> None:
    async with shell_process(team.kubeconfig, team.namespace) as it:
        await it.prints("leader.acquired")
        thief = '-p={"spec":{"holderIdentity":"thief","leaseDurationSeconds":600}}'
        await team.kubectl("patch", "lease", LEASE, "--type=merge", thief)
        assert await asyncio.wait_for(it.process.wait(), 40) == 1
        assert it.all("operator.stopping")[0]["reason"] == "leadership ended"
    assert (await team.spec_of_lease())["holderIdentity"] == "thief"


@pytest.mark.parametrize("flags", [(), ("--no-leader-election",)], ids=["leader", "alone"])
async def test_an_api_server_that_goes_and_comes_back_is_watched_again(
    team: Team, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    await team.apply(installation("sentiment-i1", account="a1"))
    async with relaying(team.cluster.url) as relay:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(team.kubeconfig.read_text().replace(f":{relay.upstream}", f":{relay.port}"))
        async with shell_process(kubeconfig, team.namespace, *flags) as it:
            await it.prints("status written")  # A write that the cut breaks is repeated, with cause Fault.
            await relay.cut()
            await team.apply(installation("sentiment-i2", account="a2"))
            await relay.mend()
            await at_work(it, "a2")
            assert written_once(it.reconciles("a1"))
            assert await it.end() == 0


async def test_an_object_deleted_while_the_watch_was_broken_is_dropped(team: Team, tmp_path: Path) -> None:
    await team.apply(installation("sentiment-i1", account="a1"), installation("sentiment-i2", account="a1"))
    async with relaying(team.cluster.url) as relay:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(team.kubeconfig.read_text().replace(f":{relay.upstream}", f":{relay.port}"))
        async with shell_process(kubeconfig, team.namespace, "--no-leader-election", "--relist-interval", "1s") as it:
            await at_work(it, "a1")
            await relay.cut()
            await team.kubectl("delete", "tdi", "sentiment-i2")
            await relay.mend()
            await it.until(lambda: it.all("reconcile")[-1]["installations"] == ["sentiment-i1"])


async def test_a_process_without_the_right_to_list_waits_and_reports_the_reason(team: Team) -> None:
    await team.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = await asyncio.to_thread(team.cluster.kubeconfig_for, team.namespace, "nobody")
    async with shell_process(kubeconfig, team.namespace, "--no-leader-election") as it:
        line = await it.prints("listing.failed")
        assert "talkdeskapps" in line["reason"]
        answer = await it.probe("/readyz")
        assert answer.status_code == 503
        assert answer.text.startswith("loading: ")
        assert (await it.probe("/healthz")).status_code == 200
        assert await it.end() == 0


async def stands_by(it: ShellProcess) -> None:
    async def ready() -> bool:
        return (await it.probe("/readyz")).text == "standby\n"

    await until(ready, WITHIN)
    assert (await it.probe("/healthz")).text == "standby\n"


async def _leader_of(first: ShellProcess, second: ShellProcess) -> tuple[ShellProcess, ShellProcess]:
    waits = [asyncio.create_task(it.prints("leader.acquired")) for it in (first, second)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    won = waits[0].done()
    for task in waits:
        task.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return (first, second) if won else (second, first)
