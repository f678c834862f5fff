"""A server on a real socket with scripted answers, and what is needed to call it.

For tests of clients: it has none of Talkdesk's rules. The simulator is for tests of behavior.
"""

import asyncio
import datetime as dt
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from builders.listening import listening
from talkdesk_crds.hosts import HostAllowList
from talkdesk_operator.domain.ports.talkdesk import Access, AuthMethod, Credentials

CANARY = "canary"
"""Part of every made-up secret: it must appear nowhere."""

Responder = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request that reached the server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def reply(status: int = 200, content: Any = None, *, body: bytes | None = None, **headers: str) -> Responder:
    """Return a responder with JSON or raw bytes; `Retry_After="3"` becomes the header Retry-After."""
    data = orjson.dumps({} if content is None else content) if body is None else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}

    async def respond(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=data, headers=names, content_type="application/json")

    return respond


def token_reply(number: int = 1, **fields: Any) -> Responder:
    """Return a responder with an access token."""
    token = f"{CANARY}-token-{number}"
    return reply(content={"access_token": token, "token_type": "Bearer", "expires_in": 600} | fields)


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    """Read the request, then drop the connection."""
    await request.read()
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def silence(_request: web.BaseRequest) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    return web.Response()


@dataclass
class ScriptedTalkdesk:
    """Answers by path; the last answer of each path is repeated."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    scripts: dict[str, deque[Responder]] = field(default_factory=dict)

    def on(self, path: str, *answers: Responder) -> None:
        """Set the answers to the next requests to a path."""
        self.scripts[path] = deque(answers)

    def calls(self, path: str) -> list[Seen]:
        """Return the requests that came to the path."""
        return [seen for seen in self.seen if seen.path == path]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the next request."""
        # A proxy may send the whole URL.
        path = request.raw_path.removeprefix(self.url)
        self.seen.append(Seen(request.method, path, dict(request.headers), await request.read()))
        script = self.scripts.get(path)
        if script is None:
            return web.json_response({"error": "nothing scripted"}, status=404)
        answer = script.popleft() if len(script) > 1 else script[0]
        return await answer(request)


@asynccontextmanager
async def serve(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedTalkdesk]:
    """Run a scripted server on a free port of a loopback address."""
    talkdesk = ScriptedTalkdesk()
    talkdesk.on("/acme/oauth/token", token_reply())
    runner = web.ServerRunner(web.Server(talkdesk.handle), shutdown_timeout=0.1)
    async with listening(runner, host=host, tls=tls) as talkdesk.url:
        yield talkdesk


@asynccontextmanager
async def serve_bytes(data: bytes) -> AsyncIterator[str]:
    """Run a server that sends the same bytes to each client and closes; yield its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """Return a key on the curve; it is generated once."""
    curves: dict[str, ec.EllipticCurve] = {
        kind.name: kind for kind in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1())
    }
    return ec.generate_private_key(curves[curve])


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return an RSA key; it is generated once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """Return a private key as PEM."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def credentials(**overrides: Any) -> Credentials:
    """Return credentials."""
    fields: dict[str, Any] = {
        "client_id": "client-1",
        "client_secret": f"{CANARY}-client-secret",
        "private_key": pem(ec_key()),
        "key_id": "key-1",
        "key_algorithm": "ES256",
    } | overrides
    for name in ("client_secret", "private_key"):
        fields[name] = SecretStr(fields[name])
    return Credentials(**fields)


def access(url: str, **overrides: Any) -> Access:
    """Return what a call to the server at `url` needs."""
    fields: dict[str, Any] = {
        "api_url": url,
        "token_url": f"{url}/acme/oauth/token",
        "credentials": credentials(),
        "method": AuthMethod.PRIVATE_KEY_JWT,
        "scopes": ("apps:read", "apps:write"),
        "region_key": "sentiment/US",
        "hosts": HostAllowList.for_endpoints(url, url, allow_insecure=True),
        "holder": "team/sentiment-i1",
    } | overrides
    return Access(**fields)


def server_context(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context with a self-signed certificate for the names, and the file to trust."""
    key = ec_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scripted")])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_text(pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context, files[0]
