"""Programs to try and to test with: simulated Talkdesk, SCIM service, a partner's service, control plane, demo.

Belongs here: what is not part of the product. Does not belong here: anything that operator or webhook import.
"""

__all__: tuple[str, ...] = ()
