"""Long runs: `python -m soak chaos`, `hostile`, `notified` or `soak`, each by a target of the Makefile."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import uvloop

from soak.chaos import Storm, raging
from soak.endurance import enduring
from soak.faults import FAULTS
from soak.hostile import attacking
from soak.notified import Lives, being_notified
from talkdesk_sandbox.controlplane import ControlPlane

_REST_WITH_A_FAULT: Final = 90.0
"""Seconds: what a fault has lost is never answered."""


def main() -> int:
    """Return 1 where something is wrong."""
    options = _options()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if options.kind == "hostile" else None) as runner:
        return runner.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    """Run until the end, or until SIGTERM, which ends all programs in order."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    return await _RUNS[options.kind](options)


async def _chaos(options: argparse.Namespace) -> int:
    storm = Storm(
        options.events,
        options.events // 4,
        options.kills or max(5, options.events // 125),
        options.seed,
        minute=options.minute,
        rest=_REST_WITH_A_FAULT if options.fault else Storm.rest,
        fault=options.fault,
    )
    async with raging(storm) as chaos:
        chaos.say = say
        outcome = await chaos.run()
    for line in outcome.lines():
        say(line)
    return 0 if outcome.is_well else 1


async def _hostile(options: argparse.Namespace) -> int:
    with ControlPlane() as cluster:
        cluster.kubectl("create", "namespace", "team")
        async with attacking(cluster, "team", options.requests) as attack:
            await attack.run(say)
    for line in attack.report():
        say(line)
    return 1 if list(attack.wrong()) else 0


async def _soak(options: argparse.Namespace) -> int:
    began = time.monotonic()
    with ControlPlane() as cluster:
        async with enduring(cluster, options.customers) as endurance:
            try:
                await endurance.run(options.minutes, say)
            except asyncio.CancelledError:
                say(f"ended after {time.monotonic() - began:.0f} s")
    verdict = list(endurance.verdict())
    for line, is_wrong in verdict:
        say(f"{'WRONG' if is_wrong else 'well '} {line}")
    return 1 if any(is_wrong for _, is_wrong in verdict) else 0


async def _notified(options: argparse.Namespace) -> int:
    lives = Lives(options.customers, options.updates, options.kills, seed=options.seed, fault=options.fault)
    lives = replace(lives, patience=_REST_WITH_A_FAULT) if options.fault else lives
    with ControlPlane() as cluster:
        async with being_notified(cluster, lives) as notified:
            await notified.run(say)
    for line in notified.figures():
        say(line)
    return 1 if any(notified.wrong().values()) else 0


_RUNS: Final[dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, int]]]] = {
    "chaos": _chaos,
    "hostile": _hostile,
    "notified": _notified,
    "soak": _soak,
}


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    kinds = parser.add_subparsers(required=True, dest="kind")
    chaos = kinds.add_parser("chaos", help="events while everything is killed again and again")
    chaos.add_argument("--events", type=int, default=10_000)
    chaos.add_argument("--kills", type=int, help="by default one for 125 events, and 5 at least")
    chaos.add_argument("--seed", type=int, default=1)
    chaos.add_argument("--minute", type=float, default=3.0, help="seconds in which one of Talkdesk's minutes passes")
    chaos.add_argument("--fault", choices=list(FAULTS), default="", help="seed this one, which must be found")
    hostile = kinds.add_parser("hostile", help="what strangers send to a webhook")
    hostile.add_argument("--requests", type=int, default=1_000_000)
    notified = kinds.add_parser("notified", help="notifications while the operator is killed again and again")
    notified.add_argument("--customers", type=int, default=Lives.customers)
    notified.add_argument("--updates", type=int, default=Lives.updates, help="of each customer")
    notified.add_argument("--kills", type=int, default=Lives.kills)
    notified.add_argument("--seed", type=int, default=1)
    notified.add_argument("--fault", choices=list(FAULTS), default="", help="seed this one, which must be found")
    soak = kinds.add_parser("soak", help="years of lives in compressed time")
    soak.add_argument("--minutes", type=int, default=60)
    soak.add_argument("--customers", type=int, default=40, help="how many there are at a time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
