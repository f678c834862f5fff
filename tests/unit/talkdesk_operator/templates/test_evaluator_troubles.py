"""Whatever the machine does to the child process, the caller gets an answer, and no expression is blamed for it."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from talkdesk_operator.templates import cel
from talkdesk_operator.templates.cel import Exhausted, compile_expression
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.evaluator import EvaluationError, Evaluator, Variables
from talkdesk_operator.templates.frames import MOST_BYTES
from talkdesk_operator.templates.here_only import TakesLong, here_only
from talkdesk_operator.templates.leaves import activation, compile_leaf, fill

MANY_FILES = 1024
"""Numbers of files that `select` does not know."""
ANSWERS = """
import json, os, sys
def read():
    return sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "big"))
while read() and read():
    answer = ANSWER
    sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.buffer.flush()
"""
"""A child that says the same to everything."""

Make = Callable[..., Evaluator]


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def made(program: str = "", **how: Any) -> Evaluator:
            evaluator = Evaluator((sys.executable, "-c", program), **how) if program else Evaluator(**how)
            stack.callback(evaluator.close)
            return evaluator

        yield made


def failure(evaluator: Evaluator, source: str, variables: dict[str, Any]) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        evaluator.evaluate(source, Variables(variables))
    return caught.value


def test_a_process_with_very_many_open_files_evaluates(make: Make) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY_FILES:
        pytest.skip(f"a process here may open {hard} files")
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY_FILES), hard))
    try:
        while not held or held[-1] < MANY_FILES:
            held.append(os.dup(0))
        assert make().evaluate("a", Variables({"a": 1}))[0] == 1
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_child_that_takes_nothing_does_not_hold_us(make: Make) -> None:
    evaluator = make("import time; time.sleep(10)", patience=0.2)
    began = time.monotonic()
    error = failure(evaluator, "a", {"a": "x" * 1_000_000})
    assert "machine is too busy" in error.reason
    assert (error.exhausted, error.passing, evaluator.pid) == (True, True, None)
    assert time.monotonic() - began < 5


def test_a_child_whose_answer_cannot_be_read_is_ended(make: Make) -> None:
    evaluator = make(ANSWERS.replace("ANSWER", 'b"?"'))
    with pytest.raises(ValueError, match=r"^Expecting value"):
        evaluator.evaluate("a", Variables({"a": 1}))
    assert evaluator.pid is None


def test_no_process_can_be_started() -> None:
    evaluator = Evaluator(("/does/not/exist",))
    error = failure(evaluator, "a", {"a": 1})
    assert (error.exhausted, error.passing) == (True, True)
    assert "no process could be started" in error.reason


def test_the_end_of_the_child_for_another_reason_is_not_held_against_the_expression(make: Make, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    evaluator = make(f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(3)")
    for count in (2, 4):
        error = failure(evaluator, "a", {"a": 1})
        assert (error.exhausted, error.passing) == (True, True)
        assert "ended with 3" in error.reason
        assert len(starts.read_text(encoding="ascii")) == count


def test_too_much_memory_that_the_child_itself_reports_is_remembered(make: Make) -> None:
    evaluator = make()
    # Small maps take the most memory for the time of reading them, so that the limit of time is not met first.
    maps: list[Any] = [{"a": 1} for _ in range(800_000)]
    variables = {"v": maps}
    error = failure(evaluator, "1", variables)
    assert (error.reason, error.exhausted, error.passing) == ("takes too much memory", True, False)
    evaluator.close()
    assert failure(evaluator, "1", variables).reason == "takes too much memory"
    assert evaluator.pid is None, "it was tried again"


def test_a_lower_limit_of_the_machine_is_kept(make: Make) -> None:
    program = (
        "import resource, sys, pathlib\n"
        "from talkdesk_operator.templates.evaluation import serve\n"
        "pages = int(pathlib.Path('/proc/self/statm').read_text().split()[0])\n"
        "most = pages * resource.getpagesize() + 32 * 1024 * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "serve(sys.stdin.buffer, sys.stdout.buffer)\n"
    )
    assert make(program).evaluate("a", Variables({"a": 1}))[0] == 1


def test_the_child_knows_nothing_of_our_environment_that_it_does_not_need(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary@proxy.example.com")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    evaluator = make(ANSWERS.replace("ANSWER", 'json.dumps({"value": dict(os.environ), "seconds": 0}).encode()'))
    found = evaluator.evaluate("a", Variables({"a": 1}))[0]
    assert found["LC_ALL"] == "C.UTF-8"
    assert [name for name in found if name not in {"PATH", "LANG"} and not name.startswith(("LC_", "PYTHON"))] == []


def test_a_file_in_the_current_folder_is_no_module_of_the_child(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cel.py").write_text("raise SystemExit(4)", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    assert make().evaluate("a", Variables({"a": 1}))[0] == 1


def test_a_busy_machine_is_told_from_a_limit_up_to_the_leaf(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "EVALUATOR", make("import time; time.sleep(10)", patience=0.1))
    with pytest.raises(Exhausted):
        compile_expression("a.matches('x')").evaluate({"a": "x"})
    leaf = compile_leaf("${a.matches('x')}", "data.k", [])
    variables = activation({"a": "x"}, frozenset({"a"}), "context")
    with pytest.raises(RenderError) as caught:
        fill(leaf, lambda _: variables)
    assert (caught.value.exhausted, caught.value.passing) == (True, True)


def test_where_nobody_may_wait_there_is_a_signal_instead(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = make()
    monkeypatch.setattr(cel, "EVALUATOR", evaluator)
    expression = compile_expression("a.matches('x')")
    with here_only(), pytest.raises(TakesLong):
        expression.evaluate({"a": "x"})
    assert evaluator.pid is None
    assert expression.evaluate({"a": "x"}) is True


def test_more_variables_than_a_message_may_have_are_a_limit_and_need_no_child(make: Make) -> None:
    evaluator = make()
    error = failure(evaluator, "1", {"v": "x" * MOST_BYTES})
    assert (error.reason, error.exhausted, error.passing, evaluator.pid) == ("takes too much memory", True, False, None)


def test_a_child_that_closes_its_pipes_and_lives_on_is_ended(make: Make) -> None:
    evaluator = make("import os, time; os.close(0); os.close(1); time.sleep(10)")
    error = failure(evaluator, "1", {"v": 1})
    assert "closed its pipe" in error.reason
    assert (error.exhausted, error.passing, evaluator.pid) == (True, True, None)
