"""Which account is reconciled next: order, merging, timers and workers.

Belongs here: the queue and its contract with the reconciler. Does not belong here: what a reconcile does.
"""

__all__: tuple[str, ...] = ()
