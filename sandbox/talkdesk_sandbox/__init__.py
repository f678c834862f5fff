"""To try and test with."""

__all__: tuple[str, ...] = ()
