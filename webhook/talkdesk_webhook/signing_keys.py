"""Talkdesk's signing keys by id, from the API gateway of the app's own region and from nowhere else.

Belongs here: the request, and reading its response. Does not belong here: which gateway is an app's (known_app),
caching as such (lookup_cache), the check of a signature (signature), when keys are fetched ahead (key_keeper).

`GET {gateway}/events/signature-keys/{key_id}` needs no authentication and answers `public_key`, `key_id`,
`created_at` and perhaps `expires_at`. That the gateway doesn't know an id is cached for a minute; everything else that
isn't a key is a LookupFailed, so that the event is delivered again instead of being lost. A key that is known is never
pushed out by others; how often unknown ones are asked for is bounded by who asks (key_budgets).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final
from urllib.parse import quote

import aiohttp
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from talkdesk_runtime.bounded_body import read_at_most
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.lenient_json import UnreadableError, read_lenient, unpacked
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, LookupThrottled
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.networks import Network
from talkdesk_webhook.key_budgets import NOTHING, Asker, KeyBudgets
from talkdesk_webhook.signature import KeyFormError, is_key_id, parse_public_key

__all__ = ["KeyLifetimes", "SigningKeys", "gateway_client"]

EXPIRY_TOLERANCE: Final = timedelta(minutes=15)
"""A key is still good for that long after it expired: an event may have been signed before and delivered again since
(after 5 and 10 minutes), and clocks differ."""
_MAX_ANSWER: Final = 64 * 1024
_UNKNOWN: Final = frozenset({400, 404, 410, 422})
_SIZE: Final = 64
"""Keys of one gateway."""
_GATEWAYS: Final = 1024
"""Only those of apps that there are."""
_STEP: Final = 2.0
_STEPS: Final = 3
"""Times of one step in which a key has to be here; seconds."""
_MOST_WAITING: Final = 64
"""Events that wait for unknown keys of one gateway at once: the others find a place, whoever sends them."""
_IN_USE: Final = 8
"""Keys of one gateway that are fetched ahead because they signed events: two, while Talkdesk changes its own."""


@dataclass(frozen=True)
class KeyLifetimes:
    """How long fetched keys are used."""

    refresh_interval: timedelta = timedelta(minutes=10)
    """Fetched again after that, to see that the key is still there."""
    max_age: timedelta = timedelta(hours=24)
    """Used for that long while the gateway can't be reached."""
    negative_ttl: timedelta = timedelta(minutes=1)
    """How long it is cached that the gateway doesn't know an id."""


