"""Objects that are deleted and made anew: only where the manifest says so, with proof, and never unreported."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.operator_in_memory import (
    NAMESPACE,
    SPACE,
    TENANT,
    OperatorInMemory,
    config_map,
    installed,
    sentiment,
    tenant_scope,
)
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_OWNER, ANNOTATION_RECREATE
from talkdesk_operator.domain.reconcile.scope import TenantOutcome, TenantResult
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeInvalid

pytestmark = pytest.mark.case(68)

PLACE = ("settings", SPACE)


def settings(value: str, recreate: str | None = "true") -> dict[str, Any]:
    made = config_map("settings", data={"x": value}, immutable=True)
    if recreate is not None:
        made["metadata"] = made["metadata"] | {"annotations": {ANNOTATION_RECREATE: recreate}}
    return made


class Live:
    """A live tenant with an immutable ConfigMap, and its app, whose template changes."""

    def __init__(self, *manifests: dict[str, Any]) -> None:
        self.operator = OperatorInMemory(self._app(manifests), installed())
        self.server = self.operator.server

    @staticmethod
    def _app(manifests: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        return sentiment({"name": "base", "manifests": [NAMESPACE, *manifests]})

    async def provision(self) -> TenantOutcome:
        after = await self.operator.tenants.provision(tenant_scope(self.operator))
        assert after.tenant_outcome is not None
        return after.tenant_outcome

    async def becomes(self, *manifests: dict[str, Any]) -> TenantOutcome:
        self.operator.journal.clear()
        self.operator.change("TalkdeskApp", "sentiment", self._app(manifests))
        return await self.provision()

    @property
    def held(self) -> tuple[str, str]:
        """The object's uid and value."""
        raw = self.server.get("ConfigMap", *PLACE)
        return str(raw["metadata"]["uid"]), str(raw["data"]["x"])

    @property
    def deletions(self) -> list[str]:
        return [line for line in self.operator.journal.writes if line.startswith("DELETE")]

    @property
    def events(self) -> list[str]:
        posted = [r.body for r in self.server.requests if r.method == "POST" and r.path.endswith("/events")]
        return [each["note"] for each in posted if each["reason"] == "ObjectRecreated"]


async def live(*manifests: dict[str, Any]) -> Live:
    tenant = Live(*(manifests or (settings("1"),)))
    assert (await tenant.provision()).result is TenantResult.READY
    return tenant


async def test_an_object_whose_manifest_says_so_is_made_anew_and_that_is_reported() -> None:
    tenant = await live()
    before, _ = tenant.held
    with capture_logs() as logs:
        assert (await tenant.becomes(settings("2"))).result is TenantResult.READY
    after, value = tenant.held
    assert (after != before, value) == (True, "2")
    assert len(tenant.deletions) == len(tenant.events) == 1
    assert "settings" in tenant.events[0]
    assert "(data)" in tenant.events[0]
    assert [(each["object"], each["uid"]) for each in logs if each["event"] == "tenant.object_recreated"] == [
        (f"{SPACE}/settings", before)
    ]
    tenant.operator.journal.clear()
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.deletions == []


@pytest.mark.parametrize("said", [None, "false"])
async def test_without_that_word_it_is_kept_and_the_failure_says_what_it_is(said: str | None) -> None:
    tenant = await live(settings("1", said))
    before = tenant.held
    outcome = await tenant.becomes(settings("2", said))
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.FIELD_IMMUTABLE
    assert ANNOTATION_RECREATE in outcome.failure.message
    assert "field is immutable when `immutable` is set" in outcome.failure.message
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_a_change_that_the_object_takes_makes_nothing_anew() -> None:
    plain = config_map("settings", data={"x": "1"})
    plain["metadata"] = plain["metadata"] | {"annotations": {ANNOTATION_RECREATE: "true"}}
    tenant = await live(plain)
    before, _ = tenant.held
    assert (await tenant.becomes(plain | {"data": {"x": "2"}})).result is TenantResult.READY
    assert tenant.held == (before, "2")
    assert tenant.deletions == []


async def test_it_is_kept_where_a_new_one_would_be_refused_too() -> None:
    tenant = await live()
    before = tenant.held

    def refuses(body: Any) -> KubeError | None:
        new = body["metadata"]["name"].startswith("settings-")
        return KubeForbidden("no room for another one") if new else None

    tenant.server.validate = refuses
    outcome = await tenant.becomes(settings("2"))
    assert outcome.failure is not None
    assert "it is not made anew, because" in outcome.failure.message
    assert "no room" in outcome.failure.message
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_it_is_kept_where_a_policy_of_somebody_elses_refuses_the_change_and_not_the_field_itself() -> None:
    tenant = await live()
    before = tenant.held

    def frozen(body: Any) -> KubeError | None:
        changed = body["metadata"]["name"] == "settings"
        return KubeInvalid("the policy freeze denied the request: not on Fridays") if changed else None

    tenant.server.validate = frozen
    outcome = await tenant.becomes(settings("2"))
    assert outcome.failure is not None
    assert outcome.failure.reason is not Reason.FIELD_IMMUTABLE
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_nothing_of_a_protected_tenant_is_made_anew() -> None:
    tenant = await live()
    before = tenant.held
    tenant.operator.change("TalkdeskTenant", TENANT, {"spec": {"deletionProtection": True}})
    outcome = await tenant.becomes(settings("2"))
    assert outcome.failure is not None
    assert "deletionProtection" in outcome.failure.message
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_an_object_whose_marks_leave_a_doubt_is_kept() -> None:
    tenant = await live()
    raw = tenant.server.get("ConfigMap", *PLACE)
    marks = {key: value for key, value in raw["metadata"]["annotations"].items() if key != ANNOTATION_OWNER}
    tenant.server.put(raw | {"metadata": raw["metadata"] | {"annotations": marks, "labels": {}}})
    before = tenant.held
    outcome = await tenant.becomes(settings("2"))
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.FIELD_IMMUTABLE
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_a_tenant_that_was_paused_meanwhile_keeps_its_object() -> None:
    tenant = await live()
    before = tenant.held
    app = compile_app(TalkdeskApp.read(tenant.server.get("TalkdeskApp", "sentiment")))
    assert app.template is not None
    tenant.operator.change("TalkdeskTenant", TENANT, {"spec": {"paused": True}})
    outcome = await tenant.becomes(settings("2"))
    assert outcome.result is TenantResult.WAITING
    assert (tenant.held, tenant.deletions, tenant.events) == (before, [], [])


