"""`make demo`: a customer's life, played with the real programs on a control plane of its own.

Belongs here: starting everything, playing, showing. Does not belong here: anything that the programs do; the manifests
are those of `manifests/`, so that operator and webhook run with the rights that they have in a cluster.

`stage` sets up, `life` and `later_life` play by the means of `scene`, `programs` calls ours, `talkdesk` speaks to the
simulator and `service` to the partner's SCIM service, `waiting` waits with an eye on the programs, `screen` prints.
"""

from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.life import play
from talkdesk_sandbox.demo.stage import Stage

__all__ = ["DemoFailed", "Stage", "play"]
