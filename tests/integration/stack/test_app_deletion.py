"""The app is deleted before its customers: it stays, takes their events, and goes after the last of them."""

import pytest

from builders.conditions import condition, message
from builders.stack import APP, TENANT, Stacks

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(90)]


async def test_a_deleted_app_serves_its_customer_to_the_end_and_goes(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        watched = talkdesk.platform.watched
        await talkdesk.platform.kubectl("delete", "tdapp", talkdesk.app, "--wait=false")
        blocked = await watched.until(
            APP, talkdesk.app, lambda obj: obj is not None and condition(obj, "DeletionBlocked") == "True", "be held"
        )
        assert blocked is not None
        assert "1 installations that have not ended" in message(blocked, "DeletionBlocked")

        await acme.uninstall()
        await acme.becomes("Uninstalled")
        talkdesk.may_lose_objects.add(acme.account_id)
        purge = {"op": "add", "path": "/spec/purge", "value": {"requestedBy": "me"}}
        await acme.patch(purge, kind=TENANT)
        await acme.becomes("Purged")
        await watched.until(APP, talkdesk.app, lambda obj: obj is None, "be gone")


async def test_an_app_without_customers_goes_at_once(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        await talkdesk.platform.kubectl("delete", "tdapp", talkdesk.app, "--timeout=5s")
