"""Work with templates beside the event loop: in threads, one at a time for each app.

Belongs here: where such work is done. Does not belong here: the work, and how much there may be of it
(`templates.limits`).

A thread that waits for the process in which long expressions are evaluated keeps nothing else waiting; one that renders
gives the event loop its turn every few milliseconds. An app whose templates take long has one thread at most, so the
others go on.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.templates.here_only import TakesLong, here_only

__all__ = ["aside", "here_or_aside"]

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="templates")
_turns: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


async def here_or_aside(app: TalkdeskApp | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of a function without effects: called here, and anew in a thread if an evaluation takes long.

    Everything that evaluates on the event loop passes here: it never waits for the process of long expressions.
    """
    try:
        with here_only():
            return function(*args, **kwargs)
    except TakesLong:
        pass
    return await aside(app, function, *args, **kwargs)


async def aside(app: TalkdeskApp | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of a function that is called in a thread, when it is this app's turn."""
    uid = app.metadata.uid if app is not None else ""
    turn = _turns.get(uid)
    if turn is None:
        turn = _turns[uid] = asyncio.Lock()
    async with turn:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: function(*args, **kwargs))
