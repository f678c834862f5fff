"""Decisions, as pure functions over data.

Belongs here: what is to be done next and why, computed from values; the ports that adapters implement.
Does not belong here: input and output, clocks, randomness, logging. `now` and `jitter` are arguments.
"""

__all__: tuple[str, ...] = ()
