"""Lifecycle events as Talkdesk posts them, and keys that sign them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

APP_ID = "f918e2623486417791f3b5a18ca746ce"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(kind: str, data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
    """An event of any type; `data` adds to the ids that every event has, keywords replace members of the envelope."""
    ids = {"installation_id": "5c1f0a9b", "account_id": "acc-1", "account_name": "acme"}
    return {
        "id": f"event-{kind}",
        "created_at": "2026-03-01T12:00:00Z",
        "api_version": "1",
        "type": kind,
        "app_id": APP_ID,
        "app_version_name": "1.4",
        "data": ids | (data or {}),
        "_links": links(),
    } | overrides


def links(domain: str = "talkdeskapp.com", identity: str = "talkdeskid.com", account: str = "acme") -> dict[str, Any]:
    return {
        "root": {"href": f"https://api.{domain}"},
        "tokens": {"href": f"https://{account}.{identity}/oauth/token"},
        "authorization": {"href": f"https://{account}.{identity}/oauth/authorize"},
        "self": {"href": f"https://api.{domain}/apps/{APP_ID}/events/1"},
    }


def material(mark: str = "1") -> dict[str, str]:
    """One credential version; equal marks make equal ones."""
    return {
        "client_id": f"client-{mark}",
        "client_secret": f"made-up-secret-{mark}",
        "private_key": f"made-up-key-{mark}",
        "public_key": f"made-up-public-{mark}",
        "key_id": f"key-{mark}",
        "key_algorithm": "ES256",
    }


def installed(data: dict[str, Any] | None = None, *, mark: str = "1", **overrides: Any) -> dict[str, Any]:
    return event("app.installed", material(mark) | (data or {}), **overrides)


def uninstalled(data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
    return event("app.uninstalled", {"reason": {"type": "other", "message": "moved on"}} | (data or {}), **overrides)


def rotated(data: dict[str, Any] | None = None, *, mark: str = "2", **overrides: Any) -> dict[str, Any]:
    return event("app.credentials_rotated", material(mark) | (data or {}), **overrides)


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


@dataclass(frozen=True)
class Signer:
    """A key of Talkdesk's, made for the test."""

    key_id: str = "key-of-talkdesk"
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(self, body: bytes, form: Literal["der", "raw"] = "der") -> bytes:
        der = self.private.sign(body, ec.ECDSA(hashes.SHA512()))
        if form == "der":
            return der
        r, s = decode_dss_signature(der)
        width = (self.private.curve.key_size + 7) // 8
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")

    def headers(self, body: bytes, **overrides: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-Hub-Ecdsa-Signature": self.sign(body).hex(),
            "X-Hub-Ecdsa-Signature-Id": self.key_id,
        } | overrides

    @property
    def pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
