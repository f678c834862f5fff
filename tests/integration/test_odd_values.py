"""What a real API server takes of the odd values, and that the operator's process bears it."""

import asyncio
from typing import Any

import aiohttp
import pytest

from builders.odd_values import Odd, odd_values
from builders.raw_objects import app, installation, tenant
from builders.shell_process import shell_process
from talkdesk_crds import KINDS
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_sandbox.controlplane import Cluster

PLURALS = {kind.INFO.kind: kind.INFO.plural for kind in KINDS}


def new(odd: Odd, number: int, namespace: str) -> dict[str, Any]:
    """Return an object with the odd value, under a name of its own."""
    bases = {
        "TalkdeskApp": app(f"odd{number}"),
        "TalkdeskInstallation": installation(f"odd{number}", account=f"odd{number}"),
        "TalkdeskTenant": tenant(f"odd{number}", account=f"odd{number}"),
    }
    raw = odd.at(bases[odd.kind])
    kept = ("name", "annotations")
    raw["metadata"] = {key: value for key, value in raw["metadata"].items() if key in kept} | {"namespace": namespace}
    if odd.kind == "TalkdeskInstallation":
        raw["metadata"]["name"] = f"sentiment-odd{number}"  # by its app and its id
    return raw


@pytest.mark.case(75)
async def test_the_process_bears_all_that_the_api_server_takes(crds: Cluster, namespace: str) -> None:
    kube = await Kube.connect(user_agent="test/1", kubeconfig=crds.kubeconfig)
    taken: list[str] = []

    async def create(odd: Odd, number: int) -> None:
        raw = new(odd, number, namespace)
        headers = await kube._headers("application/json", "application/json", None)
        path = resource_path(GROUP, VERSION, PLURALS[odd.kind], namespace)
        async with session.post(kube.server + path, data=odd.as_json(raw), headers=headers, ssl=kube.ssl_context) as it:
            if it.status == 201:
                taken.append(odd.name)
            else:
                assert it.status in {400, 422}, (odd.name, await it.text())

    cases = [odd for odd in odd_values() if "status" not in odd.path and "managedFields" not in odd.path]
    async with kube, aiohttp.ClientSession() as session:
        for number, odd in enumerate(cases[::2]):
            await create(odd, number)
        async with shell_process(crds.kubeconfig, namespace) as it:
            await it.until(lambda: len({line["account"] for line in it.all("reconcile")}) > 20)
            for number, odd in enumerate(cases[1::2]):
                await create(odd, number + 1000)
            await create(Odd("fence", "TalkdeskInstallation", "spec.accountName", "x", "0"), 5000)
            await it.until(lambda: it.reconciles("odd5000"))
            assert not it.all("process.part_failed")
            assert await asyncio.wait_for(it.end(), 30) == 0
    assert any("nested 9990" in name for name in taken)
    assert not [name for name in taken if "open bracket" in name and "scim" not in name], "the schema refuses it"
