"""Decisions about one installation. `lifecycle.decide` is the one entry; `status.compute` says what came of it."""

__all__: tuple[str, ...] = ()
