import base64
from datetime import timedelta
from typing import Any

import pytest

from builders.events import NOON
from builders.ports import clock_of
from builders.scripted_kube import ScriptedKube
from talkdesk_crds.app import SecretKeyRef
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNotFound, KubeUnreachable
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_webhook.relay_keys import RelayKeys

REF = SecretKeyRef(name="single-logout", key="key")
URL = "https://app.example.com/logout"
RELEASED = {"metadata": {"annotations": {ANNOTATION_FOR_HOSTS: "app.example.com"}}}
OTHERS = {"annotations": {ANNOTATION_FOR_HOSTS: "other.example"}}


def secret(text: str | bytes = "canary", key: str = "key") -> dict[str, Any]:
    return RELEASED | {"data": {key: base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()}}


def signed_by(keys: WebhookSecrets | None, text: str) -> bool:
    return keys is not None and keys.headers("m", NOON, b"") == WebhookSecrets.read(text).headers("m", NOON, b"")


async def test_a_key_is_read_by_its_name_and_cached_for_some_seconds() -> None:
    clock = [0.0]
    kube = ScriptedKube(secret("one"), secret("two"))
    keys = RelayKeys(kube, timedelta(seconds=10), clock=clock_of(lambda: clock[0]))
    assert signed_by(await keys.get("team", REF, URL), "one")
    assert signed_by(await keys.get("team", REF, URL), "one")
    assert kube.requests == ["GET secrets/single-logout"]
    clock[0] = 10
    assert signed_by(await keys.get("team", REF, URL), "two")


async def test_namespaces_share_no_key() -> None:
    keys = RelayKeys(ScriptedKube(secret("one"), secret("two")), timedelta(seconds=10))
    assert signed_by(await keys.get("team", REF, URL), "one")
    assert signed_by(await keys.get("other", REF, URL), "two")


async def test_a_secret_that_does_not_exist_is_none() -> None:
    keys = RelayKeys(ScriptedKube(KubeNotFound("no")), timedelta(seconds=10))
    assert [await keys.get("team", REF, URL), await keys.get("team", REF, URL)] == [None, None]


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (KubeForbidden("may not"), "can't be read: may not"),
        (KubeUnreachable("away"), "can't be read: away"),
        (RELEASED, "there is no such key"),
        (RELEASED | {"data": None}, "there is no such key"),
        (RELEASED | {"data": {}}, "there is no such key"),
        (RELEASED | {"data": {"key": None}}, "there is no such key"),
        ({}, "not released for the host app.example.com"),
        (secret() | {"metadata": None}, "not released for the host app.example.com"),
        (
            secret() | {"metadata": {"annotations": {ANNOTATION_FOR_HOSTS: "other.example"}}},
            "not released for the host",
        ),
        (secret(key="other"), "there is no such key"),
        (RELEASED | {"data": {"key": "canary!"}}, "it is not text"),
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
        await keys.get("team", REF, URL)
    assert "single-logout" in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_a_key_of_one_host_is_not_used_for_another() -> None:
    keys = RelayKeys(ScriptedKube(secret("one"), secret("one")), timedelta(seconds=10))
    assert signed_by(await keys.get("team", REF, URL), "one")
    with pytest.raises(LookupFailed, match=r"not released for the host evil\.example"):
        await keys.get("team", REF, "https://evil.example/logout")
