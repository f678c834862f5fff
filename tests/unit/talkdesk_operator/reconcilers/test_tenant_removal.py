"""The customer comes back while a tenant is taken away: whatever the operator knew when it began, the customer wins."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from builders.objects import DAY, INSTALLATION, credentials_object, request_object
from builders.operator_in_memory import KEY, SPACE, TENANT, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, LABEL_INSTALLATION
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.workqueue.contract import Cause, Result

Story: TypeAlias = Callable[[], Awaitable[OperatorInMemory]]
NEW = "sentiment-i2"
ACCOUNT_MAP = f"configmaps/{SPACE}/account"


async def live(*objects: dict[str, Any]) -> OperatorInMemory:
    operator = OperatorInMemory(*objects)
    await operator.converge()
    operator.now += DAY
    return operator


async def uninstalling() -> OperatorInMemory:
    operator = await live()
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    return operator


async def retained() -> OperatorInMemory:
    operator = await uninstalling()
    await operator.converge()
    return operator


async def end_of_retention() -> OperatorInMemory:
    operator = await retained()
    operator.now += 91 * DAY
    return operator


async def purge_by_a_person() -> OperatorInMemory:
    operator = await retained()
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "sam"}}})
    return operator


async def end_of_retention_without_an_installation() -> OperatorInMemory:
    operator = await end_of_retention()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    return operator


async def deletion_policy_delete() -> OperatorInMemory:
    operator = await live()
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"deletionPolicy": "Delete"}})
    operator.change(
        "TalkdeskInstallation", INSTALLATION, {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    )
    return operator


STORIES = [
    uninstalling,
    end_of_retention,
    purge_by_a_person,
    end_of_retention_without_an_installation,
    deletion_policy_delete,
]


def of_each(*stories: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("story", stories, ids=lambda story: story.__name__.replace("_", " "))


def installs_again(operator: OperatorInMemory) -> None:
    """The webhook stores another installation of the account."""
    secret = credentials_secret("keys-9", client="client-9", event_time=operator.now)
    secret["metadata"]["labels"][LABEL_INSTALLATION] = NEW
    operator.server.put(secret)
    operator.talkdesk.clients.add("client-9")
    request = request_object(at=operator.now, event="e9")
    keys = credentials_object("keys-9", origin="Install", event="e9", at=operator.now)
    fields = {"installationId": "i2", "request": request, "credentials": keys, "meta": {"uid": "new"}}
    operator.server.put(installed(name=NEW, **fields))


def installs_again_and_is_seen(operator: OperatorInMemory) -> None:
    installs_again(operator)
    operator.watch()


async def on_an_old_view(operator: OperatorInMemory) -> Result:
    """Reconcile with nothing but what the cache has had so far."""
    return await operator.accounts.reconcile(KEY, frozenset({Cause.WATCH}))


def deletions(operator: OperatorInMemory) -> list[str]:
    return [line for line in operator.journal.writes if line.startswith("DELETE") and "secrets/keys" not in line]


def space_of(operator: OperatorInMemory) -> dict[str, str]:
    """The uids of the tenant's objects."""
    return {place: raw["metadata"]["uid"] for place, raw in operator.server.objects.items() if SPACE in place}


async def comes_back(operator: OperatorInMemory) -> None:
    """The reinstall is served to its end, and the tenant is its own."""
    operator.talkdesk.becomes("installing")
    await operator.converge()
    await operator.converge(Cause.RETRY)
    assert operator.tenant.spec.state is TenantState.ACTIVE
    assert operator.tenant.spec.installation_ref is not None
    assert operator.tenant.spec.installation_ref.name == NEW
    assert operator.tenant.spec.purge is None


@pytest.mark.case(71)
@of_each(*STORIES)
async def test_a_reinstall_that_the_watch_has_not_shown_yet_keeps_everything(story: Story) -> None:
    operator = await story()
    operator.watch()
    installs_again(operator)
    before = space_of(operator)
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []
    await comes_back(operator)
    assert before.items() <= space_of(operator).items()


@pytest.mark.case(71)
@of_each(*STORIES)
async def test_a_reinstall_that_comes_between_the_read_and_the_write_keeps_everything(story: Story) -> None:
    operator = await story()
    operator.watch()
    before = space_of(operator)
    operator.journal.on("LIST talkdeskinstallations", lambda: installs_again_and_is_seen(operator), "after")
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []
    await comes_back(operator)
    assert before.items() <= space_of(operator).items()


@pytest.mark.case(71)
@of_each(*STORIES)
async def test_a_change_of_the_record_between_the_read_and_the_write_deletes_nothing(story: Story) -> None:
    """Another process may have begun to serve the reinstall; or a person has just protected the tenant."""
    operator = await story()
    operator.watch()
    protect = {"spec": {"purge": None, "deletionProtection": True}}
    change = lambda: operator.change("TalkdeskTenant", TENANT, protect)  # noqa: E731
    operator.journal.on("LIST talkdeskinstallations", change, "after")
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []
    assert operator.cache.tenant(KEY) == operator.tenant


