"""Requests, answers, what may be shown of them, and the errors by which a check ends.

Belongs here: what is sent, and the words for it. Does not belong here: sending.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = ["Answer", "Exchange", "Failed", "NoAnswer", "Request", "Skipped", "delete_body", "put_body"]

_SHOWN: Final = 2_000
"""Characters of a body in a report."""
_HIDDEN: Final = "***"


@dataclass(frozen=True)
class Request:
    """What is to be sent; it is signed for each attempt anew."""

    method: str
    tenant: str
    key: str
    body: bytes = b""
    suffix: str = ""
    """What follows the tenant in the path: `/last_operation?operation=…`."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: Mapping[str, Any] | None
    """None where the body is no JSON object; an empty body is an empty one."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Return the outputs, or nothing."""
        return self._member("outputs")

    @property
    def secrets(self) -> Mapping[str, Any]:
        """Return the secrets, or nothing."""
        return self._member("secrets")

    @property
    def made(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return outputs and secrets, for a comparison."""
        return self.outputs, self.secrets

    @property
    def busy(self) -> bool:
        """Whether the service is at something else for the tenant."""
        concurrency = self.status == 422 and (self.content or {}).get("error") == "ConcurrencyError"
        return self.status == 409 or concurrency

    @property
    def refused(self) -> bool:
        """Whether nothing was done, and the same request gets the same answer."""
        return 400 <= self.status < 500 and self.status not in {404, 408, 410, 425, 429}

    @property
    def retry_after(self) -> float | None:
        """Return the seconds of Retry-After, or None; raises ValueError for what is neither seconds nor a date."""
        text = self.headers.get("retry-after")
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return float(text)
        when = parsedate_to_datetime(text)
        return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())

    def _member(self, name: str) -> Mapping[str, Any]:
        found = (self.content or {}).get(name)
        return found if isinstance(found, dict) else {}


@dataclass
class Exchange:
    """A request as it was sent, and its answer once there is one."""

    request: Request
    path: str
    headers: Mapping[str, str] = field(repr=False)
    answer: Answer | None = None
    problem: str = ""
    """Why there is no answer."""

    def shown(self) -> dict[str, Any]:
        """Return what may be printed: no signature, which would be good for five minutes, and no secret."""
        headers = {name: _masked(name, text) for name, text in self.headers.items()}
        request = {"method": self.request.method, "path": self.path, "headers": headers}
        return request | {"body": _shortened(self.request.body), "answer": self._answer()}

    def _answer(self) -> dict[str, Any]:
        if self.answer is None:
            return {"problem": self.problem or "none was waited for"}
        content = self.answer.content
        if content is None:
            return {"status": self.answer.status, "body": "no JSON object"}
        hidden = {"secrets": dict.fromkeys(self.answer.secrets, _HIDDEN)} if "secrets" in content else {}
        return {"status": self.answer.status, "body": {**content, **hidden}}


class Failed(Exception):
    """The service does not do what the check requires."""

    def __init__(self, reason: str, *exchanges: Exchange) -> None:
        super().__init__(reason)
        self.exchanges = exchanges
        """What shows it; the last one that there was, when there are none."""


class NoAnswer(Failed):
    """The connection was cut, or the time was over."""

    def __init__(self, reason: str, exchange: Exchange, *, cut: bool) -> None:
        super().__init__(reason, exchange)
        self.cut = cut


class Skipped(Exception):
    """The check says nothing about this service; the text says why."""


def put_body(
    tenant: str, *, state: str = "Active", generation: int = 1, values: Mapping[str, Any] | None = None
) -> Any:
    """Return the default body of a PUT, about a customer who does not exist."""
    return {
        "tenant": {
            "id": tenant,
            "name": f"td-{tenant}"[:63],
            "values": {"color": "blue"} if values is None else values,
        },
        "state": state,
        "generation": generation,
        "account": {
            "id": "conformance",
            "name": "conformance",
            "companyName": "Conformance Inc.",
            "timezone": "Europe/Lisbon",
        },
        "installation": {
            "id": "conformance",
            "name": f"sentiment-{tenant}"[:63],
            "appVersion": "1.0.0",
            "createdBy": "conformance",
        },
        "subscription": {"type": "paid", "name": "Gold", "licenses": 5},
        "trial": {"state": None, "expirationTime": None},
    }


def delete_body(tenant: str, generation: int) -> Any:
    """Return the body of a DELETE."""
    return {"tenant": {"id": tenant}, "state": "Deleted", "generation": generation}


def _masked(name: str, text: str) -> str:
    if name != "webhook-signature":
        return text
    return " ".join(f"{each.partition(',')[0]},{_HIDDEN}" for each in text.split())


def _shortened(body: bytes) -> Any:
    if len(body) <= _SHOWN:
        try:
            return json.loads(body) if body else None
        except ValueError:
            pass
    text = body[:_SHOWN].decode("utf-8", "replace")
    return text if len(body) <= _SHOWN else f"{text}… ({len(body)} bytes)"
