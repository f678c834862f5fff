"""The operator."""

__all__: tuple[str, ...] = ()
