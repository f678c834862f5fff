"""No secret leaves but inside a signed event and a token answer."""

import logging
import traceback

import pytest

from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox import simulator
from talkdesk_sandbox.simulator import ControlError
from talkdesk_sandbox.simulator.cli import tables
from talkdesk_sandbox.simulator.faults.kinds import Status


@pytest.mark.case(61)
async def test_no_secret_is_in_a_log_a_view_a_record_or_a_repr(
    start: Start, meet: Meet, callback: Callback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = await start(callback_url=callback.url)
    callback.statuses = [500]
    outcome = await server.client.install(account="acme")
    partner: Partner = await (await meet(server, outcome)).log_in()
    await partner.answer("approve")
    await partner.ask_token_by_secret()
    await server.client.set_fault(Status(count=1))
    await partner.get("/account")
    rotated = await meet(server, await server.client.rotate(account="acme"))
    with pytest.raises(ControlError) as caught:
        await server.client.uninstall(account="nobody")
    await server.client.move("1h")
    shown = [
        *await server.client.requests(),
        *await server.client.deliveries(),
        *await server.client.events(),
        await server.client.state(),
        await server.client.sign(outcome.events[0].id),
        *server.simulator.state.installations.values(),
        *server.simulator.state.events.values(),
        *server.simulator.state.clients.values(),
        *server.simulator.tokens._grants.values(),
        server.simulator.signing.current,
    ]
    text = caplog.text + "".join(map(repr, shown)) + "".join(traceback.format_exception(caught.value))
    text += tables.show(await server.client.state()) + tables.show(await server.client.requests())
    canaries = [each.data[name] for each in (partner, rotated) for name in ("client_secret", "private_key")]
    canaries.append(partner.headers["Authorization"].removeprefix("Bearer "))
    assert [secret for secret in canaries if secret in text] == []


def test_the_package_has_every_name_that_it_exports() -> None:
    assert sorted(simulator.__all__) == sorted(set(simulator.__all__))
    assert all(hasattr(simulator, name) for name in simulator.__all__)
