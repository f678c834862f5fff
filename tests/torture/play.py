"""One step of a life: it is taken, and then compared with what the first lives came to.

Belongs here: when a step is completed, and what is different. Does not belong here: the steps, the proxies.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

from torture.life import Life
from torture.steps import Step

__all__ = ["PATIENCE", "QUIET", "Differs", "comes_to", "differences", "take"]

PATIENCE: Final = 300.0
"""Seconds for each step; a second without a disturbance. Some of what was lost is only clear after a minute."""
QUIET: Final = 1.0
"""Seconds without a request after which nothing more follows from a step."""
_OFTEN: Final = 0.2
_SELDOM: Final = 1.0
_SHOWN: Final = 12


class Differs(Exception):
    """A life did not come to where the undisturbed ones did."""


async def take(life: Life, step: Step, wanted: Any, patience: float) -> None:
    """Take a step, and wait until it has come to what is wanted. Without that, keep what it came to. Raises Differs."""
    await step.act(life)
    if wanted is None:
        await _rests(life, step, patience)
        life.snapshots.append({**life.memory(), **await life.live()})
    else:
        await comes_to(life, step, wanted, patience)


async def _rests(life: Life, step: Step, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            while not (step.reached(life) and life.track.rests(QUIET)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_OFTEN)
    except TimeoutError:
        raise Differs(f"{step.name} was never completed: {life.memory()['installations'][-1:]}") from None


async def comes_to(life: Life, step: Step, wanted: Any, patience: float) -> None:
    """Wait until everything is as wanted, for so many seconds. Raises Differs."""
    end, seen, alike = time.monotonic() + patience, tuple[object, ...](), False
    while True:
        if (version := life.version()) != seen:
            seen, memory = version, life.memory()
            alike = all(wanted[key] == value for key, value in memory.items())
        # What is read anew each time costs requests, so it is only read where all else is right.
        if alike and all(wanted[key] == value for key, value in (await life.live()).items()):
            return
        if life.track.waits:
            end = time.monotonic() + patience
        if time.monotonic() > end:
            found = differences(wanted, {**life.memory(), **await life.live()})
            raise Differs("\n".join([f"after {step.name}:", *list(found)[:_SHOWN]]))
        await asyncio.sleep(_SELDOM if alike else _OFTEN)


def differences(wanted: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yield where two canonical forms differ."""
    match wanted, found:
        case dict(), dict():
            for key in sorted({*wanted, *found}, key=str):
                yield from differences(wanted.get(key), found.get(key), f"{where}.{key}".lstrip("."))
        case list(), list() if len(wanted) == len(found):
            for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
                yield from differences(one, other, f"{where}[{number}]")
        case _ if wanted != found:
            yield f"{where}: {found!r} instead of {wanted!r}"
        case _:
            return
