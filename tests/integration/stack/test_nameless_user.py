"""The programs as a user who has a number and nothing else: no name, no home, no folder for temporary files."""

import asyncio
import os
import re
import sys

import pytest

from builders.child import NAMELESS
from builders.platform import platform
from builders.stack import stack
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.simulator import Client

LOOK_UP = "import os, pwd; print(os.getuid()); pwd.getpwuid(os.getuid())"


async def test_the_user_of_these_tests_has_no_name() -> None:
    process = await asyncio.create_subprocess_exec(
        *NAMELESS, sys.executable, "-c", LOOK_UP, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert output.decode().split() == ["65532"]
    assert b"uid not found: 65532" in errors


async def test_a_customer_installs_and_leaves_while_both_programs_run_as_a_user_without_a_name(
    crds: Cluster, namespace: str
) -> None:
    async with platform(crds, namespace, by=NAMELESS) as programs, stack(programs) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()
        await acme.becomes("Uninstalled")


@pytest.mark.parametrize("module", ["talkdesk_sandbox.simulator", "talkdesk_sandbox.scim"])
async def test_simulator_and_scim_service_run_as_a_user_without_a_name(module: str) -> None:
    arguments = ("serve", "--port", "0") if module.endswith("simulator") else ("--port", "0")
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *NAMELESS, sys.executable, "-m", module, *arguments, env=kept, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        found = re.search(r"http://127\.0\.0\.1:\d+", (await process.stdout.readline()).decode())
        assert found
        if module.endswith("simulator"):
            async with Client(found[0]) as client:
                assert (await client.state()).installations == ()
        process.terminate()
        assert await process.wait() == 0
