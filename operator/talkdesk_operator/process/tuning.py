"""Defaults of Python that don't fit this process, which runs for months and waits for the network.

Belongs here: what holds for the whole process. Does not belong here: what a person may want to choose (`settings`).
"""

import gc
from asyncio.sslproto import SSLProtocol
from typing import Final

__all__ = ["tune"]

_NEW_OBJECTS: Final = 10_000
"""After so many more objects made than freed, Python looks for cycles. With its own 700, and with all that was imported
among them each time, that took a tenth of the CPU time."""
_TLS_BUFFER: Final = 64 * 1024
"""Size in bytes of the read buffer of each connection with TLS: asyncio's own 256 KB were a tenth of all memory. A TLS
record has 16 KB, and nearly all answers fit in one."""


def tune() -> None:
    """Set them. Call it when everything is imported and no connection is open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    SSLProtocol.max_size = _TLS_BUFFER
