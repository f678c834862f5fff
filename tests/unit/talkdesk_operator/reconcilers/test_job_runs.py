"""A Job of a template runs once for each change of what it is made of, whoever deletes it afterwards."""

from typing import Any

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
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_RECREATE
from talkdesk_crds.tenant import InventoryItem, TalkdeskTenant
from talkdesk_operator.domain.reconcile.scope import TenantOutcome, TenantResult
from talkdesk_runtime.kube_errors import KubeError, from_status

AFTER = {"name": "after", "manifests": [config_map("after", data={"x": "1"})]}


def job(image: str = "migrate:1", **spec: Any) -> dict[str, Any]:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": image}]}}
    metadata = {"name": "migrate", "namespace": "${tenant.name}"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": pod, **spec}}


class Live:
    """A tenant with a Job, and a step after it; the Job's controller and the app's author are the test's."""

    def __init__(self) -> None:
        self.operator = OperatorInMemory(self._app(job()), installed())
        self.server = self.operator.server
        self.server.validate = self._judge

    @staticmethod
    def _app(manifest: dict[str, Any] | None) -> dict[str, Any]:
        first = [NAMESPACE] if manifest is None else [NAMESPACE, manifest]
        return sentiment({"name": "base", "manifests": first}, AFTER)

    def _judge(self, body: Any) -> KubeError | None:
        """Refuse another template of a Job that exists, as the API server does."""
        there = self.server.find("Job", body["metadata"]["name"], SPACE) if body["kind"] == "Job" else None
        if there is None or there["spec"]["template"] == body["spec"]["template"]:
            return None
        cause = {"field": "spec.template", "reason": "FieldValueInvalid", "message": "field is immutable"}
        said = 'Job.batch "migrate" is invalid: spec.template: Invalid value: {}: field is immutable'
        return from_status(422, {"reason": "Invalid", "message": said, "details": {"causes": [cause]}})

    async def provision(self) -> TenantOutcome:
        after = await self.operator.tenants.provision(tenant_scope(self.operator))
        assert after.tenant_outcome is not None
        return after.tenant_outcome

    async def becomes(self, manifest: dict[str, Any] | None) -> TenantOutcome:
        self.operator.change("TalkdeskApp", "sentiment", self._app(manifest))
        return await self.provision()

    def finish(self, condition: str = "Complete") -> None:
        conditions = {"conditions": [{"type": condition, "status": "True", "message": "as the test says"}]}
        self.server.edit("Job", "migrate", {"status": conditions}, SPACE)

    def delete(self) -> None:
        self.server.remove("Job", "migrate", SPACE)

    @property
    def uid(self) -> str | None:
        found = self.server.find("Job", "migrate", SPACE)
        return str(found["metadata"]["uid"]) if found is not None else None

    @property
    def record(self) -> InventoryItem | None:
        tenant = TalkdeskTenant.read(self.server.get("TalkdeskTenant", TENANT))
        return next((each for each in tenant.status.inventory if each.kind == "Job"), None)


async def completed() -> Live:
    tenant = Live()
    assert (await tenant.provision()).result is TenantResult.WAITING
    tenant.finish()
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.record is not None
    assert tenant.record.completed_inputs
    return tenant


async def test_a_job_that_has_completed_and_was_deleted_is_not_run_again() -> None:
    tenant = await completed()
    tenant.delete()
    for _ in range(2):
        assert (await tenant.provision()).result is TenantResult.READY
        assert tenant.uid is None
    assert tenant.record is not None
    assert (tenant.record.uid, bool(tenant.record.completed_inputs)) == ("", True)
    # From then on not even a request is made for it.
    tenant.operator.journal.clear()
    await tenant.provision()
    assert [line for line in tenant.operator.journal.lines if "jobs/" in line] == []


async def test_a_change_of_what_can_be_changed_in_place_does_not_run_it_again() -> None:
    tenant = await completed()
    tenant.delete()
    assert (await tenant.becomes(job(ttlSecondsAfterFinished=3600))).result is TenantResult.READY
    assert tenant.uid is None


async def test_a_change_of_what_it_is_made_of_runs_it_again_once() -> None:
    tenant = await completed()
    first = tenant.uid
    tenant.delete()
    assert (await tenant.becomes(job("migrate:2"))).result is TenantResult.WAITING
    assert tenant.uid not in {None, first}
    tenant.finish()
    assert (await tenant.provision()).result is TenantResult.READY
    tenant.delete()
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.uid is None
    # What it was made of before is a change, too.
    assert (await tenant.becomes(job())).result is TenantResult.WAITING
    assert tenant.uid is not None


async def test_a_job_that_is_still_there_is_replaced_only_where_its_manifest_says_so() -> None:
    tenant = await completed()
    first = tenant.uid
    outcome = await tenant.becomes(job("migrate:2"))
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.FIELD_IMMUTABLE
    assert tenant.uid == first
    again = job("migrate:2")
    again["metadata"] = again["metadata"] | {"annotations": {ANNOTATION_RECREATE: "true"}}
    assert (await tenant.becomes(again)).result is TenantResult.WAITING
    assert tenant.uid not in {None, first}
    tenant.finish()
    assert (await tenant.provision()).result is TenantResult.READY


async def test_a_job_that_was_deleted_before_it_completed_runs_again() -> None:
    tenant = Live()
    await tenant.provision()
    first = tenant.uid
    tenant.delete()
    assert (await tenant.provision()).result is TenantResult.WAITING
    assert tenant.uid not in {None, first}


async def test_a_job_that_failed_says_why_and_runs_again_only_when_a_person_deletes_it() -> None:
    tenant = Live()
    await tenant.provision()
    first = tenant.uid
    tenant.finish("Failed")
    for _ in range(2):
        outcome = await tenant.provision()
        assert outcome.failure is not None
        assert (outcome.failure.reason, tenant.uid) == (Reason.NOT_READY, first)
        assert f"Job {SPACE}/migrate: as the test says" in outcome.failure.message
    assert tenant.server.find("ConfigMap", "after", SPACE) is None
    tenant.delete()
    assert (await tenant.provision()).result is TenantResult.WAITING
    assert tenant.uid not in {None, first}


async def test_a_job_that_has_completed_is_found_again_where_its_record_was_lost() -> None:
    tenant = await completed()
    raw = tenant.server.get("TalkdeskTenant", TENANT)
    tenant.server.remove("TalkdeskTenant", TENANT)
    tenant.server.put({key: value for key, value in raw.items() if key != "status"})
    assert (await tenant.provision()).result is TenantResult.READY
    tenant.delete()
    assert (await tenant.provision()).result is TenantResult.READY
    assert tenant.uid is None


async def test_a_job_that_leaves_the_template_and_comes_back_runs_again() -> None:
    tenant = await completed()
    tenant.delete()
    await tenant.becomes(None)
    assert tenant.record is None
    assert (await tenant.becomes(job())).result is TenantResult.WAITING
