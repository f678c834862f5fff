"""TLS for outgoing connections: which certificate authorities they trust.

Belongs here: creating TLS contexts. Does not belong here: connections.
"""

import functools
import ssl
from pathlib import Path


@functools.cache
def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts a PEM bundle, or the system's authorities.

    It is cached because loading the system's authorities takes 40 ms each time.
    """
    return ssl.create_default_context(cafile=ca)
