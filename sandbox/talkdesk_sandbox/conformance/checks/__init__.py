"""The checks, in the order in which they are run.

Belongs here: what is required of a service. Does not belong here: how requests are sent (`play`).
A check whose beginning fails says nothing about its own rule: it `needs` the check that is about the beginning.
"""

from typing import Final

from talkdesk_sandbox.conformance.check import Check
from talkdesk_sandbox.conformance.checks import asynchronous, bodies, concurrency, deletion, lifecycle, signatures

__all__ = ["CHECKS"]

CHECKS: Final[tuple[Check, ...]] = (
    lifecycle.PROVISION,
    *asynchronous.CHECKS,
    *lifecycle.CHECKS,
    *deletion.CHECKS,
    *concurrency.CHECKS,
    *signatures.CHECKS,
    *bodies.CHECKS,
)
