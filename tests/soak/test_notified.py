"""More than a hundred notifications under SIGKILL of the operator; `make notifications` is long."""

import pytest

from builders.say import Say
from soak.notified import Lives, being_notified
from talkdesk_sandbox.controlplane import ControlPlane

LIVES = Lives(customers=16, updates=2, kills=3, patience=120.0)


@pytest.mark.crash
async def test_no_notification_is_lost_under_sigkill_and_their_order_is_kept(say: Say) -> None:
    with ControlPlane() as cluster:
        async with being_notified(cluster, LIVES) as notified:
            await notified.run()
            for line in notified.figures():
                say(line)
            assert not any(notified.wrong().values()), list(notified.figures())
            assert len(notified.expected()) == LIVES.notifications
            assert notified.kills.total() == LIVES.kills
            assert len(notified.there.arrivals) > LIVES.notifications, "a kill had something repeated"
