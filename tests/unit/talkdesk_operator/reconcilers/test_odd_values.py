"""Whatever value an object holds: its account is reconciled, or says InvalidSpec; nothing ends in a fault of ours."""

from datetime import timedelta
from typing import Any

import pytest

from builders.objects import INSTALLATION
from builders.odd_values import Odd, odd_values
from builders.operator_in_memory import (
    KEY,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.deep_json import read_json

# Copies of deeper values exhaust the stack of the API server in memory; they are as unreadable as 255 levels. Its
# uids are
# made from names, and Talkdesk in memory knows one installation.
UNCOPIED = ("1100", "9990", "installation id", "account id 0")
CASES = {case.name: case for case in odd_values() if not any(part in case.name for part in UNCOPIED)}
PLACES = {"TalkdeskApp": "sentiment", "TalkdeskInstallation": INSTALLATION, "TalkdeskTenant": TENANT}


@pytest.mark.case(75)
@pytest.mark.parametrize("odd", CASES.values(), ids=CASES)
async def test_an_odd_value_in_an_object_of_a_live_customer_is_no_fault_of_ours(odd: Odd) -> None:
    it = OperatorInMemory(sentiment(), installed(), credentials_secret())
    await it.converge()
    before = it.server.get(odd.kind, PLACES[odd.kind])
    changed: dict[str, Any] = read_json(odd.as_json(odd.at(before)))
    changed["metadata"] |= {"resourceVersion": "10000", "generation": 2}
    it.server.put_unchecked(changed)
    await it.reconcile()
    key = AccountKey(KEY.namespace, KEY.app, changed["spec"].get("accountId", KEY.account_id))
    for cause in (Cause.WATCH, Cause.RESYNC, Cause.STARTUP):
        it.now += timedelta(hours=2)
        await it.reconcile(cause, key=AccountKey.of_app(KEY.namespace, KEY.app))
        for each in {key, KEY}:
            await it.reconcile(cause, key=each)
    unreadable = it.cache.unreadable(key)
    if unreadable:
        (problem,) = unreadable
        assert (problem.kind, problem.name) == (odd.kind, PLACES[odd.kind])
        conditions = it.server.get(problem.kind, problem.name)["status"]["conditions"]
        assert {"InvalidSpec"} == {c["reason"] for c in conditions if c["type"] == "Ready"}


@pytest.mark.case(75)
@pytest.mark.parametrize("key", ["client_id", "client_secret", "private_key", "key_id", "key_algorithm"])
@pytest.mark.parametrize("odd", ["", "\x00", "a\nb", "\u2028\U0001f600", "[" * 5000, "x" * 900_000])
async def test_an_odd_value_in_a_secret_with_credentials_is_no_fault_of_ours(key: str, odd: str) -> None:
    data: dict[str, Any] = {key: odd}
    it = OperatorInMemory(sentiment(), installed(), credentials_secret(**data))
    await it.converge()
    conditions = it.server.get("TalkdeskInstallation", INSTALLATION)["status"]["conditions"]
    assert "InternalError" not in {condition["reason"] for condition in conditions}
