"""Decisions about a tenant's users: what the SCIM service should have, and the record of what it has."""

__all__: tuple[str, ...] = ()
