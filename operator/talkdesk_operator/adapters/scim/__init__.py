"""SCIM 2.0 services of partners over HTTP: the adapter of the port in `talkdesk_operator.domain.ports.scim`.

Belongs here: SCIM's grammar (RFC 7643, RFC 7644), requests, limits, and which calls carry out an order. Does not belong
here: which users should exist (domain/users), the record of which do (adapters/kubernetes/user_records), Kubernetes.
"""

from talkdesk_operator.adapters.scim.client import ScimClient, ScimSettings

__all__ = ["ScimClient", "ScimSettings"]
