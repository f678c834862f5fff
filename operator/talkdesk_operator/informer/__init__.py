"""What the cluster says of our three kinds, kept up to date: list, watch, cache.

Belongs here: reading objects and finding them by account. Does not belong here: deciding anything, writing anything.
"""

__all__: tuple[str, ...] = ()
