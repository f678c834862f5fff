"""What every decision shares: the scope with all that was read, the steps, deadlines, ownership, back-off.

Belongs here: what several of the rooms above need. Does not belong here: what one of them alone decides.
"""

__all__: tuple[str, ...] = ()
