"""Lifecycle events: what each of them says, and how one is created.

Belongs here: bodies field by field, and putting a new event into the state's outbox.
Does not belong here: when an event happens (`lifecycle`), how it is signed and sent (`delivery`).
"""

__all__: tuple[str, ...] = ()
