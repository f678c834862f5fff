"""Stacks that check the four invariants at their end; a failure shows the last lines of the programs' logs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from builders.invariants import violations
from builders.platform import Platform
from builders.stack import Stack, Stacks, stack


def checked(platform: Platform) -> Stacks:
    """Return a factory of stacks on that platform: an app with a Talkdesk of its own."""

    @asynccontextmanager
    async def make(**spec: Any) -> AsyncIterator[Stack]:
        async with stack(platform, **spec) as made:
            try:
                yield made
                assert not await violations(made)
            except AssertionError as error:
                for name, program in platform.programs.items():
                    error.add_note(f"the last lines of the {name}:\n{program.last_lines()}")
                raise

    return make
