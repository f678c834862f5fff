"""A Job that has completed is known by what it was made of."""

from typing import Any

import pytest

from talkdesk_operator.domain.tenant.job_runs import completed_inputs, has_run
from talkdesk_operator.templates.inventory import InventoryEntry

COMPLETE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}


def entry(kind: str = "Job", group: str = "batch", completed: str = "") -> InventoryEntry:
    return InventoryEntry("base", group, "v1", kind, "td", "migrate", completed_inputs=completed)


def job(image: str = "migrate:1", **spec: Any) -> dict[str, Any]:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": image}]}}
    return {"kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": pod, **spec}}


DONE = entry(completed=completed_inputs(entry(), job(), COMPLETE))


def test_a_job_that_has_completed_has_run_with_what_it_was_made_of() -> None:
    assert has_run(DONE, job())
    assert not has_run(DONE, job("migrate:2"))
    assert not has_run(DONE, job(completions=2))
    assert not has_run(entry(), job())


@pytest.mark.parametrize(
    "spec",
    [
        {"activeDeadlineSeconds": 60},
        {"backoffLimit": 0},
        {"maxFailedIndexes": 1},
        {"parallelism": 2},
        {"podReplacementPolicy": "Failed"},
        {"suspend": True},
        {"ttlSecondsAfterFinished": 60},
    ],
)
def test_what_can_be_changed_in_a_job_that_exists_does_not_have_it_run_again(spec: dict[str, Any]) -> None:
    assert has_run(DONE, job(**spec))


@pytest.mark.parametrize(
    "live",
    [
        {},
        {"status": {"conditions": [{"type": "Failed", "status": "True"}]}},
        {"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}},
        {"status": {"conditions": [{"type": "Complete", "status": "False"}]}},
    ],
)
def test_a_job_that_has_not_completed_is_not_recorded(live: dict[str, Any]) -> None:
    assert completed_inputs(entry(), job(), live) == ""


@pytest.mark.parametrize(("kind", "group"), [("Job", "example.com"), ("CronJob", "batch")])
def test_another_kind_is_no_job(kind: str, group: str) -> None:
    assert completed_inputs(entry(kind, group), job(), COMPLETE) == ""
    assert not has_run(entry(kind, group, DONE.completed_inputs), job())


def test_a_job_without_a_spec_that_makes_sense_is_told_from_others() -> None:
    odd = completed_inputs(entry(), {"spec": "x"}, COMPLETE)
    assert odd not in {"", DONE.completed_inputs}
