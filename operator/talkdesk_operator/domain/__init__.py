"""Decisions, as pure functions over data: no input and output, no clock, no logging."""

__all__: tuple[str, ...] = ()
