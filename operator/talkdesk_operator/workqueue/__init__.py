"""Who is reconciled next: order, merging, timers and workers.

Belongs here: the queue and its contract with whoever reconciles. Does not belong here: what a reconcile does.
"""

__all__: tuple[str, ...] = ()
