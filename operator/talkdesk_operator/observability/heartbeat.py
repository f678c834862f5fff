"""The resource whose renewals show that the watches work, when nothing happens to our own kinds."""

from typing import Final

__all__ = ["LEASES"]

LEASES: Final = ("coordination.k8s.io", "v1", "leases")
"""Group, version and plural of Leases: the leader's own is renewed every few seconds."""
