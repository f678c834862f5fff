"""Which certificates outgoing connections trust.

Belongs here: making TLS contexts. Does not belong here: connections.
"""

import functools
import ssl
from pathlib import Path


@functools.cache
def trust(ca: Path | None = None) -> ssl.SSLContext:
    """Trust a PEM bundle, or the system's authorities. Kept, because loading those takes 40 ms each time."""
    return ssl.create_default_context(cafile=ca)
