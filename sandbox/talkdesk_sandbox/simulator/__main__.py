"""`talkdesk-simulator`, also as `python -m talkdesk_sandbox.simulator`."""

from talkdesk_sandbox.simulator.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
