"""Who may read /metrics, as the API server says: a TokenReview tells who it is, a SubjectAccessReview whether they may.

The same as the filters of controller-runtime do, for any bearer token that the API server knows: of a ServiceAccount,
of OpenID Connect. A verdict holds for a minute. Whom the API server knows is reviewed again whatever others do; for
unknown tokens each source address has a budget of reviews, and all have one together, so that a stranger who invents
tokens can neither flood the API server nor keep Prometheus out. While the API server can't be reached, who was allowed
in the last minutes still is: that is when figures are wanted most.

Belongs here: verdicts and how long they hold. Does not belong here: HTTP (side_ports).
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

import structlog

from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket
from talkdesk_runtime.lru import LruMap

__all__ = ["ReviewApi", "TokenReviews", "Verdict"]

_HOLDS: Final = 60.0
"""Seconds for which a verdict is not asked for again."""
_HOLDS_WITHOUT_API_SERVER: Final = 300.0
"""Seconds since a token was allowed; as long as the API server itself trusts a verdict of an authorizing webhook."""
_TOKENS: Final = 1024
_SOURCES: Final = 1024
_OF_ALL: Final = (10.0, 20)
_OF_ONE_SOURCE: Final = (1.0, 5)
"""Reviews of unknown tokens: so many per second in the long run, and so many at once."""
_REVIEW_SECONDS: Final = 5.0
_LONGEST_TOKEN: Final = 16 * 1024
_LOG_EVERY: Final = 60.0
_log = structlog.stdlib.get_logger(__name__)


class ReviewApi(Protocol):
    """What is needed of the Kubernetes client."""

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        """Make one request and return the decoded response; raise a KubeError."""
        ...


class Verdict(Enum):
    """What becomes of a request with a token."""

    ALLOWED = auto()
    UNKNOWN = auto()
    """The API server does not know the token."""
    FORBIDDEN = auto()
    """It knows it, and its owner has not the right."""
    UNAVAILABLE = auto()
    """The API server does not say, or too many unknown tokens were shown just now."""


@dataclass(slots=True, unsafe_hash=True)
class _Bearer:
    """A key of the cache. The token itself goes when it was reviewed."""

    digest: bytes
    token: str = field(compare=False, repr=False)


class TokenReviews:
    """Verdicts on tokens, which are written nowhere."""

    def __init__(self, kube: ReviewApi, *, clock: Clock | None = None) -> None:
        self._kube = kube
        self._clock = clock or Clock.system()
        self._verdicts: LookupCache[_Bearer, Verdict] = LookupCache(
            self._review, size=_TOKENS, budget=TokenBucket(*_OF_ALL), clock=self._clock
        )
        self._budgets: LruMap[str, TokenBucket] = LruMap(_SOURCES)
        self._quiet_until = 0.0

    async def verdict(self, token: str, source: str) -> Verdict:
        """Return whether the bearer of the token, who asks from that address, may get /metrics."""
        if not token or len(token) > _LONGEST_TOKEN:
            return Verdict.UNKNOWN
        bearer = _Bearer(hashlib.sha256(token.encode()).digest(), token)
        try:
            return await self._verdicts.get(bearer, own_budget=self._budget(source)) or Verdict.UNKNOWN
        except LookupFailed:
            return Verdict.UNAVAILABLE

    def _budget(self, source: str) -> TokenBucket:
        budget = self._budgets.get(source)
        if budget is None:
            budget = TokenBucket(*_OF_ONE_SOURCE)
            self._budgets.put(source, budget)
        return budget

    async def _review(self, bearer: _Bearer) -> Loaded[Verdict]:
        try:
            async with asyncio.timeout(_REVIEW_SECONDS):
                verdict = await self._ask(bearer.token)
        except (KubeError, TimeoutError) as error:
            self._report(error)
            raise LookupFailed(type(error).__name__) from None
        finally:
            bearer.token = ""
        return Loaded(verdict, fresh_for=_HOLDS, usable_for=_HOLDS_WITHOUT_API_SERVER)

    async def _ask(self, token: str) -> Verdict | None:
        """Return what the API server says; None for a token that it does not know."""
        review = await self._post("authentication.k8s.io", "TokenReview", {"token": token})
        user = review.get("user")
        if review.get("authenticated") is not True or not isinstance(user, dict):
            return None
        spec = {name: user[name] for name in ("uid", "groups", "extra") if name in user}
        spec |= {"user": user.get("username", ""), "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        access = await self._post("authorization.k8s.io", "SubjectAccessReview", spec)
        return Verdict.ALLOWED if access.get("allowed") is True else Verdict.FORBIDDEN

    async def _post(self, group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        answer = await self._kube.request("POST", resource_path(group, "v1", f"{kind.lower()}s"), body=body)
        status = answer.get("status")
        return status if isinstance(status, dict) else {}

    def _report(self, error: KubeError | TimeoutError) -> None:
        """Log once a minute. What the API server says of a missing right quotes no token; of the rest nobody knows."""
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _LOG_EVERY
            problem = str(error) if isinstance(error, KubeForbidden) else type(error).__name__
            _log.warning("metrics.not_reviewed", problem=problem)
