import base64
from datetime import timedelta
from typing import Any

import pytest

from builders.events import NOON
from builders.ports import clock_of
from builders.scripted_kube import ScriptedKube
from talkdesk_crds.app import SecretKeyRef
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNotFound, KubeUnreachable
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.relay_keys import RelayKeys
from talkdesk_webhook.standard_webhooks import WebhookSecrets

REF = SecretKeyRef(name="single-logout", key="key")


def secret(text: str | bytes = "canary", key: str = "key") -> dict[str, Any]:
    return {"data": {key: base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()}}


def signed_by(keys: WebhookSecrets | None, text: str) -> bool:
    return keys is not None and keys.headers("m", NOON, b"") == WebhookSecrets.read(text).headers("m", NOON, b"")


async def test_a_key_is_read_by_its_name_and_cached_for_some_seconds() -> None:
    clock = [0.0]
    kube = ScriptedKube(secret("one"), secret("two"))
    keys = RelayKeys(kube, timedelta(seconds=10), clock=clock_of(lambda: clock[0]))
    assert signed_by(await keys.get("team", REF), "one")
    assert signed_by(await keys.get("team", REF), "one")
    assert kube.requests == ["GET secrets/single-logout"]
    clock[0] = 10
    assert signed_by(await keys.get("team", REF), "two")


async def test_namespaces_share_no_key() -> None:
    keys = RelayKeys(ScriptedKube(secret("one"), secret("two")), timedelta(seconds=10))
    assert signed_by(await keys.get("team", REF), "one")
    assert signed_by(await keys.get("other", REF), "two")


async def test_a_secret_that_does_not_exist_is_none() -> None:
    keys = RelayKeys(ScriptedKube(KubeNotFound("no")), timedelta(seconds=10))
    assert [await keys.get("team", REF), await keys.get("team", REF)] == [None, None]


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (KubeForbidden("may not"), "can't be read: may not"),
        (KubeUnreachable("away"), "can't be read: away"),
        ({}, "there is no such key"),
        ({"data": None}, "there is no such key"),
        ({"data": {}}, "there is no such key"),
        ({"data": {"key": None}}, "there is no such key"),
        (secret(key="other"), "there is no such key"),
        ({"data": {"key": "canary!"}}, "it is not text"),
        (secret(b"canary\xff"), "it is not text"),
        (secret(" \n"), "it is empty"),
        (secret("whsec_canary!"), "not base64"),
    ],
)
async def test_an_unusable_key_is_a_failure_that_names_the_secret_and_quotes_nothing(
    answer: dict[str, Any] | KubeError, why: str
) -> None:
    keys = RelayKeys(ScriptedKube(answer), timedelta(seconds=10))
    with pytest.raises(LookupFailed, match=why) as caught:
        await keys.get("team", REF)
    assert "single-logout" in str(caught.value)
    assert "canary" not in str(caught.value)
