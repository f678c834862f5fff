"""The table of cases has exactly the fields of the schemas: a new field needs a case before anything else."""

from pathlib import Path

import pytest
import yaml

from fields.cases import CASES
from fields.schema import CRDS, Field, all_fields
from fields.values import REMOVED, values

FIELDS = {field.name: field for field in all_fields()}
SAMPLES = {"array": [{"name": "a"}, {"name": "b"}], "object": {"name": "a"}}
"""What a field may hold now, where its values depend on that."""


def test_each_field_has_a_case_and_each_case_a_field() -> None:
    assert sorted(FIELDS.keys() - CASES.keys()) == [], "fields without a case"
    assert sorted(CASES.keys() - FIELDS.keys()) == [], "cases without a field"


def test_the_walk_finds_fields_of_objects_and_of_items_of_lists() -> None:
    assert FIELDS["TalkdeskApp tenant.steps[].manifests[]"].schema["type"] == "object"
    assert FIELDS["TalkdeskApp users.scim.tokenSecretRef.name"].required
    assert not FIELDS["TalkdeskTenant objects[]"].required


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_what_a_case_names_is_a_value_of_the_field(field: Field) -> None:
    sample = SAMPLES.get(field.schema.get("type", ""), "now")
    known = {value.name for now in (sample, REMOVED) for value in values(field, now)}
    assert CASES[field.name].by_value.keys() <= known
    assert not CASES[field.name].further.keys() & known


def test_a_field_that_somebody_adds_is_found(tmp_path: Path) -> None:
    crd = yaml.safe_load((CRDS / "talkdesktenants.yaml").read_text(encoding="utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["labels"] = {
        "type": "array",
        "items": {"type": "object", "properties": {"key": {"type": "string"}}},
    }
    (tmp_path / "tenants.yaml").write_text(yaml.safe_dump(crd), encoding="utf-8")
    new = {field.name for field in all_fields(tmp_path)} - CASES.keys()
    assert new == {f"TalkdeskTenant {path}" for path in ("labels", "labels[]", "labels[].key")}
