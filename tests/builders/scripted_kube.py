"""A Kubernetes API that returns scripted answers in order, and records the requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from talkdesk_runtime.kube_errors import KubeError

FIELD_MANAGER_OF_REQUEST = "the field manager of the request"
"""Stands in an answer's managedFields for the manager that the request named."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)


def stored(spec: dict[str, Any] | None = None, *, changed: bool = True) -> dict[str, Any]:
    """A TalkdeskInstallation as an answer: `changed` by the request, or as it was before."""
    managers = [{"manager": "somebody"}, *([{"manager": FIELD_MANAGER_OF_REQUEST}] if changed else [])]
    return {"metadata": {"managedFields": managers}, "spec": spec or {}}


class ScriptedKube:
    """Takes the answers, which are objects or errors; a request without an answer fails the test."""

    def __init__(self, *answers: dict[str, Any] | KubeError) -> None:
        self._answers = list(answers)
        self.asked: list[Asked] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        assert (content_type == "application/json-patch+json") == (method == "PATCH")
        self.asked.append(Asked(method, path, body, query or {}))
        assert self._answers, f"one request too many: {method} {path}"
        answer = self._answers.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        managed = answer.get("metadata", {}).get("managedFields", [])
        for entry in managed:
            if entry["manager"] == FIELD_MANAGER_OF_REQUEST:
                entry["manager"] = (query or {})["fieldManager"]
        return answer

    @property
    def requests(self) -> list[str]:
        return [f"{asked.method} {asked.path.rsplit('/namespaces/team/', 1)[-1]}" for asked in self.asked]