@pytest.mark.case(71)
@of_each(*STORIES)
async def test_a_reinstall_between_the_write_and_the_first_deletion_keeps_everything(story: Story) -> None:
    operator = await story()
    operator.watch()
    before = space_of(operator)
    operator.journal.on(
        f"PATCH talkdesktenants/{TENANT}(/status)?", lambda: installs_again_and_is_seen(operator), "after"
    )
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []
    await comes_back(operator)
    assert before.items() <= space_of(operator).items()


@pytest.mark.case(71)
@of_each(end_of_retention, purge_by_a_person, end_of_retention_without_an_installation)
async def test_a_reinstall_between_two_deletions_keeps_the_rest_and_gets_a_whole_tenant(story: Story) -> None:
    operator = await story()
    operator.watch()
    operator.journal.on(f"DELETE {ACCOUNT_MAP}", lambda: installs_again_and_is_seen(operator), "after")
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == [f"DELETE {ACCOUNT_MAP}"]
    uid = operator.server.get("Namespace", SPACE)["metadata"]["uid"]
    await comes_back(operator)
    assert operator.server.get("Namespace", SPACE)["metadata"]["uid"] == uid
    assert operator.server.find("ConfigMap", "account", SPACE) is not None
    assert operator.server.find("Secret", "keys", SPACE) is not None


def another_process(operator: OperatorInMemory) -> OperatorInMemory:
    """Return a second operator over the same world, with a cache of its own."""
    other = OperatorInMemory(now=operator.now)
    other.journal, other.server, other.talkdesk = operator.journal, operator.server, operator.talkdesk
    other.restart()
    return other


@pytest.mark.case(71)
@of_each(end_of_retention, purge_by_a_person, end_of_retention_without_an_installation)
async def test_a_former_leader_with_an_old_view_deletes_nothing_of_a_customer_who_came_back(story: Story) -> None:
    former = await story()
    former.watch()
    installs_again(former)
    leader = another_process(former)
    await comes_back(leader)
    before = space_of(leader)
    former.journal.clear()
    await on_an_old_view(former)
    assert deletions(former) == []
    assert space_of(leader) == before


@pytest.mark.case(71)
async def test_a_reinstall_on_an_old_view_of_a_purge_loses_its_first_write_and_observes_anew() -> None:
    former = await end_of_retention()
    installs_again(former)
    leader = another_process(former)
    former.server.edit("TalkdeskTenant", TENANT, {"status": {"steps": []}})  # a purge begins
    leader.talkdesk.becomes("installing")
    leader.journal.clear()
    await on_an_old_view(leader)
    assert not [line for line in leader.journal.writes if line.startswith("APPLY")]
    assert leader.cache.tenant(KEY) == leader.tenant
    await comes_back(leader)


@pytest.mark.case(71)
async def test_nothing_is_deleted_while_an_installation_of_the_account_cannot_be_read() -> None:
    operator = await end_of_retention()
    operator.watch()
    raw = installed(name=NEW, installationId="i2")
    raw["spec"]["request"] = "of a newer version"
    operator.server.put_unchecked(raw)
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []


@pytest.mark.case(71)
async def test_the_same_installation_that_is_installed_again_keeps_its_objects() -> None:
    operator = await uninstalling()
    operator.watch()
    operator.asks("Install", event="e9", at=operator.now + DAY)
    operator.journal.clear()
    await on_an_old_view(operator)
    assert deletions(operator) == []


@pytest.mark.case(71)
async def test_another_app_or_account_does_not_hold_up_a_purge() -> None:
    operator = await end_of_retention()
    others: tuple[dict[str, Any], ...] = ({"appRef": {"name": "voice"}}, {"accountId": "acc2"})
    for number, spec in enumerate(others):
        operator.server.put(installed(name=f"other-{number}", installationId=f"x{number}", **spec))
    await operator.converge()
    assert operator.server.find("TalkdeskTenant", TENANT) is None


@pytest.mark.case(71)
async def test_users_are_not_deactivated_when_the_customer_came_back_after_the_offboarding() -> None:
    scim = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}
    token = credentials_secret("scim", token="made-up")
    token["metadata"] |= {"labels": {}, "annotations": {ANNOTATION_FOR_HOSTS: "scim.example.com"}}
    operator = await live(sentiment(users={"scim": scim}), installed(), credentials_secret(), token)
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    operator.watch()
    given = len(operator.scim.given)
    # The last write of the offboarding is the status that says what is left.
    operator.journal.on(f"DELETE secrets/{SPACE}/keys", lambda: installs_again(operator), "after")
    await on_an_old_view(operator)
    assert len(operator.scim.given) == given
    assert operator.reason() == "False/Progressing"
