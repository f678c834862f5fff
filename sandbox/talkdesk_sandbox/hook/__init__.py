"""A reference for a partner's own service: what a step with `http:` calls, by docs/concepts/http-steps.md.

Belongs here: a whole service that passes `talkdesk-conformance`, short enough to begin one's own with. Does not belong
here: anything of the operator's, and any check of a service (`conformance`).

    application     HTTP: routes, limits, signatures, what a request says
    service         the rules: repeats, one thing at a time, generations, operations that take time
    records         what is kept, in SQLite
    verification    signatures
    partner         where your own code goes
"""

from talkdesk_sandbox.hook.application import application
from talkdesk_sandbox.hook.partner import Made, Partner, PartnerFailed
from talkdesk_sandbox.hook.service import Service

__all__ = ["Made", "Partner", "PartnerFailed", "Service", "application"]
