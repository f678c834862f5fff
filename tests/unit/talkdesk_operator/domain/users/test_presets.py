"""The table of presets, and the app's own words, which go before it."""

import pytest

from talkdesk_crds.app import SCIM_ATTRIBUTES, Scim, ScimAttribute, ScimFeature, ScimPreset
from talkdesk_operator.domain.users.presets import PRESETS, traits_of


def scim(**fields: object) -> Scim:
    known = {"url": "https://example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}
    return Scim.model_validate(known | fields)


def test_an_app_that_says_nothing_has_a_generic_service_that_gets_what_it_always_got() -> None:
    assert scim().preset is ScimPreset.GENERIC
    assert traits_of(scim()).attributes == SCIM_ATTRIBUTES
    assert traits_of(scim()).avoid == frozenset()


@pytest.mark.parametrize("preset", ScimPreset)
def test_each_preset_is_in_the_table_and_finds_users_by_talkdesks_id(preset: ScimPreset) -> None:
    assert traits_of(scim(preset=preset)) == PRESETS[preset]
    assert ScimAttribute.EXTERNAL_ID in PRESETS[preset].attributes


@pytest.mark.parametrize("preset", ScimPreset)
def test_a_list_that_versions_without_presets_stored_in_an_app_says_nothing_beside_a_preset(preset: ScimPreset) -> None:
    stored = [each.value for each in SCIM_ATTRIBUTES]
    assert traits_of(scim(preset=preset, attributes=stored)) == PRESETS[preset]
    own = tuple(reversed(SCIM_ATTRIBUTES))
    assert traits_of(scim(preset=preset, attributes=list(own))).attributes == own


@pytest.mark.parametrize("preset", ScimPreset)
def test_what_the_app_says_goes_before_the_preset(preset: ScimPreset) -> None:
    own = traits_of(scim(preset=preset, attributes=["emails"], avoid=["Patch"]))
    assert own.attributes == (ScimAttribute.EMAILS,)
    assert own.avoid == {ScimFeature.PATCH}
    none = traits_of(scim(preset=preset, attributes=[], avoid=[]))
    assert (none.attributes, none.avoid) == ((), frozenset())
