"""Decisions about a tenant's users: what the SCIM service should have, and the record of what it has.

Belongs here: the comparison of Talkdesk's list with the record, and the record's form.
Does not belong here: calls to the service (`adapters.scim`), batches and time (`reconcilers.users`).
"""

__all__: tuple[str, ...] = ()
