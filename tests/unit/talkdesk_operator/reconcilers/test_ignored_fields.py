"""Fields that a manifest leaves to others have the template's value once, and are nobody's business of ours then."""

from typing import Any

from builders.operator_in_memory import (
    NAMESPACE,
    SPACE,
    OperatorInMemory,
    config_map,
    installed,
    sentiment,
    tenant_scope,
)
from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, FIELD_MANAGER
from talkdesk_operator.domain.reconcile.scope import TenantOutcome, TenantResult

IGNORED = {"annotations": {ANNOTATION_IGNORE_FIELDS: "/data/size"}}


def settings(size: str | None, other: str = "1", *, ignored: bool = True) -> dict[str, Any]:
    data = {"other": other} | ({} if size is None else {"size": size})
    made = config_map("settings", data=data)
    return made | {"metadata": made["metadata"] | (IGNORED if ignored else {})}


class Live:
    """A tenant with a ConfigMap whose size is left to others, and its app, whose template changes."""

    def __init__(self, manifest: dict[str, Any], **step: Any) -> None:
        self._step = step
        self.operator = OperatorInMemory(self._app(manifest), installed())
        self.server = self.operator.server

    def _app(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return sentiment({"name": "base", "manifests": [NAMESPACE, manifest], **self._step})

    async def provision(self) -> TenantOutcome:
        after = await self.operator.tenants.provision(tenant_scope(self.operator))
        assert after.tenant_outcome is not None
        return after.tenant_outcome

    def changes(self, manifest: dict[str, Any]) -> None:
        self.operator.change("TalkdeskApp", "sentiment", self._app(manifest))

    async def becomes(self, manifest: dict[str, Any]) -> None:
        self.changes(manifest)
        assert (await self.provision()).result is TenantResult.READY

    def scale(self, size: str | None) -> None:
        self.server.edit("ConfigMap", "settings", {"data": {"size": size}}, SPACE)

    @property
    def data(self) -> dict[str, str]:
        data: dict[str, str] = self.server.get("ConfigMap", "settings", SPACE)["data"]
        return data

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What was applied to the object, one after the other."""
        path = f"/api/v1/namespaces/{SPACE}/configmaps/settings"
        return [each.body for each in self.server.requests if (each.method, each.path) == ("PATCH", path)]


async def live(manifest: dict[str, Any], **step: Any) -> Live:
    tenant = Live(manifest, **step)
    assert (await tenant.provision()).result is TenantResult.READY
    return tenant


async def test_the_first_value_is_the_templates_and_the_next_one_is_anybodys() -> None:
    tenant = await live(settings("2"))
    assert tenant.data == {"size": "2", "other": "1"}
    tenant.scale("5")
    version = tenant.server.versions["configmaps", SPACE, "settings"]
    await tenant.provision()
    assert tenant.server.versions["configmaps", SPACE, "settings"] == version
    await tenant.becomes(settings("3", other="2"))
    assert tenant.data == {"size": "5", "other": "2"}
    assert [each["data"].get("size") for each in tenant.sent] == ["2", None, None]


async def test_a_value_that_nobody_has_changed_stays_though_the_template_says_another() -> None:
    tenant = await live(settings("2"))
    await tenant.becomes(settings("3", other="2"))
    await tenant.becomes(settings(None, other="3"))
    assert tenant.data == {"size": "2", "other": "3"}
    tenant.scale(None)
    await tenant.becomes(settings("4", other="4"))
    assert tenant.data == {"other": "4"}


async def test_without_the_word_the_value_is_the_templates_again() -> None:
    tenant = await live(settings("2"))
    tenant.scale("5")
    await tenant.becomes(settings("3", ignored=False))
    assert tenant.data == {"size": "3", "other": "1"}


async def test_a_value_that_changes_between_the_read_and_the_apply_is_not_put_back() -> None:
    tenant = await live(settings("2"))
    sizes = iter(["5"])
    tenant.server.validate = lambda body: tenant.scale(next(sizes, "5")) if body["kind"] == "ConfigMap" else None
    await tenant.becomes(settings("2", other="2"))
    assert tenant.data == {"size": "5", "other": "2"}
    assert [each["data"].get("size") for each in tenant.sent] == ["2", "2", None]


async def test_an_object_that_changes_all_the_time_is_waited_for() -> None:
    tenant = await live(settings("2"))
    numbers = iter(range(100))

    def annotate(body: dict[str, Any]) -> None:
        if body["kind"] == "ConfigMap":
            raw = tenant.server.get("ConfigMap", "settings", SPACE)
            tenant.server.put(raw | {"status": next(numbers)}, manager=FIELD_MANAGER)

    tenant.server.validate = annotate  # type: ignore[assignment]
    tenant.changes(settings("2", other="2"))
    outcome = await tenant.provision()
    assert outcome.result is TenantResult.WAITING
    assert f"ConfigMap {SPACE}/settings: others write it all the time" in outcome.message


async def test_an_object_that_is_made_anew_has_the_templates_value() -> None:
    tenant = await live(settings("2"))
    tenant.scale("5")
    tenant.server.remove("ConfigMap", "settings", SPACE)
    await tenant.becomes(settings("3"))
    assert tenant.data == {"size": "3", "other": "1"}


async def test_an_object_that_another_one_has_replaced_is_not_touched() -> None:
    tenant = await live(settings("2"))
    tenant.server.remove("ConfigMap", "settings", SPACE)
    tenant.server.put(
        config_map("settings", data={"size": "9"}) | {"metadata": {"name": "settings", "namespace": SPACE}}
    )
    outcome = await tenant.provision()
    assert outcome.failure is not None
    assert "exists and is not this tenant's" in outcome.failure.message
    assert tenant.data == {"size": "9"}


async def test_an_object_that_is_taken_over_keeps_the_value_that_it_has() -> None:
    tenant = Live(settings("2"), conflictPolicy="Adopt")
    tenant.server.put(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}, "status": {"phase": "Active"}}
    )
    tenant.server.put(
        config_map("settings", data={"size": "9"}) | {"metadata": {"name": "settings", "namespace": SPACE}}
    )
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.data == {"size": "9", "other": "1"}
