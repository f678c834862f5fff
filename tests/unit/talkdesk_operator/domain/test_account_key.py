"""The work queue's key of an account, and that of an app itself."""

from talkdesk_operator.domain.account_key import AccountKey


def test_the_key_of_an_app_differs_from_the_keys_of_its_accounts() -> None:
    app = AccountKey.of_app("team", "sentiment")
    assert app == AccountKey("team", "sentiment", "")
    assert app.is_app
    assert not AccountKey("team", "sentiment", "acc-1").is_app
