"""A real Chromium, driven by W3C's WebDriver protocol: JSON over HTTP to chromedriver, of which a test needs little.

Both are Debian's packages, which are installed where they are missing and somebody is root. Each window has a profile
of its own, and finds hosts of the test at a port of this machine.
"""

import asyncio
import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from builders.serving import until

PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Debian's package of each program."""
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""What an element is called in answers, by the protocol."""
_STARTED = re.compile(rb"started successfully on port (\d+)")
_WITHIN = 60.0


def chromium_missing() -> str:
    """Install what is missing, where that is possible; return in one line what is still missing, or nothing."""
    missing = sorted(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    install = f"apt-get install {' '.join(missing)}"
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", *command], capture_output=True, env=environment, check=False)
        missing = sorted(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    return f"no Chromium to play the login in: {install}" if missing else ""


@dataclass
class Window:
    """One user's browser."""

    http: aiohttp.ClientSession
    session: str

    async def open(self, url: str) -> None:
        """Go to an address; return when the page is loaded, redirects included."""
        await self._do("POST", "url", url=url)

    async def url(self) -> str:
        return str(await self._do("GET", "url"))

    async def text(self) -> str:
        """Return what a person reads, the title included."""
        body = await self._find("body")
        return f"{await self._do('GET', 'title')}\n{await self._do('GET', f'element/{body}/text')}"

    async def click(self, selector: str) -> None:
        await self._do("POST", f"element/{await self._find(selector)}/click")

    async def type(self, selector: str, text: str) -> None:
        await self._do("POST", f"element/{await self._find(selector)}/value", text=text)

    async def cookies(self) -> dict[str, dict[str, Any]]:
        """Return the cookies of the page that is open."""
        return {each["name"]: each for each in await self._do("GET", "cookie")}

    async def shows(self, text: str) -> None:
        """Wait until a person reads this."""
        seen = ""

        async def read() -> bool:
            nonlocal seen
            try:
                seen = await self.text()
            except LookupError:  # the page is being replaced
                return False
            return text in seen

        try:
            await until(read, _WITHIN, every=0.05)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not to be read at {await self.url()}, but: {seen}") from None

    async def _find(self, selector: str) -> str:
        found = await self._do("POST", "element", using="css selector", value=selector)
        return str(found[_ELEMENT])

    async def _do(self, method: str, command: str, **fields: Any) -> Any:
        """Send a command. Raises LookupError where there is no such element, or none any more."""
        body = fields if method == "POST" else None
        async with self.http.request(method, f"/session/{self.session}/{command}", json=body) as answer:
            value = (await answer.json())["value"]
        if answer.status == 404:
            raise LookupError(f"{command}: {value['message']}")
        assert answer.status == 200, f"{command}: {value['message']}"
        return value


@dataclass
class Chromium:
    """A running chromedriver."""

    http: aiohttp.ClientSession
    hosts: Mapping[str, int]
    """Ports of this machine by hosts, of which a star stands for a part."""
    certificate: bytes
    """The one that is believed of these hosts, as PEM."""

    @asynccontextmanager
    async def window(self, profile: Path) -> AsyncIterator[Window]:
        """Open a window with a new profile in that folder."""
        rules = ", ".join(f"MAP {host} 127.0.0.1:{port}" for host, port in self.hosts.items())
        arguments = [
            "--headless=new",
            "--no-sandbox",  # whoever is root has no other way
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={profile}",
            f"--host-resolver-rules={rules}",
            f"--ignore-certificate-errors-spki-list={_fingerprint(self.certificate)}",
        ]
        options = {"binary": shutil.which("chromium"), "args": arguments}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        async with self.http.post("/session", json=wanted) as answer:
            value = (await answer.json())["value"]
            assert answer.status == 200, value["message"]
        try:
            yield Window(self.http, value["sessionId"])
        finally:
            async with self.http.delete(f"/session/{value['sessionId']}"):
                pass


@asynccontextmanager
async def chromium(hosts: Mapping[str, int], certificate: bytes) -> AsyncIterator[Chromium]:
    """Run chromedriver."""
    process = await asyncio.create_subprocess_exec(
        "chromedriver", "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_WITHIN):
            while (started := _STARTED.search(await process.stdout.readline())) is None:
                assert process.returncode is None
        async with aiohttp.ClientSession(f"http://127.0.0.1:{int(started[1])}") as http:
            yield Chromium(http, hosts, certificate)
    finally:
        process.terminate()
        await process.communicate()


def _fingerprint(certificate: bytes) -> str:
    """Return what Chromium calls a certificate's key."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()
