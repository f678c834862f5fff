"""What people see of our kinds with kubectl on a real API server."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from builders.kinds import MERGE_PATCH, KindsApi
from builders.objects import app_object, installation_object, tenant_object
from talkdesk_crds import KINDS
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# A row of `kubectl get` each, cells apart by bars; the age is left out.
GET_INSTALLATION = """
NAME | ACCOUNT | PHASE | READY | REQUEST | DEADLINE | WARNED | TRIAL | AGE
sentiment-i1 | acme | Active | True | Install | 2026-03-08T12:00:00Z | under 3d | Started |
"""
GET_INSTALLATION_WIDE = """
NAME | ACCOUNT | PHASE | READY | REQUEST | DEADLINE | WARNED | TRIAL | AGE \
| PLAN | USERS | TENANT | INSTALLATION | REASON
sentiment-i1 | acme | Active | True | Install | 2026-03-08T12:00:00Z | under 3d | Started | \
| Gold | 7 | sentiment-acc | i1 | Succeeded
"""
GET_TENANT_WIDE = """
NAME | ACCOUNT | WANTED | READY | REVISION | PURGE-TIME | AGE | PRUNE-HELD | TENANT | OWNER | REASON
sentiment-acc | acc-1 | Active | True | | | | | td-acc-1 | sentiment-i1 | Applied
"""
GET_APP_WIDE = """
NAME | REGION | READY | UPDATED | TOTAL | FAILING | PAUSED | AGE | APP | REASON
sentiment | US | True | | | | false | | app-1 | Succeeded
"""


def explained(cluster: Cluster, path: str, within: float = 90) -> str:
    """What kubectl says of a field; a kind that was established just now is not in the published schema at once."""
    deadline = time.monotonic() + within
    while True:
        try:
            return cluster.kubectl("explain", path)
        except KubectlFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_established_with_nothing_held_against_it(crds: Cluster, kind: type[CustomResource]) -> None:
    read = json.loads(crds.kubectl("get", "crd", f"{kind.INFO.plural}.{GROUP}", "--output=json"))
    conditions = {c["type"]: c["status"] for c in read["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tdi.spec.request", "The newest thing the customer asked for"),
        ("tdi.spec.request.eventTime", "the deadline counts from here"),
        ("tdi.status.phase", "A summary for people"),
        ("tdt.spec.deletionProtection", "purges nothing of the tenant"),
        ("tdapp.spec.tenant.steps.onOffboard", "they stay until the retention ends"),
        ("tdapp", "policy, and the template of what each customer gets"),
    ],
)
def test_explain_shows_the_docstring(crds: Cluster, path: str, words: str) -> None:
    assert words in " ".join(explained(crds, path).split())


def a_condition(reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": to_wire_time(NOON),
    }


def table(printed: str) -> str:
    """Part the cells by bars, whatever their widths, and leave out the age, which time decides."""
    head, *rows = printed.splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    spans = list(zip(starts, [*starts[1:], None], strict=True))

    def cells(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in spans]

    names = cells(head)
    kept = [["" if name == "AGE" else cell for name, cell in zip(names, cells(row), strict=True)] for row in rows]
    lines = [" | ".join(line).replace("|  |", "| |").rstrip() for line in [names, *kept]]
    return "\n" + "\n".join(lines).replace("|  |", "| |") + "\n"


async def furnish(api: KindsApi) -> None:
    for raw, status in (
        (app_object(), {"conditions": [a_condition("Succeeded", "the template is understood")]}),
        (tenant_object(), {"conditions": [a_condition("Applied")]}),
        (
            installation_object(),
            {
                "phase": "Active",
                "deadline": to_wire_time(NOON + timedelta(days=7)),
                "timeLeft": "under 3d",
                "trial": {"state": "Started", "lastTransitionTime": to_wire_time(NOON)},
                "subscription": {"name": "Gold"},
                "users": {"licensed": 7},
                "tenantRef": {"name": "sentiment-acc"},
                "conditions": [a_condition("Succeeded")],
            },
        ),
    ):
        await api.create(raw)
        await api.patch(raw, {"status": status}, MERGE_PATCH, "/status")


async def test_people_see_what_matters_in_kubectl_get(api: KindsApi, crds: Cluster) -> None:
    await furnish(api)

    def get(*arguments: str) -> str:
        return table(crds.kubectl("get", "--namespace", api.namespace, *arguments))

    assert get("tdi") == GET_INSTALLATION
    assert get("tdi", "--output=wide") == GET_INSTALLATION_WIDE
    assert get("tdt", "--output=wide") == GET_TENANT_WIDE
    assert get("tdapp", "--output=wide") == GET_APP_WIDE


async def test_one_word_lists_everything_of_ours(api: KindsApi, crds: Cluster) -> None:
    await furnish(api)
    listed = crds.kubectl("get", "talkdesk", "--namespace", api.namespace, "--output=name")
    assert listed.split() == [
        f"talkdeskapp.{GROUP}/sentiment",
        f"talkdeskinstallation.{GROUP}/sentiment-i1",
        f"talkdesktenant.{GROUP}/sentiment-acc",
    ]


@pytest.mark.parametrize("kind", ["tdi", "tdt"])
async def test_objects_are_found_by_account_and_app(api: KindsApi, crds: Cluster, kind: str) -> None:
    await furnish(api)
    other: dict[str, Any] = {"appRef": {"name": "other"}, "accountId": "acc-2"}
    await api.create(installation_object("other-i2", installationId="i2", **other))
    await api.create(tenant_object("other-acc", **other))

    def found(selector: str) -> int:
        names = crds.kubectl("get", kind, "--namespace", api.namespace, f"--field-selector={selector}", "--output=name")
        return len(names.split())

    if kind == "tdi":
        assert found("status.phase=Active") == 1
        assert found("status.phase=Suspended") == 0
    else:
        assert found("spec.state=Active") == 2
    assert found("spec.accountId=acc-1") == found("spec.appRef.name=other") == 1
    assert found("spec.accountId=acc-1,spec.appRef.name=other") == 0
