"""A reference for a partner's own service: steps with `http:`, by docs/concepts/http-steps.md, and notifications.

Belongs here: a whole service that passes `talkdesk-conformance`, short enough to begin one's own with. Does not belong
here: anything of the operator's, and any check of a service (`conformance`).

    application     HTTP: routes, limits, signatures, what a request says
    service         the rules: repeats, one thing at a time, generations, operations that take time
    notifications   CloudEvents of what happens to customers, each once
    records         what is kept, in SQLite
    verification    signatures
    partner         where your own code goes
"""

from talkdesk_sandbox.hook.application import application
from talkdesk_sandbox.hook.notifications import Notifications
from talkdesk_sandbox.hook.partner import Made, Partner, PartnerFailed
from talkdesk_sandbox.hook.service import Service

__all__ = ["Made", "Notifications", "Partner", "PartnerFailed", "Service", "application"]
