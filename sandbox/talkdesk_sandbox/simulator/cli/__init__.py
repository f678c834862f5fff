"""The command line `talkdesk-simulator`: `serve` runs a simulator, every other command controls a running one.

Belongs here: commands, options, help, exit codes, tables for people. Does not belong here: the control API (`control`).
"""

from talkdesk_sandbox.simulator.cli.main import main

__all__ = ["main"]
