"""The process in which CEL is evaluated that may take long: a limit of processor time and memory, kept by the kernel.

Belongs here: the child process as its parent sees it: started when it is needed first, ended, started anew. Does not
belong here: what may take long (`limits`), the loop in the child (`evaluation`), how a message is sent (`frames`).

From the outside an evaluation stays a function of source and variables, whoever makes it. What is not, because it comes
from the machine (it is too busy, it starts no process, it ended one), is called passing and not remembered.

    EvaluationError    as the child said, or the child was ended, or there is none
"""

import atexit
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from talkdesk_operator.templates.frames import MOST_BYTES, Ended, Silence, receive, send
from talkdesk_operator.templates.limits import EVALUATION_SECONDS, TOO_MUCH_MEMORY
from talkdesk_runtime.lru import LruMap

__all__ = ["EVALUATOR", "JSON_SCHEMA", "KEPT_VARIABLES", "EvaluationError", "Evaluator", "Variables"]

JSON_SCHEMA: Final = "json-schema"
"""The language of a source that is no CEL: see `json_schema`."""

KEPT_VARIABLES: Final = 4
"""Sets of variables that the child keeps."""
_COMMAND: Final = (sys.executable, "-P", "-m", "talkdesk_operator.evaluator")
_PATIENCE: Final = 20.0
"""Seconds by our own clock for a message: the child's start, and processor time on a busy machine."""
_REMEMBERED: Final = 1024
_TOO_LONG: Final = f"takes more than {EVALUATION_SECONDS:g} s of processor time"
_ROOT: Final = Path(__file__).parents[2]
_numbers: Final = itertools.count()


class EvaluationError(Exception):
    """There is no value."""

    def __init__(self, reason: str, *, exhausted: bool = False, passing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exhausted = exhausted or passing
        """Whether a limit was met, or the machine is in the way: it says nothing about the expression's data."""
        self.passing = passing
        """Whether it comes from the machine alone, so that the same may work the next time."""


class Variables:
    """Variables as they are sent to the child, made when they are needed first."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        self.number = next(_numbers)
        self._variables = variables
        self._text: bytes | None = None
        self._digest = b""

    @property
    def text(self) -> bytes:
        """The variables as JSON. Raises EvaluationError where they are none."""
        if self._text is None:
            try:
                self._text = json.dumps(dict(self._variables), separators=(",", ":")).encode()
            except (TypeError, ValueError, RecursionError):
                raise EvaluationError("a variable contains something that is not JSON") from None
        return self._text

    def digest(self, source: str) -> bytes:
        """Return a digest of an expression with these variables."""
        if not self._digest:
            self._digest = blake2b(self.text, digest_size=16).digest()
        return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16, key=self._digest).digest()


class Evaluator:
    """One child process, used by one thread at a time."""

    def __init__(self, command: tuple[str, ...] = _COMMAND, patience: float = _PATIENCE) -> None:
        """Take the command of the child, and how long to wait for it by our own clock."""
        self._command = command
        self._patience = patience
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._sent: deque[int] = deque(maxlen=KEPT_VARIABLES)
        self._exhausted: LruMap[bytes, str] = LruMap(_REMEMBERED)
        self._verdicts: LruMap[bytes, str] = LruMap(_REMEMBERED)

    def evaluate(self, source: str, variables: Variables, language: str = "") -> tuple[Any, float]:
        """Return the value, and the seconds of processor time that it took. Raises EvaluationError."""
        digest = variables.digest(f"{language}:{source}")
        with self._lock:
            if (verdict := self._verdicts.get(digest)) is not None:
                return verdict, 0.0
            # The same input has the same end: it is not tried again, however often an account is reconciled.
            if (reason := self._exhausted.get(digest)) is not None:
                raise EvaluationError(reason, exhausted=True)
            answer = self._ask(source, variables, language)
            if "ended" in answer or answer.get("limit") == TOO_MUCH_MEMORY:
                # Somebody else may have ended it, or other variables fill it: a new one shows what this input does.
                answer = self._ask(source, variables, language)
            if "limit" in answer:
                self._exhausted.put(digest, answer["limit"])
                raise EvaluationError(answer["limit"], exhausted=True)
            if language == JSON_SCHEMA and "value" in answer:  # the same for all tenants with the same values
                self._verdicts.put(digest, answer["value"])
        if "ended" in answer:
            raise _ended(answer["ended"])
        if "error" in answer:
            raise EvaluationError(answer["error"])
        return answer["value"], answer["seconds"]

    def close(self) -> None:
        """End the child; another evaluation starts one again."""
        with self._lock:
            self._end()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._child.pid if self._child is not None else None

    def _ask(self, source: str, variables: Variables, language: str) -> dict[str, Any]:
        """Return the child's answer, `limit` for one that this input met, or `ended` with the code of its end.

        There is a child afterwards only where it has answered: a new one knows nothing of what is under way.
        """
        if len(variables.text) > MOST_BYTES:
            return {"limit": TOO_MUCH_MEMORY}
        answer: dict[str, Any] = {}
        try:
            answer = self._answer({"source": source, "language": language, "number": variables.number}, variables)
        except Silence:
            reason = f"was not evaluated within {self._patience:g} s: the machine is too busy"
            raise EvaluationError(reason, passing=True) from None
        except Ended:
            code = self._exit_code()
            answer = {"limit": _TOO_LONG} if code == -signal.SIGPROF else {"ended": code}
        finally:
            if not answer or "limit" in answer or "ended" in answer:
                self._end()
        return answer

    def _answer(self, request: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
        child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - they were asked for
        known = variables.number in self._sent
        send(child.stdin, json.dumps(request).encode(), self._patience)
        send(child.stdin, b"" if known else variables.text, self._patience)
        answer: dict[str, Any] = json.loads(receive(child.stdout, self._patience))
        if not known:
            self._sent.append(variables.number)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._sent.clear()
        try:
            child = self._child = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a panic of the library could quote a secret
                env=_environment(),
                start_new_session=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        else:
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None  # noqa: S101 - it was asked for
                os.set_blocking(pipe.fileno(), False)
            return child
        raise EvaluationError(f"was not evaluated: no process could be started for it{why}", passing=True)

    def _exit_code(self) -> int | None:
        """Return how the child ended; None where it has not."""
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                return self._child.wait(timeout=1)
        return None

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        child.wait()


def _ended(code: int | None) -> EvaluationError:
    """Return what the end of two children in a row means."""
    if code == -signal.SIGABRT:  # the library's way to say that it gets no memory
        return EvaluationError(TOO_MUCH_MEMORY, exhausted=True)
    how = "closed its pipe" if code is None else f"ended with {code}"
    return EvaluationError(f"was not evaluated: the process for it {how}", passing=True)


def _environment() -> dict[str, str]:
    """Return what the child needs of our environment, in which there may be passwords."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("LC_", "PYTHON"))}
    kept |= {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    if _ROOT.name not in {"site-packages", "dist-packages"}:  # our own package may be there only by the current folder
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), str(_ROOT))))
    return kept


EVALUATOR: Final = Evaluator()
atexit.register(EVALUATOR.close)
