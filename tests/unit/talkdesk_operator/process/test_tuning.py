"""These settings hold for a whole process, so they are tried in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders.python_path import path_with_builders
from talkdesk_sandbox.controlplane.certificates import make_credentials

CONNECTIONS = """
import asyncio, gc, ssl, sys, tracemalloc
from talkdesk_operator.process.tuning import tune

ca, certificate, key = sys.argv[1:]
ANSWER = b"x" * 3_000_000

async def answer(reader, writer):
    await reader.readexactly(1)
    writer.write(ANSWER)
    await writer.drain()

async def main():
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(certificate, key)
    outside = ssl.create_default_context(cafile=ca)
    outside.check_hostname = False
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=inside)
    port = server.sockets[0].getsockname()[1]
    tracemalloc.start()
    pairs = [await asyncio.open_connection("127.0.0.1", port, ssl=outside) for _ in range(10)]
    print(tracemalloc.get_traced_memory()[0] // 20)
    tracemalloc.stop()
    reader, writer = pairs[0]
    writer.write(b"?")
    print(await reader.readexactly(len(ANSWER)) == ANSWER)
    for _, writer in pairs:
        writer.transport.abort()
    server.close()

tune()
print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0])
asyncio.run(main())
"""


def test_connections_use_little_memory_and_read_long_answers_and_imported_objects_are_frozen(tmp_path: Path) -> None:
    credentials = make_credentials(tmp_path / "keys")
    arguments = [sys.executable, "-c", CONNECTIONS, str(credentials.ca), *map(str, credentials.server)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    left_alone, size_of_a_side, whole = done.stdout.splitlines()
    assert left_alone == "True 10000"
    assert int(size_of_a_side) < 100_000
    assert whole == "True"


SHARDS = """
import asyncio, gc, sys
from builders.raw_objects import installation
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.process.tuning import loading_what_stays, tune

async def main(clear):
    cache = InformerCache()
    circle = [cache]
    circle.append(circle)
    with loading_what_stays():
        for number in range(100):
            cache.observe(installation(f"i{number}", uid=f"u{number}", account=f"a{number}"))
    if clear:
        await cache.clear()

tune()
asyncio.run(main(sys.argv[1] == "cleared"))
gc.collect()
gc.unfreeze()
print(sum(type(each).__name__ == "CompactObject" for each in gc.get_objects()))
"""


GARBAGE = """
import gc
from talkdesk_operator.process.tuning import loading_what_stays, tune

class Left:
    def __init__(self):
        self.itself = self

tune()
with loading_what_stays():
    pass
for _ in range(100):
    Left()
with loading_what_stays():
    pass
gc.unfreeze()
print(sum(type(each) is Left for each in gc.get_objects()))
"""


def test_what_was_left_over_before_another_shard_is_loaded_does_not_stay_for_ever() -> None:
    done = subprocess.run([sys.executable, "-c", GARBAGE], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0


@pytest.mark.parametrize(("how", "left"), [("cleared", 0), ("left", 100)])
def test_what_was_listed_for_a_shard_is_freed_only_by_being_forgotten(how: str, left: int) -> None:
    environment = {**os.environ, "PYTHONPATH": path_with_builders()}
    command = [sys.executable, "-c", SHARDS, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == left
