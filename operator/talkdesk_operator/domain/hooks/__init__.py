"""Steps that call a partner's own service: which request is due, and what its response means; pure."""

__all__: tuple[str, ...] = ()
