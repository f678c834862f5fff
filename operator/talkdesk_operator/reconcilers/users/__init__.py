"""Users of a tenant, from Talkdesk's list to the partner's SCIM service."""

__all__: tuple[str, ...] = ()
