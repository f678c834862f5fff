"""What customers, Talkdesk's staff and partners can do: the shape of each command, and carrying it out on the state.

Belongs here: shapes shared by the control API's routes and its client (`models`), and one function for each command.
Does not belong here: HTTP, delivery, results (`views`).
"""

from talkdesk_sandbox.simulator.commands.models import (
    AppChange,
    Install,
    Launch,
    Logout,
    Move,
    Reinstall,
    Rename,
    Rotate,
    SubscriptionSpec,
    Supervise,
    TrialCommand,
    Uninstall,
    Update,
    Users,
)

__all__ = [
    "AppChange",
    "Install",
    "Launch",
    "Logout",
    "Move",
    "Reinstall",
    "Rename",
    "Rotate",
    "SubscriptionSpec",
    "Supervise",
    "TrialCommand",
    "Uninstall",
    "Update",
    "Users",
]
