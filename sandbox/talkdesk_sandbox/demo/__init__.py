"""`make demo`: a customer's life, shown with the real programs on a control plane of its own.

Belongs here: starting everything, sending events, checking and printing what follows. Does not belong here: anything
that the programs do; the manifests are those of `manifests/`, so that operator and webhook run with the same rights as
in a cluster.

`environment` starts and ends everything, `run` says what happens in which order, `install_scenario` and
`change_scenario` do it by the means of `scenario`, on any `stage`; `programs` says how our programs are called,
`sync_client` speaks to the simulator and `scim_service` to the partner's SCIM service, `waiter` waits and watches the
programs, and `terminal` prints.
"""

from talkdesk_sandbox.demo.environment import DemoEnvironment
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.run import run

__all__ = ["DemoEnvironment", "DemoFailed", "run"]
