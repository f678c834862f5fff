"""The Kubernetes API behind the ports of `domain.ports`: our kinds, tenants' objects, Secrets, Events, drift.

Errors are those of talkdesk_runtime.kube_errors.
"""

__all__: tuple[str, ...] = ()
