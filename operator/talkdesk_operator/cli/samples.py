"""Made-up customers to try a template with.

Belongs here: what a customer can be like, as TalkdeskInstallations. Does not belong here: what follows from it.
"""

from typing import Any, Final
from urllib.parse import urljoin

from pydantic import SecretStr

from talkdesk_crds.fields import ObjectMeta
from talkdesk_crds.hosts import HostAllowList
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.ports.talkdesk import Credentials

__all__ = ["SAMPLES", "sample", "sample_credentials"]

_TIME: Final = "2026-01-05T09:00:00Z"
_INSTALLATION_ID: Final = "6f1e9a7c3b2d4c0012ab34cd"
_ACCOUNT_ID: Final = "5f1e9a7c3b2d4c0012ab34cd"
_LONG: Final = 300
_NASTY: Final = 'Zoë & "Söhne" <${account.id}> \\ {{ x }} #1: 日本 \u202e'
"""Quotes, an expression, YAML's and shells' special characters, other scripts and directions."""

SAMPLES: Final[dict[str, str]] = {
    "paid": "a customer with a paid plan of ten licenses",
    "trial": "a customer on a trial that runs",
    "suspended": "a customer whose trial ended without an upgrade",
    "unknown": "a customer of whom Talkdesk told nothing but the ids: every other fact is null",
    "nasty": f"a customer whose names have {_LONG} characters of all sorts, among them quotes and ${{",
}
"""Names of the samples, with what they are."""


def sample(name: str, app: ObjectMeta, hosts: HostAllowList) -> TalkdeskInstallation:
    """Return a customer of this app as the operator has it in the cluster. Raises KeyError for an unknown name."""
    facts, trial = _facts(name), _trial(name)
    # Of one region nobody has documented where its tokens come from.
    token_url = hosts.token_url("acme") if hosts.token_template is not None else "https://acme.example.com/oauth/token"
    account = {key: value for key, value in facts["account"].items() if value is not None}
    raw: dict[str, Any] = {
        **TalkdeskInstallation.head(),
        "metadata": {
            "name": f"{app.name}-{_INSTALLATION_ID}",
            "namespace": app.namespace,
            "uid": "",
            "generation": 1,
            "resourceVersion": "0",
        },
        "spec": {
            "appRef": {"name": app.name},
            "installationId": _INSTALLATION_ID,
            "accountId": _ACCOUNT_ID,
            "accountName": "acme",
            "endpoints": {
                "api": hosts.api_url,
                "token": token_url,
                "authorization": urljoin(token_url, "authorize"),
            },
            "request": {"type": "Install", "eventId": "sample-install", "eventTime": _TIME, "appVersion": "1.0.0"},
            **({"trial": trial} if trial is not None else {}),
        },
        "status": {
            "account": {"id": _ACCOUNT_ID, **account},
            "subscription": facts["subscription"],
            "createdBy": facts["createdBy"],
        },
    }
    return TalkdeskInstallation.model_validate(raw)


def sample_credentials(kind: str = "sample") -> Credentials:
    """Return credentials that are good for nothing, and look it; those of another kind are others."""
    return Credentials(
        client_id=f"{kind}-client-id",
        client_secret=SecretStr(f"{kind}-client-secret"),
        private_key=SecretStr(f"{kind}-private-key"),
        key_id=f"{kind}-key-id",
        key_algorithm="ES256",
    )


def _facts(name: str) -> dict[str, Any]:
    account = {"name": "acme", "companyName": "Acme", "timezone": "Europe/Lisbon"}
    paid = {"type": "paid", "name": "Standard", "licenses": 10}
    on_trial = {"type": "trial", "name": "Trial", "licenses": 5}
    created_by = "7f1e9a7c3b2d4c0012ab34cd"
    nasty = (_NASTY * _LONG)[:_LONG]
    facts: dict[str, dict[str, Any]] = {
        "paid": {"account": account, "subscription": paid, "createdBy": created_by},
        "trial": {"account": account, "subscription": on_trial, "createdBy": created_by},
        "suspended": {"account": account, "subscription": on_trial, "createdBy": created_by},
        "unknown": {"account": {"name": None}, "subscription": {}, "createdBy": None},
        "nasty": {
            "account": account | {"companyName": nasty, "timezone": "Asia/Kathmandu"},
            "subscription": {"type": "paid", "name": nasty, "licenses": 100_000},
            "createdBy": created_by,
        },
    }
    return facts[name]


def _trial(name: str) -> dict[str, Any] | None:
    started = {
        "state": "Started",
        "eventId": "sample-trial",
        "eventTime": _TIME,
        "expirationTime": "2030-01-01T00:00:00Z",
    }
    ended = started | {"state": "Ended", "endedReason": "trial_expired"}
    return {"trial": started, "suspended": ended}.get(name)
