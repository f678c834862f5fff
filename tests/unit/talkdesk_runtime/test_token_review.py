import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError
from structlog.testing import capture_logs

from builders.manual_clock import ManualClock
from builders.tls_pair import client_context, mount, tls_pair
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeUnreachable
from talkdesk_runtime.settings import ProcessSettings
from talkdesk_runtime.side_ports import serving_metrics
from talkdesk_runtime.tls_files import TlsMetrics
from talkdesk_runtime.token_review import TokenReviews, Verdict

PROMETHEUS, STRANGER, HERE, THERE = "token-of-prometheus", "token-of-a-stranger", "10.0.0.1", "10.0.0.2"
PAIR = tls_pair("metrics")


@dataclass
class Reviews:
    """An API server that knows some tokens, and gives one user the right; it can be away."""

    users: dict[str, str] = field(default_factory=lambda: {PROMETHEUS: "prometheus", "token-of-another": "another"})
    readers: set[str] = field(default_factory=lambda: {"prometheus"})
    error: KubeError | None = None
    posted: list[dict[str, Any]] = field(default_factory=list)

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        assert method == "POST"
        self.posted.append({"path": path, **body})
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
            name = self.users.get(spec["token"])
            known = {"authenticated": True, "user": {"username": name, "uid": "7", "groups": ["all"]}}
            return {"status": {"error": "invalid bearer token"} if name is None else known}
        assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return {"status": {"allowed": spec["user"] in self.readers}}


async def test_who_may_get_the_url_is_asked_with_all_that_is_known_of_the_owner() -> None:
    api = Reviews()
    assert await TokenReviews(api).verdict(PROMETHEUS, HERE) is Verdict.ALLOWED
    assert [each["kind"] for each in api.posted] == ["TokenReview", "SubjectAccessReview"]
    assert api.posted[1]["spec"] == {
        "user": "prometheus",
        "uid": "7",
        "groups": ["all"],
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }


@pytest.mark.parametrize(
    ("token", "verdict", "calls"),
    [
        ("token-of-another", Verdict.FORBIDDEN, 2),
        (STRANGER, Verdict.UNKNOWN, 1),
        ("", Verdict.UNKNOWN, 0),
        ("x" * 100_000, Verdict.UNKNOWN, 0),
    ],
)
async def test_a_verdict_is_kept_for_a_minute_also_a_refusal(token: str, verdict: Verdict, calls: int) -> None:
    api, clock = Reviews(), ManualClock()
    reviews = TokenReviews(api, clock=clock.runtime_clock())
    assert [await reviews.verdict(token, HERE) for _ in range(3)] == [verdict] * 3
    assert len(api.posted) == calls
    clock.advance(61)
    await reviews.verdict(token, HERE)
    assert len(api.posted) == 2 * calls


async def test_a_right_that_is_taken_away_ends_within_a_minute() -> None:
    api, clock = Reviews(), ManualClock()
    reviews = TokenReviews(api, clock=clock.runtime_clock())
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.ALLOWED
    api.readers.clear()
    clock.advance(61)
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.FORBIDDEN


async def test_many_requests_with_one_token_at_once_are_one_review() -> None:
    api = Reviews()
    reviews = TokenReviews(api)
    assert set(await asyncio.gather(*(reviews.verdict(PROMETHEUS, HERE) for _ in range(50)))) == {Verdict.ALLOWED}
    assert len(api.posted) == 2


async def test_a_stranger_with_ever_new_tokens_gets_few_reviews_and_keeps_nobody_else_out() -> None:
    api, clock = Reviews(), ManualClock()
    reviews = TokenReviews(api, clock=clock.runtime_clock())
    verdicts = [await reviews.verdict(f"invented-{number}", HERE) for number in range(1000)]
    assert verdicts.count(Verdict.UNKNOWN) == len(api.posted) == 5
    assert verdicts.count(Verdict.UNAVAILABLE) == 995
    assert await reviews.verdict(PROMETHEUS, THERE) is Verdict.ALLOWED
    clock.advance(61)
    for number in range(1000):
        await reviews.verdict(f"again-{number}", HERE)
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.ALLOWED, "who is known needs no budget, wherever it asks"


