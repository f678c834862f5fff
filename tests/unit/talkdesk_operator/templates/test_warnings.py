"""What is said of a template that is allowed and most likely not meant."""

import pytest

from talkdesk_operator.templates.warnings import foreign_expressions


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
