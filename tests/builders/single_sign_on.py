"""The example of single sign-on on the whole stack: its app, the directory, and one customer whose pod runs here."""

import asyncio
import json
import secrets as random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from builders.deployments import READY
from builders.local_pod import LocalPod, Object, local_pod
from builders.manifest_files import MANIFESTS
from builders.platform import Platform
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import moved
from builders.tls_front import tls_front
from builders.tls_pair import TlsPair, tls_pair
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.embedded import EmbeddedServer, bind, configure
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.sso import Directory

EXAMPLE = MANIFESTS / "examples" / "sso"
DOMAIN = "apps.example.com"
"""Of the example."""
_DIRECTORY = "https://directory.example.com"


@dataclass
class Place:
    """One customer who has the app, with a licensed and an unlicensed user more than one."""

    stack: Stack
    customer: Customer
    directory_url: str
    pair: TlsPair
    port: int
    """Where the customer's address is on this machine, with TLS."""
    proxy: Path
    folder: Path

    @property
    def url(self) -> str:
        """The customer's address."""
        return f"https://{self.customer.tenant_namespace}.{DOMAIN}"

    def users(self) -> list[str]:
        """Return the ids of the customer's users; the first two have licenses."""
        return list(self.stack.simulator.state.account(self.customer.account).users)

    async def deployment(self) -> Object:
        path = resource_path("apps", "v1", "deployments", self.customer.tenant_namespace, "web")
        return await self.stack.platform.kube.request("GET", path)

    @asynccontextmanager
    async def pod(self) -> AsyncIterator[LocalPod]:
        """Run the pod as the Deployment and the Secret in the cluster say now."""
        login = await self.customer.existing("Secret", "login")
        async with local_pod(await self.deployment(), {"login": login}, self.proxy, self.folder) as pod:
            yield pod

    async def becomes_active(self) -> None:
        """Wait until the operator has done all, while the Deployment counts as ready as soon as there is one."""
        rolling = asyncio.create_task(self._roll_out())
        try:
            await self.customer.becomes("Active")
        finally:
            rolling.cancel()
            await asyncio.gather(rolling, return_exceptions=True)

    async def _roll_out(self) -> None:
        """Be the controller that makes pods of Deployments, of which this control plane has none."""
        kube = self.stack.platform.kube
        path = resource_path("apps", "v1", "deployments", self.customer.tenant_namespace, "web")
        while True:
            try:
                found = await kube.request("GET", path)
            except KubeNotFound:
                found = {}
            generation = found.get("metadata", {}).get("generation", 0)
            if generation != found.get("status", {}).get("observedGeneration", 0):
                status = {"status": READY | {"observedGeneration": generation}}
                await kube.request("PATCH", f"{path}/status", body=status, content_type=MERGE_PATCH)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def single_sign_on(stacks: Stacks, programs: Platform, proxy: Path, folder: Path) -> AsyncIterator[Place]:
    """Apply the example with the addresses of this machine, and let a customer install it."""
    keys = {"directory": random.token_urlsafe(24), "single-logout": random.token_urlsafe(24)}
    keys["scim"] = random.token_urlsafe(24)
    programs.canaries |= {each.encode() for each in keys.values()}
    async with AsyncExitStack() as opened:
        directory_url = await opened.enter_async_context(_directory(keys, folder))
        await _grant(programs)
        await _store(programs, keys, host_of(directory_url))
        stack = await opened.enter_async_context(stacks(**example_spec(directory_url)))
        customer = await stack.install(users=2)
        pair = tls_pair("ingress", names=(f"*.{DOMAIN}",))
        port = await opened.enter_async_context(tls_front(pair, folder / "proxy.sock", folder))
        place = Place(stack, customer, directory_url, pair, port, proxy, folder)
        stack.simulator.change_users(commands.Users(account=customer.account, add=1))
        callback = f"{place.url}/oauth2/callback"
        stack.simulator.change_app(
            commands.AppChange(app_id=stack.app_id, url=f"{directory_url}/launch", redirect_uris=(callback,))
        )
        await place.becomes_active()
        yield place


def example_spec(directory_url: str) -> dict[str, Any]:
    """Return the example's users, logout and tenant for a directory at another address, without TLS."""
    text = (EXAMPLE / "app.yaml").read_text().replace(_DIRECTORY, directory_url)
    spec: dict[str, Any] = yaml.safe_load(text)["spec"]
    http = next(step["http"] for step in spec["tenant"]["steps"] if "http" in step)
    for each in (http, spec["logout"], spec["users"]["scim"]):
        each["allowInsecure"] = True
    tenant = spec["tenant"]
    return {
        "users": spec["users"],
        "logout": spec["logout"],
        "steps": tenant["steps"],
        "tenant": {"values": tenant["values"]},
    }


@asynccontextmanager
async def _directory(keys: dict[str, str], folder: Path) -> AsyncIterator[str]:
    directory = Directory(
        folder / "directory.db",
        hook_keys=[keys["directory"].encode()],
        logout_keys=[keys["single-logout"].encode()],
        scim_token=keys["scim"],
    )
    server = EmbeddedServer(configure(directory.app))
    with bind("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.listening(serving)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()
            await serving
            directory.close()


async def _grant(programs: Platform) -> None:
    """Give the provisioner what the example's own ClusterRoles say."""
    roles = [each for each in yaml.safe_load_all((EXAMPLE / "provisioner.yaml").read_text()) if each]
    binding = yaml.safe_load((MANIFESTS / "components/tenant-provisioner/binding.yaml").read_text())
    bound = moved(binding, programs.namespace)
    bound["metadata"]["name"] = f"sso-{programs.namespace}"
    bound["roleRef"]["name"] = "sso-tenant-provisioner"
    objects = {"apiVersion": "v1", "kind": "List", "items": [*roles, bound]}
    await programs.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(objects))


async def _store(programs: Platform, keys: dict[str, str], host: str) -> None:
    """Make the Secrets that the example's kustomization speaks of, for the directory's host."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "annotations": {ANNOTATION_FOR_HOSTS: host}},
            "stringData": {"token" if name == "scim" else "key": value},
        }
        for name, value in keys.items()
    ]
    objects = {"apiVersion": "v1", "kind": "List", "items": items}
    await programs.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(objects))
