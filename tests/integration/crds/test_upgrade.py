"""An upgrade over live objects: those made under the previous CRDs go on under today's.

`previous/` holds the CRDs of the release before (see CONTRIBUTING, "Changing the API"). They replace each other in a
control plane of the test's own, so that no other test meets the old ones.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from builders.kinds import MERGE_PATCH, KindsApi
from builders.objects import NOON, app_object, installation_object, request_object, tenant_object
from talkdesk_crds import KINDS, TalkdeskApp, TalkdeskInstallation, TalkdeskTenant
from talkdesk_crds.crdgen import to_yaml
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP
from talkdesk_crds.regroup import regrouped
from talkdesk_runtime.kube import Kube
from talkdesk_sandbox.controlplane import Cluster, ControlPlane, find_programs

PREVIOUS: Final = Path(__file__).parent / "previous"
WHEN: Final = to_wire_time(NOON)
CONDITION: Final = {"type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": WHEN}
PLANNED: Final = {"step": "base", "group": "", "version": "v1", "kind": "ConfigMap", "namespace": "td-1", "name": "x"}
SCIM: Final = {"url": "https://app.example.com/scim", "tokenSecretRef": {"name": "scim", "key": "token"}}

# An object of each kind with as much in it as the previous version could say.
OBJECTS: Final[list[tuple[type[CustomResource], dict[str, Any], dict[str, Any], dict[str, Any]]]] = [
    (
        TalkdeskApp,
        app_object(users={"scim": SCIM}, approval={"mode": "Manual", "automatic": {"decision": "Approve"}}),
        {"conditions": [CONDITION]},
        {"retention": {"keepFor": "1d"}},
    ),
    (
        TalkdeskInstallation,
        installation_object(
            "imported-under-any-name",
            trial={"state": "Started", "eventId": "t1", "eventTime": WHEN},
            endpoints={"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"},
        ),
        {
            "phase": "Active",
            "conditions": [CONDITION],
            "answer": {"eventId": "event-1", "decision": "Approve", "sendTime": WHEN, "deliveryTime": WHEN},
            "retry": {"attempts": 1, "nextAttemptTime": WHEN, "reason": "TalkdeskUnavailable"},
            "users": {"licensed": 3, "synced": 2, "failed": 1, "complete": False},
            "history": [{"time": WHEN, "reason": "Active", "message": "Succeeded"}],
        },
        {"request": request_object("Update", event="event-2") | {"eventTime": "2026-03-02T12:00:00Z"}},
    ),
    (
        TalkdeskTenant,
        tenant_object(objects=[PLANNED], values={"a": 1}),
        {
            "conditions": [CONDITION],
            "inventory": [PLANNED | {"uid": "u"}],
            "steps": [{"name": "base", "state": "Ready"}],
        },
        {"state": "Suspended"},
    ),
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ControlPlane(find_programs()) as it:
        yield it


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[KindsApi]:
    async with await Kube.connect(user_agent="test", kubeconfig=cluster.kubeconfig) as kube:
        yield KindsApi(kube, "default")


def install(cluster: Cluster, texts: list[str]) -> None:
    """Install CRDs, in today's group if that is another one, and wait until they are served."""
    (group,) = {yaml.safe_load(text)["spec"]["group"] for text in texts}
    crds = "\n---\n".join(regrouped(text, group, GROUP) for text in texts)
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=crds)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename=-", stdin=crds)


def holds(now: object, before: object) -> bool:
    """Return whether everything is there as it was; new fields may have got their defaults."""
    if isinstance(now, dict) and isinstance(before, dict):
        return all(name in now and holds(now[name], value) for name, value in before.items())
    return now == before


@pytest.mark.case(56)
async def test_objects_of_the_previous_release_go_on_under_todays_kinds(cluster: Cluster, api: KindsApi) -> None:
    install(cluster, [path.read_text() for path in sorted(PREVIOUS.glob("*.yaml"))])
    made = {}
    for kind, raw, status, _ in OBJECTS:
        await api.create(raw)
        made[kind] = await api.patch(raw, {"status": status}, MERGE_PATCH, "/status")
    install(cluster, [to_yaml(kind) for kind in KINDS])
    for kind, raw, status, change in OBJECTS:
        stored = await api.patch(raw, {"metadata": {"labels": {"seen": "true"}}}, MERGE_PATCH)
        assert stored["status"] == made[kind]["status"]
        assert kind.read(stored).metadata.uid == made[kind]["metadata"]["uid"]
        assert holds(stored["spec"], made[kind]["spec"])
        changed = await api.patch(raw, {"spec": change}, MERGE_PATCH)
        assert changed["metadata"]["generation"] > stored["metadata"]["generation"]
        again = {"status": status | {"conditions": [CONDITION | {"status": "False"}]}}
        written = await api.patch(raw, again, MERGE_PATCH, "/status")
        assert written["status"]["conditions"][0]["status"] == "False"
