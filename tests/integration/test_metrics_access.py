"""Both programs ask a real API server who may read their metrics, with the rights of components/metrics-auth alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from builders.child import Child
from builders.manifest_files import COMPONENTS, documents
from builders.platform import FREE_SIDE_PORTS
from builders.serving import until
from builders.tls_pair import client_context, mount, served_name, tls_pair
from talkdesk_sandbox.controlplane import Cluster

FIRST, SECOND = tls_pair("first"), tls_pair("second")
WITHIN = 90


def grant(cluster: Cluster, namespace: str) -> None:
    """Apply the component's RBAC for a test's own accounts, and make `reader`, who may, and `other`, who may not."""
    for account in ("talkdesk-operator", "talkdesk-webhook", "reader", "other"):
        cluster.kubectl("create", "serviceaccount", account, "-n", namespace)
    auth, binding, reader = json.loads(json.dumps(documents(COMPONENTS / "metrics-auth" / "rbac.yaml")))
    binding["metadata"]["name"] += f"-{namespace}"
    for subject in binding["subjects"]:
        subject["namespace"] = namespace
    listed = {"apiVersion": "v1", "kind": "List", "items": [auth, binding, reader]}
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))
    role, account = reader["metadata"]["name"], f"--serviceaccount={namespace}:reader"
    cluster.kubectl("create", "clusterrolebinding", f"reader-{namespace}", f"--clusterrole={role}", account)


@asynccontextmanager
async def program(
    cluster: Cluster, namespace: str, name: str, folder: Path
) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """Run one, with a mounted certificate; yield it, and a client of its metrics."""
    cert, key = mount(folder, FIRST)
    settings: dict[str, Any] = {
        **FREE_SIDE_PORTS,
        "KUBECONFIG": str(cluster.kubeconfig_for(namespace, f"talkdesk-{name}")),
        "METRICS_ACCESS": "authorized",
        "METRICS_TLS_CERT_FILE": str(cert),
        "METRICS_TLS_KEY_FILE": str(key),
        "NAMESPACES": namespace,
        **({"PORT": "0", "HOST": "127.0.0.1"} if name == "webhook" else {}),
    }
    child = await Child.start(f"talkdesk_{name}", {f"TALKDESK_{name.upper()}_{key}": settings[key] for key in settings})
    try:
        port = (await child.logged("metrics.listening"))["port"]
        trust = client_context(FIRST, SECOND)
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False) as http:
            yield child, http
    finally:
        await child.terminate()


async def status(http: httpx.AsyncClient, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return (await http.get("/metrics", headers=headers, timeout=WITHIN)).status_code


@pytest.mark.parametrize("name", ["operator", "webhook"])
async def test_metrics_are_for_whoever_may_get_the_url_and_the_certificate_is_renewed_meanwhile(
    crds: Cluster, namespace: str, tmp_path: Path, name: str
) -> None:
    grant(crds, namespace)
    async with program(crds, namespace, name, tmp_path) as (child, http):
        tokens = {who: crds.kubectl("create", "token", who, "-n", namespace).strip() for who in ("reader", "other")}
        assert await status(http, tokens["reader"]) == 200
        assert await status(http, tokens["other"]) == 403
        assert await status(http, tokens["reader"] + "x") == 401
        assert await status(http, None) == 401
        seen = sorted([await status(http, f"invented-{number}") for number in range(20)])
        assert seen.count(401) <= 6, "a stranger has few reviews"
        assert set(seen) == {401, 503}
        assert await status(http, tokens["reader"]) == 200
        mount(tmp_path, SECOND)
        port = http.base_url.port
        assert port is not None

        async def renewed() -> bool:
            return await served_name(port, FIRST, SECOND) == "second"

        await until(renewed, within=WITHIN)
        text = (await http.get("/metrics", headers={"Authorization": f"Bearer {tokens['reader']}"})).text
        assert 'talkdesk_tls_certificate_reloads_total{port="metrics",result="success"} 1.0' in text
        crds.kubectl("delete", "clusterrolebinding", f"reader-{namespace}")
        again = (await asyncio.to_thread(crds.kubectl, "create", "token", "reader", "-n", namespace)).strip()

        async def refused() -> bool:
            found = await status(http, again)
            assert found in {403, 503}  # 503 while the stranger's budget of reviews is used up: the address is the same
            return found == 403

        await until(refused, within=WITHIN)
    log = child.log.decode()
    assert not [token for token in tokens.values() if token in log]
    assert "invented-" not in log


async def test_without_the_right_to_review_nobody_reads_and_the_log_says_why(
    crds: Cluster, namespace: str, tmp_path: Path
) -> None:
    crds.kubectl("create", "serviceaccount", "talkdesk-webhook", "-n", namespace)
    async with program(crds, namespace, "webhook", tmp_path) as (child, http):
        token = crds.kubectl("create", "token", "talkdesk-webhook", "-n", namespace).strip()
        assert await status(http, token) == 503
        assert (
            "tokenreviews.authentication.k8s.io is forbidden" in (await child.logged("metrics.not_reviewed"))["problem"]
        )
        assert token not in child.log.decode()
