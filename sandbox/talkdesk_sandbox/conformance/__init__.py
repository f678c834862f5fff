"""`talkdesk-conformance`: plays the contract of http steps against a partner's own service, without a cluster.

Belongs here: what the operator sends and expects (docs/concepts/http-steps.md), as checks that a partner can repeat.
Does not belong here: a service that passes (`hook`), and anything of the operator's: it speaks HTTP alone.

    __main__    the command line
    report      results as text, JSON and JUnit
    run         one check after the other, and cleaning up
    checks      the checks
    play        what a check does with the service
    messages    requests, answers, and what may be shown of them
    check       what a check is
"""

from talkdesk_sandbox.conformance.check import Check, Source
from talkdesk_sandbox.conformance.checks import CHECKS
from talkdesk_sandbox.conformance.play import Settings
from talkdesk_sandbox.conformance.run import Outcome, Result, Run

__all__ = ["CHECKS", "Check", "Outcome", "Result", "Run", "Settings", "Source"]
