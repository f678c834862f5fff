"""The loop of the process in which CEL is evaluated that may take long.

Belongs here: one evaluation after the other, within processor time and memory that the kernel keeps. Does not belong
here: the other end (`evaluator`).
"""

import functools
import json
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from talkdesk_operator.templates.cel import Activation, Exhausted, Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.evaluator import JSON_SCHEMA, KEPT_VARIABLES
from talkdesk_operator.templates.frames import MOST_BYTES, read_frame, write_frame
from talkdesk_operator.templates.limits import EVALUATION_MEMORY, EVALUATION_SECONDS, MAX_PASS_SECONDS, TOO_MUCH_MEMORY

__all__ = ["serve"]

Judge: TypeAlias = Callable[[str, Any], str]
_AT_ONCE: Final = 64 * 1024
_LIMIT: Final = json.dumps({"limit": TOO_MUCH_MEMORY}).encode()
_compiled: Final = functools.lru_cache(maxsize=1024)(compile_expression)


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Evaluate what is asked for until the requests end."""
    _limit_memory()
    # Its default: the process ends, wherever it is.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    kept: dict[int, Activation | str] = {}
    while (request := read_frame(requests)) is not None:
        try:
            content = _served(request, requests, kept)
        except MemoryError:
            content = _LIMIT
        signal.setitimer(signal.ITIMER_PROF, 0)
        if content is None:
            return
        write_frame(responses, content)
        if content is _LIMIT:
            break
    # Nothing is left to work with, and a message may be half read: the parent ends this process when it has the answer.
    while requests.read(_AT_ONCE):
        pass


def _served(request: bytes, requests: IO[bytes], kept: dict[int, Activation | str]) -> bytes | None:
    """Return the answer; None where the requests have ended. Raises MemoryError."""
    if (variables := read_frame(requests)) is None:
        return None
    asked = json.loads(request)
    judge = _judge() if asked["language"] == JSON_SCHEMA else None
    began = _processor_time()
    if variables:
        signal.setitimer(signal.ITIMER_PROF, MAX_PASS_SECONDS)
        _keep(kept, asked["number"], variables)
    signal.setitimer(signal.ITIMER_PROF, EVALUATION_SECONDS)
    answer = _answer(asked["source"], kept[asked["number"]], judge)
    if answer.keys() == {"value"}:
        answer["seconds"] = _processor_time() - began
    content = json.dumps(answer, separators=(",", ":")).encode()
    return content if len(content) <= MOST_BYTES else _LIMIT


def _keep(kept: dict[int, Activation | str], number: int, variables: bytes) -> None:
    while len(kept) >= KEPT_VARIABLES:
        del kept[next(iter(kept))]
    try:
        kept[number] = Activation(json.loads(variables), converted=True)
    except ExpressionError as error:
        kept[number] = error.reason


def _judge() -> Judge:
    """Return what judges values by a schema; the library is imported before time is counted, and only where needed."""
    from talkdesk_operator.templates import json_schema  # noqa: PLC0415

    import_module("jsonschema")
    return json_schema.verdict


def _answer(source: str, variables: Activation | str, judge: Judge | None) -> dict[str, Any]:
    if isinstance(variables, str):
        return {"error": variables}
    if judge is not None:
        return {"value": judge(source, variables.variables["values"])}
    try:
        expression: Expression = _compiled(source)
        return {"value": expression.evaluate_here(variables)}
    except Exhausted:
        raise MemoryError from None
    except ExpressionError as error:
        return {"error": error.reason}


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit_memory() -> None:
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = size + EVALUATION_MEMORY if hard == resource.RLIM_INFINITY else min(size + EVALUATION_MEMORY, hard)
    # This is the bound. Where a whole container is ended for its memory (`memory.oom.group`), so is the operator.
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with suppress(OSError):  # the kernel looks at this one first, where it ends one process alone
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