def _moment_or_none(value: object) -> object:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _WireKey(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    public_key: Annotated[str, StringConstraints(min_length=1)]
    key_id: str | None = None
    expires_at: Annotated[AwareDatetime | None, BeforeValidator(_moment_or_none)] = None


def gateway_client(
    timeout: timedelta,
    *,
    user_agent: str,
    proxies: Mapping[str, str] | None = None,
    denied: Sequence[Network] = (),
) -> httpx.AsyncClient:
    """Return the HTTP client for key fetches: no redirects, no cookies, no compressed responses; proxies as Proxies."""
    return httpx.AsyncClient(
        transport=RoutingTransport(
            proxies=proxies, connections=16, connections_per_host=2, keepalive=60, denied=denied
        ),
        timeout=timeout.total_seconds(),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"},
    )


class SigningKeys:
    """The public keys that Talkdesk signs events with."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        lifetimes: KeyLifetimes,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        # The client bounds each step; a gateway that sends a byte now and then would hold a connection for hours.
        self._longest = _STEPS * (client.timeout.read or _STEP)
        self._lifetimes = lifetimes
        clock = clock or Clock.system()
        self._clock = clock
        self._now = clock.now
        self._gateways: LruMap[str, _Gateway] = LruMap(_GATEWAYS)

    def is_known(self, gateway: str, key_id: str) -> bool:
        """Return whether nothing is asked that a budget bounds: the key is known, or that there is none."""
        return self._of(gateway).lookups.has(key_id)

    async def get(self, gateway: str, key_id: str, asker: Asker) -> ec.EllipticCurvePublicKey | None:
        """Return the key, or None when the gateway knows no such key or it has expired; raises LookupFailed.

        `gateway` is a base URL without a slash at its end; `key_id` has been checked (SignatureHeaders).
        """
        its = self._of(gateway)
        if its.lookups.has(key_id):
            return await its.lookups.get(key_id)
        if its.waiting >= _MOST_WAITING:
            raise LookupThrottled("too many events wait for unknown signing keys just now")
        its.waiting += 1
        try:
            return await its.lookups.get(
                key_id, own_budget=its.budgets.own(asker), reserves=its.budgets.reserves(asker)
            )
        finally:
            its.waiting -= 1

    def verified(self, gateway: str, key_id: str, asker: Asker) -> None:
        """Take note of an event that the key has signed."""
        its = self._of(gateway)
        its.budgets.proven(asker)
        its.in_use.put(key_id, value=True)

    def in_use(self) -> Iterator[tuple[str, str]]:
        """Yield gateway and id of each key that signed an event here lately."""
        for gateway in self._gateways:
            its = self._gateways.peek(gateway)
            yield from ((gateway, key_id) for key_id in (its.in_use if its is not None else ()))

    async def fetch_ahead(self, gateway: str, key_id: str, ahead: float) -> None:
        """Fetch a key that is missing or would be too old in so many seconds, if that works.

        What the gateway has said lately that it does not have is not asked for again.
        """
        its = self._of(gateway)
        if is_key_id(key_id) and not its.lookups.is_absent(key_id):
            with suppress(LookupFailed):
                await its.lookups.get(key_id, own_budget=NOTHING, reserves=(its.budgets.ahead,), ahead=ahead)

    def _of(self, gateway: str) -> "_Gateway":
        its = self._gateways.get(gateway)
        if its is None:
            budgets = KeyBudgets()
            lookups = LookupCache(
                partial(self._fetch, gateway),
                size=_SIZE,
                budget=budgets.unknown,
                asked_again=budgets.asked_again,
                clock=self._clock,
            )
            its = _Gateway(lookups, budgets)
            self._gateways.put(gateway, its)
        return its

    async def _fetch(self, gateway: str, key_id: str) -> Loaded[ec.EllipticCurvePublicKey]:
        answer = await self._ask(f"{gateway}/events/signature-keys/{quote(key_id, safe='')}")
        if answer is None:
            return replace(self._unknown(), is_doubtful=True)
        if answer.key_id not in {None, key_id}:
            raise LookupFailed("the gateway answered with another signing key than the one asked for")
        try:
            public_key = parse_public_key(answer.public_key)
        except KeyFormError as error:
            raise LookupFailed(f"the gateway's signing key can't be used: {error}") from None
        usable = self._lifetimes.max_age
        if answer.expires_at is not None:
            usable = min(usable, answer.expires_at - self._now() + EXPIRY_TOLERANCE)
        if usable <= timedelta():
            return self._unknown()
        return Loaded(public_key, min(self._lifetimes.refresh_interval, usable).total_seconds(), usable.total_seconds())

    def _unknown(self) -> Loaded[ec.EllipticCurvePublicKey]:
        return Loaded(None, self._lifetimes.negative_ttl.total_seconds())

    async def _ask(self, url: str) -> _WireKey | None:
        try:
            async with asyncio.timeout(self._longest), self._client.stream("GET", url) as response:
                if response.status_code in _UNKNOWN:
                    return None
                if response.status_code != httpx.codes.OK:
                    raise LookupFailed(f"the gateway answered {response.status_code} when asked for a signing key")
                if (raw := await read_at_most(response, _MAX_ANSWER)) is None:
                    raise LookupFailed("the gateway's answer for a signing key is too large")
                return _WireKey.model_validate(read_lenient(unpacked(raw, _MAX_ANSWER)))
        except (ValidationError, UnreadableError):
            raise LookupFailed("the gateway's answer is no signing key") from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            raise LookupFailed(f"the gateway can't be asked for signing keys: {type(error).__name__}") from None


@dataclass(slots=True)
class _Gateway:
    """What is known of one gateway."""

    lookups: LookupCache[str, ec.EllipticCurvePublicKey]
    budgets: KeyBudgets
    waiting: int = 0
    """Events that wait for a key that is not known."""
    in_use: LruMap[str, bool] = field(default_factory=lambda: LruMap(_IN_USE))
