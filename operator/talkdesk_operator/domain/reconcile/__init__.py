"""What all decisions share: the scope with everything that was read, the steps, deadlines, ownership, back-off.

Belongs here: what several of the rooms `tenant`, `users` and `installation` need.
Does not belong here: what only one of them decides.
"""

__all__: tuple[str, ...] = ()
