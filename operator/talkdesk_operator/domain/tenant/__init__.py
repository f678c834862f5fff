"""Decisions about a tenant: whether the customer may use the app now, and what the cluster should contain for it.

Belongs here: entitlement, the desired state, drift. Does not belong here: requests and answers (`domain.installation`),
rendering the objects (`templates`).
"""

__all__: tuple[str, ...] = ()
