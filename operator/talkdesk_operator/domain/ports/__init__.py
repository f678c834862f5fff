"""What the operator asks of the world outside: protocols, their values, and one tree of errors each.

Belongs here: shapes that an adapter implements. Does not belong here: HTTP, and decisions.
"""

__all__: tuple[str, ...] = ()
