import re
from datetime import timedelta

import pytest

from talkdesk_operator.domain.ports import scim_errors
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimPermanent, ScimRateLimited, ScimTransient


def drawn() -> dict[str, bool]:
    """The names in the docstring's tree, and whether each has a star."""
    lines = re.findall(r"[├└]── (\w+) +(\*)?", scim_errors.__doc__ or "")
    return {name: bool(star) for name, star in lines}


def test_the_tree_in_the_docstring_matches_the_classes() -> None:
    kinds = {name: getattr(scim_errors, name) for name in scim_errors.__all__}
    assert drawn().keys() == kinds.keys() - {"ScimError"}
    assert {name for name, star in drawn().items() if star} == {
        name for name, kind in kinds.items() if kind.concerns_all
    }
    for kind in kinds.values():
        assert issubclass(kind, ScimTransient | ScimPermanent) or kind is ScimError


def test_an_error_has_a_message_and_a_kind() -> None:
    error = ScimRateLimited("asking at host: 429", kind="429", retry_after=timedelta(seconds=3))
    assert str(error) == error.message == "asking at host: 429"
    assert (error.kind, error.retry_after) == ("429", timedelta(seconds=3))


@pytest.mark.parametrize("kind", [ScimTransient, ScimPermanent])
def test_without_a_kind_an_error_is_counted_by_its_message(kind: type[ScimError]) -> None:
    assert kind("words").kind == "words"
