"""What is said of a template that is allowed and most likely not meant."""

from typing import Any

import pytest

from talkdesk_operator.templates.warnings import fleeting_job, foreign_expressions


@pytest.mark.parametrize(
    ("tree", "paths"),
    [
        ({"data": {"a": "{{ .Values.name }}"}}, ["m.data.a"]),
        ({"args": ["--x", "{{name}}"]}, ["m.args[1]"]),
        ({"data": {"a": "${{'a': 1}.a}", "b": "${name}", "c": 3}}, []),
    ],
)
def test_another_language_of_templates_is_told_by_its_place(tree: object, paths: list[str]) -> None:
    assert [problem.path for problem in foreign_expressions(tree, "m")] == paths


TTL = "ttlSecondsAfterFinished"


def fleeting(spec: Any, kind: str = "Job") -> list[str]:
    return [problem.message for problem in fleeting_job({"apiVersion": "batch/v1", "kind": kind, "spec": spec}, "m")]


def test_a_job_that_goes_before_anybody_may_have_seen_it_complete_is_told() -> None:
    (message,) = fleeting({TTL: 599})
    assert message.startswith(f"m.spec.{TTL}: a Job that is gone before the operator has seen it complete runs again")


@pytest.mark.parametrize("spec", [{TTL: 600}, {TTL: "${1}"}, {}, "${tenant.values.job}"])
def test_a_job_that_stays_long_enough_or_as_long_as_is_not_known_is_not(spec: Any) -> None:
    assert fleeting(spec) == []


def test_another_kind_is_not() -> None:
    assert fleeting({TTL: 1}, "CronJob") == []
