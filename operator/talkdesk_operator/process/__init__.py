"""The process around the reconcilers: start, standby, orderly end, leader election, tuning of the interpreter.

Belongs here: what starts and ends in which order. Does not belong here: what any part does.
"""

__all__: tuple[str, ...] = ()
