"""`talkdesk-operator rollout` shows how far a rollout is, and changes nothing but `spec.templateRollout`."""

from typing import Any

import pytest

from builders.api_server import HOME, ApiServer
from builders.objects import app_object
from builders.operator_in_memory import sentiment
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import LABEL_APP, LABEL_MANAGED_BY, MANAGED_BY
from talkdesk_operator.__main__ import main
from talkdesk_operator.cli.rollout import RolloutRefused, carry_out
from talkdesk_runtime.kube_errors import KubeForbidden

pytestmark = pytest.mark.case(55)


def revision(number: int) -> dict[str, Any]:
    metadata = {
        "name": f"sentiment-{number}",
        "labels": {LABEL_APP: "sentiment", LABEL_MANAGED_BY: MANAGED_BY},
        "ownerReferences": [{"uid": "uid-sentiment"}],
    }
    kept = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata}
    return kept | {"revision": number, "data": {"tenant": {}}}


def cluster(
    current: int = 2, updated: int = 3, *, generation: int = 1, status: str = "False", **spec: Any
) -> ApiServer:
    condition = {
        "type": "RolledOut",
        "status": status,
        "reason": "RollingOut",
        "message": "40 of 200 tenants have it",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
        "observedGeneration": generation,
    }
    said = {
        "conditions": [condition],
        "currentRevision": f"sentiment-{current}",
        "updatedRevision": f"sentiment-{updated}",
        "tenants": {"total": 200, "updated": 40, "failing": 1, "unavailable": 2, "held": 3},
    }
    another = revision(9) | {"metadata": revision(9)["metadata"] | {"ownerReferences": [{"uid": "former"}]}}
    return ApiServer(sentiment(**spec) | {"status": said}, another, *map(revision, (1, 2, 3)))


async def done(server: ApiServer, action: str, to: str = "") -> tuple[str, int]:
    return await carry_out(server.kube, action, HOME, "sentiment", to)


def rollout_of(server: ApiServer) -> tuple[str, str | None, bool]:
    found = TalkdeskApp.read(server.get("TalkdeskApp", "sentiment")).spec.template_rollout
    return found.policy.value, found.revision, found.paused


async def test_status_counts_tenants_and_says_by_its_exit_status_whether_it_is_complete() -> None:
    text, status = await done(cluster(), "status")
    assert status == 1
    for words in ("sentiment-3 (3)", "sentiment-2 (2)", "40 of 200 have it, 1 failing, 2 not ready, 3 held"):
        assert words in text
    assert "RolledOut:  False, RollingOut: 40 of 200" in text
    assert (await done(cluster(status="True"), "status"))[1] == 0
    text, status = await done(cluster(status="True", generation=0), "status")
    assert (status, "not seen the last edit" in text) == (1, True)
    assert await done(ApiServer(app_object()), "status") == ("the operator has not looked at it yet\n", 1)


async def test_history_lists_the_revisions_of_this_app_by_their_numbers() -> None:
    text, _ = await done(cluster(), "history")
    assert [line.split() for line in text.splitlines()] == [
        ["1", "sentiment-1"],
        ["2", "sentiment-2", "all", "had"],
        ["3", "sentiment-3", "to", "be", "had"],
    ]


async def test_pause_and_resume_change_one_field_and_say_what_to_write_into_git() -> None:
    server = cluster()
    text, _ = await done(server, "pause")
    assert rollout_of(server) == ("Automatic", None, True)
    assert text.endswith("spec:\n  templateRollout:\n    paused: true\n")
    await done(server, "resume")
    assert rollout_of(server) == ("Automatic", None, False)


async def test_resume_says_that_a_pin_stays_unless_the_template_is_to_be_followed() -> None:
    server = cluster(templateRollout={"policy": "Pinned", "revision": "sentiment-1", "paused": True})
    assert "stays pinned to sentiment-1" in (await done(server, "resume"))[0]
    assert rollout_of(server) == ("Pinned", "sentiment-1", False)
    assert "pinned" not in (await done(server, "resume", "latest"))[0]
    assert rollout_of(server) == ("Automatic", None, False)
    with pytest.raises(RolloutRefused, match="only undo"):
        await done(server, "resume", "1")


@pytest.mark.parametrize(
    ("current", "updated", "to", "name"),
    [
        (2, 3, "", "sentiment-2"),
        (1, 3, "", "sentiment-1"),
        (3, 3, "", "sentiment-2"),
        (7, 3, "", "sentiment-2"),
        (3, 3, "1", "sentiment-1"),
        (3, 3, "sentiment-1", "sentiment-1"),
    ],
)
async def test_undo_pins_what_all_had_before_or_what_is_named(current: int, updated: int, to: str, name: str) -> None:
    server = cluster(current, updated)
    await done(server, "undo", to)
    assert rollout_of(server) == ("Pinned", name, False)
    await done(server, "undo", "latest")
    assert rollout_of(server) == ("Automatic", None, False)


@pytest.mark.parametrize(("current", "updated", "to"), [(1, 1, ""), (8, 8, ""), (3, 3, "7")])
async def test_undo_refuses_what_there_is_not(current: int, updated: int, to: str) -> None:
    server = cluster(current, updated)
    with pytest.raises(RolloutRefused, match="there is no"):
        await done(server, "undo", to)
    assert rollout_of(server) == ("Automatic", None, False)


async def test_what_the_api_server_refuses_is_said_in_its_words() -> None:
    with pytest.raises(RolloutRefused, match="there is no TalkdeskApp"):
        await done(ApiServer(), "status")
    server = cluster()
    server.journal.fail("PATCH talkdeskapps/sentiment", KubeForbidden("you may not"))
    with pytest.raises(RolloutRefused, match="you may not"):
        await done(server, "pause")


def test_without_a_cluster_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    assert main(["rollout", "status", "sentiment", "-n", "team", "--kubeconfig", str(tmp_path / "none")]) == 1
    assert "no usable configuration" in capsys.readouterr().err
