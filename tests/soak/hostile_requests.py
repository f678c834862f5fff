"""What strangers send, by kind: the bytes of one connection, or its pieces with pauses between."""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["KINDS", "SLOW", "Place", "Request"]


@dataclass(frozen=True)
class Place:
    """What a stranger may have found out."""

    path: str
    """Of a real app."""
    key_id: str
    """Of a real signing key."""
    app_id: str
    """Talkdesk's id of the real app."""


@dataclass(frozen=True)
class Request:
    """What is written to one connection, and whether the client waits for an answer."""

    pieces: Iterable[bytes]
    pause: float = 0.0
    """Seconds between pieces."""
    waits: bool = True
    """Without, it closes the connection right away."""


_Maker: TypeAlias = Callable[[Place, random.Random], Request]


def _post(path: str, body: bytes, *headers: str) -> Request:
    lines = (f"POST {path} HTTP/1.1", "Host: webhook", "Content-Type: application/json", *headers)
    head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", ""))
    return Request((head.encode() + body,))


def _signed(key_id: str, signature: str = "30" * 70) -> tuple[str, str]:
    return f"X-Hub-Ecdsa-Signature-Id: {key_id}", f"X-Hub-Ecdsa-Signature: {signature}"


def _event(rng: random.Random, app_id: str = "made-up") -> bytes:
    data = {"installation_id": _name(rng), "account_id": _name(rng)}
    return json.dumps({"id": _name(rng), "type": "app.installed", "app_id": app_id, "data": data}).encode()


def _name(rng: random.Random) -> str:
    return f"{rng.getrandbits(64):016x}"


def _made_up_app(place: Place, rng: random.Random) -> Request:
    path = f"{place.path.rpartition('/')[0]}/app-{_name(rng)}"
    return _post(path, _event(rng), *_signed(place.key_id))


def _made_up_namespace(place: Place, rng: random.Random) -> Request:
    return _post(f"/events/ns-{_name(rng)}/sentiment", _event(rng), *_signed(place.key_id))


def _made_up_key(place: Place, rng: random.Random) -> Request:
    return _post(place.path, _event(rng, place.app_id), *_signed(_name(rng)))


def _forged(place: Place, rng: random.Random) -> Request:
    return _post(place.path, _event(rng), *_signed(place.key_id, f"3044{_name(rng) * 8}"))


def _not_hex(place: Place, rng: random.Random) -> Request:
    return _post(place.path, _event(rng), *_signed(place.key_id, "not hex at all"))


def _unsigned(place: Place, rng: random.Random) -> Request:
    return _post(place.path, _event(rng))


def _bad_json(place: Place, rng: random.Random) -> Request:
    return _post(place.path, b"[" * 5000 + rng.randbytes(50), *_signed(place.key_id))


def _wrong_method(place: Place, _: random.Random) -> Request:
    return Request((f"DELETE {place.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),))


def _unknown_path(_: Place, rng: random.Random) -> Request:
    return Request((f"GET /{_name(rng)}/../admin?{_name(rng)} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),))


def _no_http(_: Place, rng: random.Random) -> Request:
    return Request((rng.randbytes(200) + b"\r\n\r\n",))


def _bad_chunks(place: Place, _: random.Random) -> Request:
    head = f"POST {place.path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Request((head.encode() + b"zz\r\n{}\r\n0\r\n\r\n",))


def _two_lengths(place: Place, _: random.Random) -> Request:
    head = f"POST {place.path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
    return Request((head.encode() + b"hello!",))


def _huge_head(place: Place, rng: random.Random) -> Request:
    return Request((f"POST {place.path} HTTP/1.1\r\nHost: a\r\nX: ".encode() + _name(rng).encode() * 8192,))


def _many_headers(place: Place, _: random.Random) -> Request:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(500))
    return Request((f"POST {place.path} HTTP/1.1\r\nHost: a\r\n".encode() + fields + b"\r\n",))


def _huge_body(place: Place, _: random.Random) -> Request:
    head = f"POST {place.path} HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 30}\r\n"
    return Request((head.encode() + "\r\n".join((*_signed(place.key_id), "", "")).encode() + b" " * 65536,))


def _gzip_bomb(place: Place, rng: random.Random) -> Request:
    return _post(place.path, rng.randbytes(2000), "Content-Encoding: gzip", *_signed(place.key_id))


def _cut_in_the_head(place: Place, _: random.Random) -> Request:
    return Request((f"POST {place.path} HTTP/1.1\r\nHost:".encode(),), waits=False)


def _cut_in_the_body(place: Place, rng: random.Random) -> Request:
    (whole,) = _post(place.path, _event(rng), *_signed(place.key_id)).pieces
    return Request((whole[:-20],), waits=False)


def _cut_at_once(_: Place, _rng: random.Random) -> Request:
    return Request((), waits=False)


def _cut_before_the_answer(place: Place, rng: random.Random) -> Request:
    return Request(_made_up_app(place, rng).pieces, waits=False)


KINDS: Final[Mapping[str, tuple[_Maker, int]]] = {
    "made-up app": (_made_up_app, 15),
    "made-up namespace": (_made_up_namespace, 5),
    "made-up key": (_made_up_key, 15),
    "forged signature": (_forged, 15),
    "signature that is not hex": (_not_hex, 5),
    "no signature": (_unsigned, 5),
    "bad JSON": (_bad_json, 5),
    "wrong method": (_wrong_method, 4),
    "unknown path": (_unknown_path, 4),
    "not HTTP": (_no_http, 4),
    "bad chunks": (_bad_chunks, 4),
    "two lengths": (_two_lengths, 2),
    "huge head": (_huge_head, 2),
    "many headers": (_many_headers, 2),
    "huge body": (_huge_body, 2),
    "gzip that is none": (_gzip_bomb, 3),
    "cut in the head": (_cut_in_the_head, 2),
    "cut in the body": (_cut_in_the_body, 2),
    "cut at once": (_cut_at_once, 2),
    "cut before the answer": (_cut_before_the_answer, 2),
}
"""By kind: what makes one, and how many of a hundred there are."""


def _slow_head(place: Place, _: random.Random) -> Request:
    lines = (f"X-{number}: y\r\n".encode() for number in range(40))
    return Request((f"POST {place.path} HTTP/1.1\r\n".encode(), *lines), pause=0.5)


def _slow_body(place: Place, _: random.Random) -> Request:
    head = "\r\n".join((f"POST {place.path} HTTP/1.1", "Host: a", "Content-Length: 9999", *_signed(place.key_id)))
    return Request((f"{head}\r\n\r\n".encode(), *(b" " * 100 for _ in range(40))), pause=0.5)


def _idle(_: Place, _rng: random.Random) -> Request:
    return Request((b"", b""), pause=5.0)


SLOW: Final[tuple[_Maker, ...]] = (_slow_head, _slow_body, _idle)
"""Those that take their time, so there is a place of their own for them."""
