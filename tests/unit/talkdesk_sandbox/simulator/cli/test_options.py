"""What the texts on a command line mean."""

import pytest

from talkdesk_sandbox.simulator.cli.options import delivery, given, pairs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count=2", {"count": 2}),
        ("after_effect=true", {"after_effect": True}),
        ('retry_delays=["1m"]', {"retry_delays": ["1m"]}),
        ("route=POST */state", {"route": "POST */state"}),
        ("location=https://a.example/?b=c", {"location": "https://a.example/?b=c"}),
        ("reason=", {"reason": ""}),
    ],
)
def test_the_value_of_a_pair_is_json_or_else_a_string(text: str, expected: dict[str, object]) -> None:
    assert pairs([text]) == expected


def test_a_text_that_is_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="name=value"):
        pairs(["count=2", "drop"])


def test_only_options_that_were_given_become_fields() -> None:
    assert given(account="acme", users=0, plan=None, removing=[]) == {"account": "acme", "users": 0}
    assert (delivery(no_deliver=True), delivery(no_deliver=False)) == ({"deliver": False}, {})
