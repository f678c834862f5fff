"""Bringing ten thousand users to a SCIM service: time, memory, requests. The operator's part alone, in its own process.

The service is quick and believes everything (`builders.quick_scim`), in another process; records are kept in memory, so
that it is the operator that is measured, not an API server. `PYTHONPATH=tests python -m benchmarks.users` shows the
figures by themselves.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.figures import Figure, plain, table
from benchmarks.measuring import resident_megabytes
from benchmarks.programs import start_line
from benchmarks.sending import BenchFailed
from builders.python_path import path_with_builders
from builders.scim import RecordsInMemory, app_with_scim, pages, secrets_for, user
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.reconcilers.users.sync import UserSync

__all__ = ["COUNT", "main", "measure"]

COUNT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of this file as a program prints."""

    first_seconds: float
    first_cpu: float
    first_requests: int
    first_saves: int
    again_seconds: float
    again_requests: int
    rss_before: float
    rss_peak: float


def measure(count: int = COUNT) -> list[Figure]:
    """Bring so many users twice. Raises BenchFailed unless all of them arrive."""
    paths = {"PYTHONPATH": path_with_builders()}
    service = subprocess.Popen(start_line("builders.quick_scim", paths), stdout=subprocess.PIPE, text=True)
    try:
        if service.stdout is None:
            raise BenchFailed("the SCIM service has no output")
        url = service.stdout.readline().strip()
        line = start_line("benchmarks.users", paths, url, str(count))
        ended = subprocess.run(line, capture_output=True, text=True, check=False)
    finally:
        service.terminate()
        service.communicate()
    if ended.returncode != 0:
        raise BenchFailed(f"users were not synced: {ended.stderr.strip()[-500:]}")
    return _figures(Measured(**json.loads(ended.stdout)), count)


def _figures(run: Measured, count: int) -> list[Figure]:
    note = f"{count} users, {run.first_requests} requests, {run.first_saves} Secrets written"
    return [
        plain("users: synced", count / run.first_seconds, "/s", note=note),
        plain("users: CPU for each", run.first_cpu / count * 1000, "ms"),
        plain("users: all, when nothing changed", run.again_seconds, "s", note=f"{run.again_requests} requests"),
        plain("users: RSS above the start", run.rss_peak - run.rss_before, "MB", note=f"{run.rss_peak:.0f} MB in all"),
    ]


async def _run(url: str, count: int) -> Measured:
    records, app = RecordsInMemory(), app_with_scim(url)
    client = ScimClient(proxies={})
    before = resident_megabytes(os.getpid())

    async def bring() -> None:
        done = False
        while not done:
            sync = UserSync(secrets_for(url).read, records, client)
            listed = (user(number) for number in range(count))
            outcome = await sync.sync(app, "tenant", {}, pages(listed), user(0).id)
            done = outcome.done
        if outcome.synced != count:
            raise BenchFailed(outcome.message)

    first_cpu, began = time.process_time(), time.monotonic()
    await bring()
    first_seconds, first_cpu = time.monotonic() - began, time.process_time() - first_cpu
    first_requests, saves = _requests(url), records.saves
    began = time.monotonic()
    await bring()
    again_seconds = time.monotonic() - began
    await client.aclose()
    return Measured(
        first_seconds=first_seconds,
        first_cpu=first_cpu,
        first_requests=first_requests,
        first_saves=saves,
        again_seconds=again_seconds,
        again_requests=_requests(url) - first_requests - 1,
        rss_before=before,
        rss_peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    )


def _requests(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/requests", timeout=30) as response:
        counted: dict[str, Any] = json.load(response)
    return sum(counted["requests"].values())


def main(arguments: list[str]) -> int:
    """With a URL and a count, bring users there and print JSON; without, show figures."""
    if arguments:
        run = asyncio.run(_run(arguments[0], int(arguments[1])))
        sys.stdout.write(f"{json.dumps(asdict(run))}\n")
    else:
        sys.stdout.write(f"{table(measure())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
