"""The port to a partner's own service, which an `http` step of a template calls; what comes back is a value.

Belongs here: one request, and what became of it. Does not belong here: which request is due and what follows from its
response (`domain.hooks`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from pydantic import SecretStr

from talkdesk_runtime.standard_webhooks import WebhookSecrets

__all__ = ["Answer", "ClientCertificate", "HookPort", "HookRequest", "HookTarget", "Reply", "Unanswered"]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the operator shows of itself in TLS."""

    certificate: str
    """PEM, with the chain."""
    key: SecretStr
    """PEM, without a password."""


@dataclass(frozen=True, slots=True)
class HookTarget:
    """A service, and how it is called."""

    name: str
    """Names app and step. Calls with the same name share one circuit breaker."""
    keys: WebhookSecrets
    timeout: timedelta
    """For one request and its whole response."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""
    """PEM; empty for whom the machine trusts."""
    client_certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One request. The same key goes with the same method, URL and body, whenever it is sent again."""

    method: str
    url: str
    key: str
    """Idempotency key; what Standard Webhooks calls the message's id."""
    body: bytes = field(default=b"", repr=False)
    """JSON, or nothing."""
    content_type: str = "application/json"
    """Media type of the body."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response."""

    status: int
    content: Mapping[str, Any] | None = field(repr=False)
    """The JSON object in its body, empty where there is no body; None where the body is something else."""
    retry_after: timedelta | None = None
    """How long the service asks to wait."""
    problem: str = ""
    """Why there is no content, continuing "the answer …"."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There is no response."""

    message: str
    """Names neither a secret nor anything of the customer's."""
    sent: bool
    """Whether the service may have got the request, and have done what it asks for."""
    retry_after: timedelta | None = None
    """How long not to try again, where that is known."""


Answer: TypeAlias = Reply | Unanswered


class HookPort(Protocol):
    """Partners' services. Nothing is raised but for a cancellation."""

    def held(self, target: HookTarget) -> Unanswered | None:
        """Return why nothing would be sent now, because calls to the service keep failing; None where it would."""
        ...

    async def call(self, target: HookTarget, request: HookRequest) -> Answer:
        """Send the request once."""
        ...
