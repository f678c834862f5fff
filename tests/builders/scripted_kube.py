"""A Kubernetes API that returns scripted answers in order, and records the requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from talkdesk_runtime.kube_errors import KubeError


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)


def stored(spec: Mapping[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A TalkdeskInstallation as an answer."""
    ids = {"appRef": {"name": "sentiment"}, "installationId": "1", "accountId": "acc"}
    return {
        "metadata": {"uid": "u-1", "generation": 3, "resourceVersion": "7", **metadata},
        "spec": {**ids, **(spec or {})},
    }


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
        return answer

    @property
    def requests(self) -> list[str]:
        return [f"{asked.method} {asked.path.rsplit('/namespaces/team/', 1)[-1]}" for asked in self.asked]
