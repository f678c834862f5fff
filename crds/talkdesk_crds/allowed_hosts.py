"""From an app's `region` or `endpoints` to the hosts that it may talk to.

Belongs here: the one reading of these two fields, for webhook and operator. Does not belong here: hosts of regions,
and the check of a URL (hosts).
"""

from talkdesk_crds.app import AppSpec
from talkdesk_crds.hosts import ForeignHostError, HostAllowList

__all__ = ["allowed_hosts"]


def allowed_hosts(spec: AppSpec, *, allow_insecure: bool) -> HostAllowList:
    """Return the hosts of the app's endpoints, else of its region; raise ForeignHostError when they can't be used.

    Plain http needs the process' own `allow_insecure` beside the app's.
    """
    if spec.endpoints is not None:
        own = spec.endpoints
        insecure = own.allow_insecure and allow_insecure
        return HostAllowList.for_endpoints(own.api, own.token, allow_insecure=insecure)
    if spec.region is not None:
        return HostAllowList.for_region(spec.region)
    raise ForeignHostError("neither a region nor endpoints are given")
