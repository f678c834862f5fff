"""Defaults of Python that don't fit this process, which runs for months and waits for the network.

Belongs here: what holds for the whole process. Does not belong here: what a person may want to choose (`settings`).
"""

import gc
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["loading_what_stays", "tune"]

_NEW_OBJECTS: Final = 10_000
"""After so many more objects made than freed, Python looks for cycles. With its own 700, and with all that was imported
among them each time, that took a tenth of the CPU time."""
_YOUNG: Final = 3
"""After so many looks at the newest objects come those that outlived one: with Python's own 10 that takes 40 ms at once
while thousands of customers are listed."""
_NEVER: Final = 1_000_000
_TLS_BUFFER: Final = 64 * 1024
"""Size in bytes of the read buffer of each connection with TLS: asyncio's own 256 KB were a tenth of all memory. A TLS
record has 16 KB, and nearly all answers fit in one."""


_loading: Final[set[object]] = set()
"""The blocks that are open now."""
_before: Final[list[int]] = []
"""The thresholds from before the first of them."""


def tune() -> None:
    """Set them. Call it when everything is imported and no connection is open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG)
    SSLProtocol.max_size = _TLS_BUFFER


@contextmanager
def loading_what_stays() -> Iterator[None]:
    """Look for no cycles among old objects in this block, nor ever among those that are there at its end.

    To look through the objects of 50,000 customers takes a quarter of a second, for which nothing else is done. Several
    such blocks may overlap, one for each shard that is listed.
    """
    if not _loading:
        gc.collect()  # what was left over since the last such block would stay for ever at this one's end
        _before[:] = gc.get_threshold()
    block = object()
    _loading.add(block)
    gc.set_threshold(_NEW_OBJECTS, _YOUNG, _NEVER)
    try:
        yield
    finally:
        gc.freeze()
        _loading.discard(block)
        if not _loading:
            gc.set_threshold(*_before)
