"""It ends a whole process, so it is tried in one of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE

import pytest

HANGING = """
import asyncio, threading
from datetime import timedelta
from talkdesk_operator.process.last_resort import end_within
from talkdesk_runtime import logs

logs.configure("INFO")

async def deaf():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def main():
    end_within(timedelta(seconds=0.5))
    if {task}:
        asyncio.create_task(deaf(), name="deaf")
        await asyncio.sleep(0)
    if {executor}:
        asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    if {thread}:
        threading.Thread(target=threading.Event().wait, name="deaf thread").start()

asyncio.run(main())
"""


@pytest.mark.case(82)
@pytest.mark.parametrize("what", ["task", "executor", "thread"])
def test_whatever_hangs_the_process_ends_in_time_and_says_so(what: str) -> None:
    program = HANGING.format(**{each: each == what for each in ("task", "executor", "thread")})
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    line = json.loads((done.stdout + done.stderr).splitlines()[-1])
    assert (line["event"], line["code"]) == ("operator.end_timed_out", 1)


def test_a_process_that_ends_by_itself_does_not_wait_for_it() -> None:
    program = HANGING.format(task=False, executor=False, thread=False)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


STOPPED = """
import os, signal, sys
from talkdesk_operator.process.last_resort import end_when_continued
from talkdesk_runtime import logs
from talkdesk_runtime.fence import Fence

logs.configure("INFO")
passed = 0.0
fences = [Fence(lambda: passed) for _ in range(3)]
fences[0].open_until(10)
fences[1].open_until(600)
end_when_continued(lambda: any(fence.has_expired() for fence in fences))
{before}
fences[0].check()
passed = {passed}  # while it is stopped in the next line
os.kill(os.getpid(), signal.SIGSTOP)
sys.stdout.write("sent")
"""


async def go_on_after_a_stop(passed: int, before: str = "") -> tuple[int | None, str, str]:
    """Return the exit code, and what was printed as sent and as a log, of a process that goes on after so long."""
    program = STOPPED.format(passed=passed, before=before)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE, stderr=PIPE)
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    process.send_signal(signal.SIGCONT)
    sent, logged = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, sent.decode(), logged.decode()


@pytest.mark.case(49)
async def test_a_process_that_goes_on_after_its_leadership_ends_before_its_next_line() -> None:
    code, sent, logged = await go_on_after_a_stop(passed=60)
    assert (code, sent) == (1, "")
    line = json.loads(logged)
    assert (line["event"], line["code"]) == ("operator.stopped_too_long", 1)


@pytest.mark.case(49)
async def test_a_process_that_goes_on_within_its_leadership_or_has_given_it_up_goes_on() -> None:
    assert await go_on_after_a_stop(passed=5) == (0, "sent", "")
    given_up = "fences.append(fences[0]); fences[0].shut(); fences[0] = fences[1]"
    assert await go_on_after_a_stop(passed=60, before=given_up) == (0, "sent", "")


WRITING = """
import io

class Stopping(io.RawIOBase):
    def writable(self):
        return True

    def write(self, line):
        globals()["passed"] = 60.0
        os.kill(os.getpid(), signal.SIGSTOP)
        return len(line)

sys.stderr = io.TextIOWrapper(io.BufferedWriter(Stopping()), write_through=True)
logs.configure("INFO")
try:
    sys.stderr.write("a line that is written when the process is stopped")
    sys.stderr.flush()
except BaseException as error:
    sys.stdout.write(f"went on with {error!r}")
"""


@pytest.mark.case(49)
async def test_it_ends_also_when_it_was_stopped_while_it_wrote_a_line_and_can_write_no_other() -> None:
    code, sent, _ = await go_on_after_a_stop(passed=60, before=WRITING)
    assert (code, sent) == (1, "")
