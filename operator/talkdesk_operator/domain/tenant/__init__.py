"""Decisions about a tenant: whether the customer may use the app now, and what the cluster should hold."""

__all__: tuple[str, ...] = ()
