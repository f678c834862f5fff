"""Thousands of requests of strangers, each kind among them; `make hostile` sends a million."""

from builders.say import Say
from soak.hostile import attacking
from talkdesk_sandbox.controlplane import Cluster

REQUESTS = 3000


async def test_strangers_get_no_5xx_but_of_limiters_and_leave_no_open_file(
    control_plane: Cluster, namespace: str, say: Say
) -> None:
    async with attacking(control_plane, namespace, REQUESTS) as attack:
        await attack.run(say)
    for line in attack.report():
        say(line)
    # So few requests say nothing of memory.
    assert [sentence for sentence in attack.wrong() if not sentence.startswith("memory")] == []
    assert len(attack.answers) > 5
