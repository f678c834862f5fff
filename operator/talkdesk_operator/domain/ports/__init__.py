"""What the operator needs from the outside world: protocols, their values, and one tree of errors for each.

Belongs here: shapes that an adapter implements. Does not belong here: HTTP, and decisions.
"""

__all__: tuple[str, ...] = ()
