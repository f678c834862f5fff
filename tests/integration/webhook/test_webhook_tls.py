"""The webhook with its own certificate, which is renewed while events come."""

import json
from pathlib import Path

from builders.event_stream import streaming
from builders.place import Place
from builders.say import Say
from builders.serving import until
from builders.tls_pair import TlsPair, client_context, mount, served_name, tls_pair
from builders.webhook_process import WebhookProcess, webhook_process

WITHIN = 60
"""Seconds; files are looked at every ten."""


async def test_a_certificate_is_renewed_under_a_stream_of_events(place: Place, tmp_path: Path, say: Say) -> None:
    first, second, third = tls_pair("first"), tls_pair("second"), tls_pair("third")
    cert, key = mount(tmp_path, first)
    settings = {"tls_cert_file": str(cert), "tls_key_file": str(key), "path_prefix": "/talkdesk"}
    trusted = client_context(first, second, third)
    async with webhook_process(place.kubeconfig, place.namespace, **settings) as webhook:
        url = f"https://127.0.0.1:{webhook.port}/talkdesk"
        async with streaming(place, url, trusted) as stream:
            await stream.more()
            mount(tmp_path, second)
            await _serves(webhook, second)
            await stream.more()
            mount(tmp_path, TlsPair(third.certificate, second.key, third.expires))
            await until(lambda: b'"tls.certificate_unusable"' in webhook.log, within=WITHIN)
            assert await served_name(webhook.port, second) == "second"
            failures = 'talkdesk_tls_certificate_reloads_total{port="http",result="failure"} 1.0'
            assert failures in (await webhook.fetch("/metrics")).text
            await stream.more()
            mount(tmp_path, third)
            await _serves(webhook, third)
            await stream.more()
        say(f"{len(stream.acknowledged)} events while the certificate was replaced, {len(stream.failed)} failed")
        assert stream.failed == []
        assert stream.lost() == set()
        assert (await webhook.fetch("/readyz")).status_code == 200
    listening = next(line for line in map(json.loads, webhook.log.splitlines()) if line["event"] == "server.listening")
    assert listening["tls"] is True
    assert b"PRIVATE" not in webhook.log


async def test_a_source_that_is_not_allowed_reaches_nothing_but_the_probes(place: Place) -> None:
    async with webhook_process(place.kubeconfig, place.namespace, allowed_sources="192.0.2.0/24") as webhook:
        response = await webhook.post(place.installed(), place.signer, **{"X-Forwarded-For": "192.0.2.1"})
        assert (response.status_code, response.json()["reason"]) == (403, "source_forbidden")
        assert (await webhook.fetch("/readyz")).status_code == 200
        refused = 'talkdesk_webhook_connections_refused_total{reason="source_forbidden"} 1.0'
        assert refused in (await webhook.fetch("/metrics")).text
        assert b'"connection.refused"' in webhook.log
    assert place.installations() == {}


async def _serves(webhook: WebhookProcess, pair: TlsPair) -> None:
    async def serves() -> bool:
        try:
            return bool(await served_name(webhook.port, pair))
        except OSError:
            return False

    await until(serves, within=WITHIN)
