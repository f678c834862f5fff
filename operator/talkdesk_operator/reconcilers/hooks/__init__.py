"""Steps that call a partner's own service."""

__all__: tuple[str, ...] = ()