async def test_many_strangers_together_get_few_reviews() -> None:
    api = Reviews()
    reviews = TokenReviews(api, clock=ManualClock().runtime_clock())
    for number in range(1000):
        await reviews.verdict(f"invented-{number}", f"10.0.{number // 250}.{number % 250}")
    assert len(api.posted) == 20


async def test_without_the_api_server_who_was_allowed_still_is_for_some_minutes_and_nobody_else() -> None:
    api, clock = Reviews(), ManualClock()
    reviews = TokenReviews(api, clock=clock.runtime_clock())
    await reviews.verdict(PROMETHEUS, HERE)
    api.error = KubeUnreachable("away")
    clock.advance(200)
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.ALLOWED
    assert await reviews.verdict("token-of-another", HERE) is Verdict.UNAVAILABLE
    clock.advance(101)
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.UNAVAILABLE
    api.error = None
    clock.advance(10)
    assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KubeForbidden("tokenreviews is forbidden"), "tokenreviews is forbidden"),
        (KubeUnreachable(f"quoting {PROMETHEUS}"), "KubeUnreachable"),
    ],
)
async def test_why_nothing_can_be_asked_is_logged_once_a_minute_without_any_token(error: KubeError, shown: str) -> None:
    api, clock = Reviews(error=error), ManualClock()
    reviews = TokenReviews(api, clock=clock.runtime_clock())
    with capture_logs() as logs:
        for _ in range(3):
            assert await reviews.verdict(PROMETHEUS, HERE) is Verdict.UNAVAILABLE
        clock.advance(61)
        await reviews.verdict(PROMETHEUS, HERE)
    assert [(line["event"], line["problem"]) for line in logs] == [("metrics.not_reviewed", shown)] * 2
    assert PROMETHEUS not in str(logs)


async def test_no_token_is_kept() -> None:
    reviews = TokenReviews(Reviews())
    await reviews.verdict(PROMETHEUS, HERE)
    kept = [*reviews._verdicts._values, *reviews._verdicts._absent]
    assert [bearer.token for bearer in kept] == [""]
    assert PROMETHEUS not in repr(kept)


@asynccontextmanager
async def served(folder: Path, api: Reviews) -> AsyncIterator[httpx.AsyncClient]:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc()
    cert, key = mount(folder, PAIR)
    settings = ProcessSettings(
        metrics_access="authorized",
        metrics_bind_address="127.0.0.1",
        metrics_port=0,
        metrics_tls_cert_file=cert,
        metrics_tls_key_file=key,
    )
    async with (
        serving_metrics(registry, settings, TlsMetrics(registry), TokenReviews(api)) as port,
        httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=client_context(PAIR), trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {PROMETHEUS}", 200),
        (f"bearer  {PROMETHEUS}", 200),
        ("Bearer token-of-another", 403),
        (f"Bearer {STRANGER}", 401),
        (f"Basic {PROMETHEUS}", 401),
        ("Bearer", 401),
        (None, 401),
    ],
)
async def test_metrics_are_for_those_whose_token_says_that_they_may_read_them(
    tmp_path: Path, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with served(tmp_path, Reviews()) as client:
        answer = await client.get("/metrics", headers=headers)
        other = await client.get("/debug", headers=headers)
    assert answer.status_code == status
    assert ("things_total" in answer.text) is (status == 200)
    assert (answer.headers.get("WWW-Authenticate") == "Bearer") is (status == 401)
    assert other.status_code == 404


async def test_who_can_not_be_reviewed_is_asked_to_come_again(tmp_path: Path) -> None:
    async with served(tmp_path, Reviews(error=KubeUnreachable("away"))) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {PROMETHEUS}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "things_total" not in answer.text


def test_tokens_are_asked_for_by_tls_alone() -> None:
    with pytest.raises(ValidationError, match="in the clear"):
        ProcessSettings(metrics_access="authorized")
