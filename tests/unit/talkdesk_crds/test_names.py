"""Names are DNS labels for any id, differ when the ids differ, and show the id where it is a label itself."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_crds import names

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
IDS = st.text(min_size=1, max_size=128)
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
OBJECT_NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
HOSTILE = ["Zürich 🚀", '"quoted"', "${account.id}", "a\nb", "x" * 300, "../../etc", "-", "\ud800", "\0", "%s%n", " "]


def test_an_id_that_is_a_label_is_shown_as_it_is() -> None:
    assert names.installation_name("sentiment", "5c1f0a9b") == "sentiment-5c1f0a9b"
    assert names.tenant_name("sentiment", "acc1") == "sentiment-acc1"


@pytest.mark.case(57)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_id_gets_a_label_that_it_alone_has(value: str) -> None:
    made = [names.installation_name("sentiment", other) for other in HOSTILE]
    assert LABEL.fullmatch(names.installation_name("sentiment", value))
    assert made.count(names.installation_name("sentiment", value)) == 1


@pytest.mark.case(57)
@given(OBJECT_NAMES, IDS)
def test_every_id_of_every_app_gets_a_label(app: str, opaque: str) -> None:
    for name in (names.installation_name(app, opaque), names.tenant_name(app, opaque), names.dns_label(opaque)):
        assert LABEL.fullmatch(name)
        assert names.is_dns_label(name)


@pytest.mark.case(59)
@given(st.tuples(OBJECT_NAMES, IDS), st.tuples(OBJECT_NAMES, IDS))
def test_different_pairs_of_app_and_id_never_share_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (names.installation_name(*one) == names.installation_name(*other)) is (one == other)


@pytest.mark.case(59)
def test_apps_and_ids_that_are_prefixes_of_one_another_are_told_apart() -> None:
    pairs = [("a", "b-c"), ("a-b", "c"), ("a", "b"), ("a-b-c", "d"), ("a", "B-c"), ("a.b", "c")]
    assert len({names.tenant_name(*pair) for pair in pairs}) == len(pairs)


def test_what_only_differs_in_case_is_told_apart() -> None:
    assert names.tenant_name("sentiment", "ACC") != names.tenant_name("sentiment", "acc")


@given(st.lists(IDS, max_size=4), st.lists(IDS, max_size=4))
def test_a_digest_differs_whenever_the_parts_do(one: list[str], other: list[str]) -> None:
    assert (names.digest(*one, length=32) == names.digest(*other, length=32)) is (one == other)


def test_a_digest_is_as_long_as_asked() -> None:
    assert len(names.digest("a", length=16)) == 16


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a.b", "a" * 64, "ä", "a\n", "a_b"])
def test_what_is_no_label_is_not_called_one(name: str) -> None:
    assert not names.is_dns_label(name)


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * 63])
def test_a_label_is_called_one(name: str) -> None:
    assert names.is_dns_label(name)
    assert names.dns_label(name) == name


def test_a_text_of_nothing_but_odd_characters_still_gets_a_label_that_begins_with_a_letter() -> None:
    assert re.fullmatch(r"x[0-9a-f]{10}", names.dns_label("🚀"))


@given(OBJECT_NAMES, st.lists(IDS, max_size=5))
def test_a_secret_is_named_by_its_content_alone(installation: str, material: list[str]) -> None:
    name = names.secret_name(installation, material)
    assert name == names.secret_name(installation, list(material))
    assert name != names.secret_name(installation, [*material, "more"])
    assert len(name) <= 63
    assert OBJECT_NAME.fullmatch(name)


def test_the_same_credentials_of_two_installations_are_two_secrets() -> None:
    assert names.secret_name("a", ["x"]) != names.secret_name("b", ["x"])
