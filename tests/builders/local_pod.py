"""The containers of a Deployment as processes of this machine, with exactly the variables and arguments that it says.

Only what each pod has of its own is another: where the proxy listens, and at which port it finds the app.
"""

import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builders.python_path import path_with_builders
from builders.serving import until

Object = dict[str, Any]


def variables_of(container: Object, secrets: Mapping[str, Object]) -> dict[str, str]:
    """Return the environment of a container; `secrets` are the Secrets of its namespace by name."""
    found = {}
    for each in container["env"]:
        if "value" in each or "valueFrom" not in each:
            found[each["name"]] = each.get("value", "")
        else:
            ref = each["valueFrom"]["secretKeyRef"]
            found[each["name"]] = base64.b64decode(secrets[ref["name"]]["data"][ref["key"]]).decode()
    return found


@dataclass
class LocalPod:
    """Both containers, running."""

    socket: Path
    """Where the proxy listens."""
    app_url: str
    """Where the app does, which nobody but the proxy should know."""
    logs: list[bytearray] = field(default_factory=list)


@asynccontextmanager
async def local_pod(
    deployment: Object, secrets: Mapping[str, Object], proxy: Path, folder: Path
) -> AsyncIterator[LocalPod]:
    """Run the reference app and oauth2-proxy as the Deployment says."""
    containers = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}
    pod = LocalPod(folder / "proxy.sock", "")
    app, web = containers["app"], containers["oauth2-proxy"]
    arguments = [*app["command"][1:], *app["args"][:-1], "0"]
    variables = variables_of(app, secrets) | {"PYTHONPATH": path_with_builders()}
    async with _running(pod, [sys.executable, *arguments], variables) as log:
        pod.app_url = (await _said(log, rb"app: (http://\S+)")).decode()
        changed = {
            "OAUTH2_PROXY_HTTP_ADDRESS": f"unix://{pod.socket}",
            "OAUTH2_PROXY_UPSTREAMS": f"{pod.app_url}/",
        }
        async with _running(pod, [str(proxy)], variables_of(web, secrets) | changed):
            await until(pod.socket.exists, every=0.05)
            yield pod


@asynccontextmanager
async def _running(pod: LocalPod, command: list[str], variables: Mapping[str, str]) -> AsyncIterator[bytearray]:
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(variables), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    log = bytearray()
    pod.logs.append(log)
    reading = asyncio.create_task(_read(process, log))
    try:
        yield log
        assert process.returncode is None, log.decode(errors="replace")
    except TimeoutError as error:
        error.add_note(log.decode(errors="replace"))
        raise
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _read(process: asyncio.subprocess.Process, log: bytearray) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(4096):
        log += chunk


async def _said(log: bytearray, pattern: bytes) -> bytes:
    await until(lambda: re.search(pattern, log) is not None, every=0.02)
    found = re.search(pattern, log)
    assert found is not None
    return found[1]
