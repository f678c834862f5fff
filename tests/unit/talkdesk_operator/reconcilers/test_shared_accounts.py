"""Shards share an app's accounts: who has the app counts them all, and labels show each object to its shard."""

from datetime import timedelta

from builders.objects import DAY, INSTALLATION, app_object
from builders.operator_in_memory import KEY, TENANT, OperatorInMemory, credentials_secret, installed, template
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import APP_FINALIZER, LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import slot_label
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.workqueue.contract import Cause, Result

APP = AccountKey.of_app("team", "sentiment")
OBJECTS = (("TalkdeskInstallation", INSTALLATION), ("TalkdeskTenant", TENANT))


def world() -> OperatorInMemory:
    return OperatorInMemory(app_object(tenant=template(), meta={"finalizers": []}), installed(), credentials_secret())


async def deleted_with_customer() -> OperatorInMemory:
    operator = world()
    await operator.converge()
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}})
    operator.watch()
    return operator


async def uninstall(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()


def message(operator: OperatorInMemory, condition: str) -> str:
    found = operator.server.get("TalkdeskApp", "sentiment")["status"]["conditions"]
    return next(str(each["message"]) for each in found if each["type"] == condition)


async def test_an_app_stays_while_another_shard_has_a_customer_of_it() -> None:
    operator = await deleted_with_customer()
    alone(operator)
    await operator.accounts.reconcile(APP, frozenset({Cause.WATCH}))
    assert operator.server.get("TalkdeskApp", "sentiment")["metadata"]["finalizers"] == [APP_FINALIZER]
    assert "1 installations" in message(operator, "DeletionBlocked")
    operator.surveyed = []
    operator.now += timedelta(seconds=5)
    await operator.accounts.reconcile(APP, frozenset({Cause.WATCH}))
    assert operator.server.find("TalkdeskApp", "sentiment") is None


def alone(operator: OperatorInMemory) -> None:
    """Leave the app to a shard that has none of its accounts."""
    operator.shard = next(shard for shard in (Shard(0, 2), Shard(1, 2)) if shard.owns(APP))
    operator.surveyed = [operator.cache]
    operator.restart()
    for name in ("TalkdeskInstallation", "TalkdeskTenant"):
        for raw in operator.server.all(name):
            operator.cache.remove(raw)
    assert operator.cache.keys_of_app("team", "sentiment") == ()


async def test_the_accounts_of_all_shards_are_not_read_again_for_each_event_of_the_app() -> None:
    operator = await deleted_with_customer()
    alone(operator)
    result = await operator.accounts.reconcile(APP, frozenset({Cause.WATCH}))
    for _ in range(3):
        await operator.accounts.reconcile(APP, frozenset({Cause.WATCH}))
    assert operator.surveys == 1
    (poll,) = result.next
    operator.now += poll.after
    await operator.accounts.reconcile(APP, frozenset({Cause.RETRY}))
    assert operator.surveys == 2


async def test_what_an_edit_will_delete_is_counted_over_all_shards() -> None:
    operator = world()
    await operator.converge()
    await operator.reconcile(key=APP)
    await uninstall(operator)
    operator.now += DAY
    operator.change("TalkdeskApp", "sentiment", {"spec": {"retention": {"keepFor": "0s"}}})
    operator.watch()
    alone(operator)
    await operator.accounts.reconcile(APP, frozenset({Cause.WATCH}))
    assert "1 retained tenants are purged" in message(operator, "DeletionPending")


async def test_an_object_without_the_label_of_its_slot_is_labeled_by_whoever_sees_it() -> None:
    operator = world()
    await operator.converge()
    operator.shard = next(shard for shard in (Shard(0, 2), Shard(1, 2)) if not shard.owns(KEY))
    operator.restart()
    labels = {}
    for kind, name in OBJECTS:
        labels[kind] = operator.server.get(kind, name)["metadata"]["labels"]
        operator.change(kind, name, {"metadata": {"labels": {LABEL_SHARD_SLOT: None, "team": "blue"}}})
    operator.journal.lines.clear()
    result = await operator.reconcile()
    assert result == Result()
    assert operator.journal.writes == [
        f"PATCH talkdeskinstallations/{INSTALLATION}",
        f"PATCH talkdesktenants/{TENANT}",
    ]
    for kind, name in OBJECTS:
        assert operator.server.get(kind, name)["metadata"]["labels"] == labels[kind] | {"team": "blue"}
    await operator.reconcile()
    assert len(operator.journal.writes) == 2


async def test_the_label_of_a_slot_is_not_put_on_a_version_that_was_not_seen() -> None:
    operator = world()
    await operator.converge()
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"labels": {LABEL_SHARD_SLOT: "x"}}})
    operator.watch()
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"labels": {"team": "blue"}}})
    result = await operator.accounts.reconcile(KEY, frozenset({Cause.WATCH}))
    assert result.conflict
    assert operator.server.get("TalkdeskInstallation", INSTALLATION)["metadata"]["labels"][LABEL_SHARD_SLOT] == "x"
    await operator.converge()
    slot = slot_label("team", "sentiment", "acc1")
    assert slot.items() <= operator.server.get("TalkdeskInstallation", INSTALLATION)["metadata"]["labels"].items()


async def test_only_one_shard_writes_an_apps_status_and_all_follow_it() -> None:
    operator = world()
    operator.shard = next(shard for shard in (Shard(0, 2), Shard(1, 2)) if not shard.owns(APP))
    operator.restart()
    await operator.reconcile(key=APP)
    assert operator.followed == 1
    assert "status" not in operator.server.get("TalkdeskApp", "sentiment")


async def test_an_account_of_another_shard_is_left_alone() -> None:
    operator = world()
    operator.shard = next(shard for shard in (Shard(0, 2), Shard(1, 2)) if not shard.owns(KEY))
    operator.restart()
    await operator.converge()
    assert operator.journal.lines == []
