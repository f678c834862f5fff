"""The demonstration from the first event to the last: which scenarios, in which order.

Belongs here: the order. Does not belong here: what a scenario does and checks.
"""

from typing import Final

from talkdesk_sandbox.demo.change_scenario import ChangeScenario
from talkdesk_sandbox.demo.install_scenario import InstallScenario
from talkdesk_sandbox.demo.stage import Stage
from talkdesk_sandbox.demo.terminal import Terminal

__all__ = ["ACCOUNT", "run"]

ACCOUNT: Final = "acme"
"""The account of the first customer at Talkdesk."""
SECOND_ACCOUNT: Final = "globex"
"""The account of the second customer."""


def run(environment: Stage, terminal: Terminal) -> None:
    """Run all scenarios. Raises DemoFailed as soon as something is not as expected."""
    installs = InstallScenario(environment, terminal, ACCOUNT)
    installed = installs.install()
    namespace = installs.tenant_namespace()
    installs.forge(installed)
    installs.uninstall(namespace)
    installs.reinstall(namespace)
    changes = ChangeScenario(environment, terminal, ACCOUNT)
    changes.end_trial()
    changes.upgrade()
    changes.add_users()
    changes.rotate()
    ChangeScenario(environment, terminal, SECOND_ACCOUNT).decide_by_hand()