async def test_an_object_that_takes_its_time_to_go_is_waited_for_and_reported_once() -> None:
    tenant = await live()
    raw = tenant.server.get("ConfigMap", *PLACE)
    tenant.server.put(raw | {"metadata": raw["metadata"] | {"finalizers": ["example.com/held"]}})
    before, _ = tenant.held
    for _ in range(3):
        outcome = await tenant.becomes(settings("2"))
        assert outcome.result is TenantResult.WAITING
        assert "will be made anew" in outcome.message
    assert len(tenant.events) == 1
    tenant.server.remove("ConfigMap", *PLACE)
    assert (await tenant.provision()).result is TenantResult.READY
    after, value = tenant.held
    assert (after != before, value) == (True, "2")


async def test_a_process_that_ends_after_the_deletion_leaves_nothing_undone() -> None:
    tenant = await live()
    tenant.server.remove("ConfigMap", *PLACE)
    tenant.operator.restart()
    assert (await tenant.becomes(settings("2"))).result is TenantResult.READY
    assert tenant.held[1] == "2"
    assert tenant.deletions == []


async def test_a_deletion_that_is_refused_is_a_failure_and_not_reported_until_it_is_taken() -> None:
    tenant = await live()
    before = tenant.held
    tenant.server.forbid("ConfigMap", "DELETE")
    for _ in range(2):
        outcome = await tenant.becomes(settings("2"))
        assert outcome.failure is not None
        assert outcome.failure.reason is Reason.ACCESS_MISSING
    assert tenant.held == before
    assert tenant.events == []
    tenant.server.allow("ConfigMap", "DELETE")
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.held[1] == "2"
    assert len(tenant.events) == 1


async def test_each_time_it_is_made_anew_is_reported() -> None:
    tenant = await live()
    for number in ("2", "3"):
        assert (await tenant.becomes(settings(number))).result is TenantResult.READY
    assert len(tenant.events) == 2


def without_marks(raw: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in raw["metadata"]["annotations"].items() if key != ANNOTATION_OWNER}
    return raw | {"metadata": raw["metadata"] | {"annotations": kept, "labels": {}}}


@pytest.mark.parametrize("moment", ["DRY-RUN configmaps/.*/settings-.*", "DRY-RUN configmaps/.*/settings", "DELETE .*"])
async def test_an_object_that_a_person_takes_for_himself_meanwhile_is_kept(moment: str) -> None:
    tenant = await live()
    before = tenant.held
    tenant.operator.journal.on(moment, lambda: tenant.server.put(without_marks(tenant.server.get("ConfigMap", *PLACE))))
    await tenant.becomes(settings("2"))
    outcome = await tenant.provision()
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.FIELD_IMMUTABLE
    assert "do not say that it is this tenant's" in outcome.failure.message
    assert tenant.held == before


@pytest.mark.parametrize("finalizers", [[], ["example.com/held"]])
async def test_one_that_somebody_else_deletes_meanwhile_is_made_anew_without_a_report(finalizers: list[str]) -> None:
    tenant = await live()
    raw = tenant.server.get("ConfigMap", *PLACE)
    tenant.server.put(raw | {"metadata": raw["metadata"] | {"finalizers": finalizers}})

    def gone() -> None:
        if finalizers:
            tenant.server.edit(
                "ConfigMap", "settings", {"metadata": {"deletionTimestamp": "2026-05-01T10:00:00Z"}}, SPACE
            )
        else:
            tenant.server.remove("ConfigMap", *PLACE)

    tenant.operator.journal.on("DRY-RUN configmaps/.*/settings-.*", gone)
    outcome = await tenant.becomes(settings("2"))
    assert outcome.result is (TenantResult.WAITING if finalizers else TenantResult.READY)
    assert (tenant.deletions, tenant.events) == ([], [])


def test_the_word_must_be_one_that_is_known() -> None:
    app = compile_app(TalkdeskApp.read(sentiment({"name": "base", "manifests": [settings("1", "yes")]})))
    assert ANNOTATION_RECREATE in app.problem
    assert "must be true or false" in app.problem
