"""Key material: key pairs of installations, keys that sign events, and TLS for outgoing connections.

Belongs here: generating, encoding and signing. Does not belong here: who owns a key, HTTP.
"""

__all__: tuple[str, ...] = ()
