"""The resource whose renewals show that watches are alive, however quiet our own kinds are."""

from typing import Final

__all__ = ["LEASES"]

LEASES: Final = ("coordination.k8s.io", "v1", "leases")
"""Group, version and plural of Leases: the leader's own is renewed every few seconds."""
