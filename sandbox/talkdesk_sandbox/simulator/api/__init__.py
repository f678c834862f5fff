"""Talkdesk's HTTP API that partners call: tokens, account, users, apps, installations, signature keys.

Belongs here: routes, access checks, and answers as the reference pages show them. Does not belong here: rules
(`lifecycle`), token checks (`oauth`), faults.
"""

__all__: tuple[str, ...] = ()
