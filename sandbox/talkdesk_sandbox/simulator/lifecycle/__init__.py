"""What happens to accounts and installations: install, update, uninstall, trials, rotations, and time that passes.

Belongs here: operations that change the state and create events, and the pure transition table. Does not belong here:
HTTP, clocks, delivery.
"""

__all__: tuple[str, ...] = ()
