"""Everything that talks to the outside: Talkdesk, the cluster, partners' endpoints.

Belongs here: one package per outside, each implementing a port of `domain` and raising only that port's errors.
Does not belong here: decisions. Only the composition root names an adapter.
"""

__all__: tuple[str, ...] = ()
