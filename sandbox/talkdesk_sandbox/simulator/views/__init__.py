"""What the control API gives back: shapes shared by its routes and its client; none has a secret but a signed event.

Belongs here: shapes, and filling them from the state (`build`). Does not belong here: changing anything.
"""

from talkdesk_sandbox.simulator.views.models import (
    AttemptView,
    ClockView,
    DeliveryView,
    EventRef,
    FaultView,
    InstallationView,
    LaunchView,
    Outcome,
    RecordView,
    SignedEventView,
    StateView,
)

__all__ = [
    "AttemptView",
    "ClockView",
    "DeliveryView",
    "EventRef",
    "FaultView",
    "InstallationView",
    "LaunchView",
    "Outcome",
    "RecordView",
    "SignedEventView",
    "StateView",
]
