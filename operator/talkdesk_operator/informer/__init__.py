"""Our three kinds as the cluster has them, kept up to date: list, watch, cache.

Belongs here: reading objects and finding them by account. Does not belong here: deciding anything, writing anything.
"""

__all__: tuple[str, ...] = ()
