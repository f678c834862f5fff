"""A template of Helm's is the object as it is, with places; and text of others stays text."""

from pathlib import Path

import pytest

from generators.chart_rules import substitute
from generators.helm_page import Page
from generators.kustomization import resources


def test_a_value_stands_alone_or_within_a_text() -> None:
    page = Page()
    place = page.value(".Release.Namespace")
    assert page.text({"a": place, "b": f"x.{place}.svc"}) == (
        "a: {{ .Release.Namespace }}\nb: x.{{ .Release.Namespace }}.svc\n"
    )


def test_a_value_can_be_an_item_of_a_list() -> None:
    page = Page()
    assert page.text({"a": [page.value(".Values.x")]}) == "a:\n- {{ .Values.x }}\n"


def test_a_block_has_the_indent_of_its_place() -> None:
    page = Page()
    block = page.block("{{- with .Values.x }}\nx:\n  {{- toYaml . | nindent +2 }}\n{{- end }}")
    assert page.text({"a": {"b": {"c": 1, block: None}}}) == (
        "a:\n  b:\n    c: 1\n    {{- with .Values.x }}\n    x:\n      {{- toYaml . | nindent 6 }}\n    {{- end }}\n"
    )


def test_a_block_can_be_an_item_of_a_list() -> None:
    page = Page()
    block = page.block("{{- toYaml .Values.more | nindent +0 }}")
    assert page.text({"a": {"b": [1, block]}}) == "a:\n  b:\n  - 1\n  {{- toYaml .Values.more | nindent 2 }}\n"


def test_braces_of_others_are_left_as_they_are() -> None:
    page = Page()
    assert page.text({"summary": "{{ $labels.app }} waits"}) == "summary: '{{ \"{{\" }} $labels.app }} waits'\n"


def test_a_default_gives_way_to_what_the_values_say() -> None:
    page = Page()
    assert page.text(page.instead("a", ".Values.a", {"b": 1})) == (
        "{{- with .Values.a }}\na:\n  {{- toYaml . | nindent 2 }}\n{{- else }}\na:\n  b: 1\n{{- end }}\n"
    )


def test_words_are_replaced_wherever_they_stand() -> None:
    assert substitute({"a": ["x-old", {"b": "old"}], "c": 1}, {"old": "new"}) == {"a": ["x-new", {"b": "new"}], "c": 1}


@pytest.mark.parametrize("more", ["patches: []", "labels: [{pairs: {a: b}, includeSelectors: true}]"])
def test_a_kustomization_with_something_unknown_is_an_error(tmp_path: Path, more: str) -> None:
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\nmetadata: {name: a}\n")
    (tmp_path / "kustomization.yaml").write_text(f"resources: [a.yaml]\n{more}\n")
    with pytest.raises(ValueError, match="does not know"):
        list(resources(tmp_path))
