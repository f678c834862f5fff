"""Decisions about one installation: `lifecycle.decide` is the only entry, `status.compute` computes what is written.

Belongs here: what is done for a request, after its answer and after its end; status, conditions and Events.
Does not belong here: what a tenant should be (`domain.tenant`), which users the service should have (`domain.users`).
"""

__all__: tuple[str, ...] = ()
