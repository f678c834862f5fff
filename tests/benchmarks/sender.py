"""A process that sends prepared HTTP requests and notes when each unit began and how long it took.

    python sender.py <units.jsonl> <result.json> <connections> <units per second, 0 for as fast as they go> [<CA file>]

A unit is a list of requests that are made one after the other: one event for the webhook, or all the writes of one
install for the API server. It is a process of its own so that its work is not counted as anybody else's, and the same
program loads webhook and API server, so that both figures carry the same client's cost.
"""

import asyncio
import json
import resource
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

TRIES: Final = 20
PAUSE: Final = 0.25
"""Seconds before a request that was answered with 503 is made again."""
GIVEN_WITHIN = 0.02
"""Seconds before a request that was answered with 403 is made again."""


@dataclass
class Log:
    """What happened; seconds since the first request."""

    began: float = field(default_factory=time.monotonic)
    units: list[tuple[float, float]] = field(default_factory=list)
    later: int = 0
    """How often a request was answered with 503, and made again."""
    refused: dict[str, int] = field(default_factory=dict)
    example: str = ""


async def send(session: aiohttp.ClientSession, unit: list[dict[str, Any]], log: Log) -> None:
    """Make a unit's requests; whatever is not 2xx in the end is noted and ends the unit."""
    start = time.monotonic()
    for request in unit:
        for _ in range(TRIES):
            status, body = await ask(session, request)
            if status == "403":  # a right that a RoleBinding of the same unit gave is seen a moment later
                await asyncio.sleep(GIVEN_WITHIN)
                continue
            if status != "503":
                break
            log.later += 1
            await asyncio.sleep(PAUSE)
        if not status.startswith("2"):
            log.refused[status] = log.refused.get(status, 0) + 1
            log.example = log.example or f"{request['method']} {request['url']}: {status} {body[:300]!r}"
            break
    log.units.append((start - log.began, time.monotonic() - start))


async def ask(session: aiohttp.ClientSession, request: dict[str, Any]) -> tuple[str, bytes]:
    """Make a request; return the status, or the name of what went wrong, and the body."""
    headers, data = request["headers"], request["body"].encode()
    try:
        async with session.request(request["method"], request["url"], headers=headers, data=data) as response:
            return str(response.status), await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__, b""


async def closed_loop(session: aiohttp.ClientSession, units: Iterator[Any], workers: int, log: Log) -> None:
    """As fast as they go: each worker takes the next unit when its last is done."""

    async def work() -> None:
        for unit in units:
            await send(session, unit, log)

    await asyncio.gather(*(work() for _ in range(workers)))


async def open_loop(session: aiohttp.ClientSession, units: Iterator[Any], rate: float, log: Log) -> None:
    """At a steady rate, whether or not the units before are done."""
    async with asyncio.TaskGroup() as group:
        for number, unit in enumerate(units):
            await asyncio.sleep(max(0.0, log.began + number / rate - time.monotonic()))
            group.create_task(send(session, unit, log))


async def run(prepared: list[Any], connections: int, rate: float, trust: ssl.SSLContext | bool) -> dict[str, Any]:  # noqa: FBT001 - aiohttp's own type
    """Send everything; return the log."""
    units = iter(prepared)
    connector = aiohttp.TCPConnector(limit=connections, ssl=trust, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
        log, wall = Log(), time.time()
        if rate:
            await open_loop(session, units, rate, log)
        else:
            await closed_loop(session, units, connections, log)
        elapsed = time.monotonic() - log.began
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "began": wall,
        "elapsed": elapsed,
        "units": log.units,
        "later": log.later,
        "refused": log.refused,
        "example": log.example,
        "cpu": used.ru_utime + used.ru_stime,
    }


def main(arguments: list[str]) -> None:
    """Read, send, write."""
    prepared = [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]
    trust = ssl.create_default_context(cafile=arguments[4]) if len(arguments) > 4 else True
    log = asyncio.run(run(prepared, int(arguments[2]), float(arguments[3]), trust))
    Path(arguments[1]).write_text(json.dumps(log))


if __name__ == "__main__":
    main(sys.argv[1:])
