"""A customer's life in a real cluster: signed events through the Service, pods by the kubelet, a volume that stays."""

import http.client

import pytest

from builders.kind_app import KindApp, fetch

pytestmark = pytest.mark.kind


def test_a_customers_pod_follows_every_event_and_its_data_outlive_an_uninstall(app: KindApp) -> None:
    installed = app.simulator.install("acme", app.app.app_id, on_trial=True)
    app.wait("condition=Ready", app.name_of(installed))
    assert app.until_done(installed, "Active")["status"]["phase"] == "Active"
    tenant = app.tenant()
    claim = tenant.get("pvc/data")
    assert claim["status"]["phase"] == "Bound"
    assert claim["spec"]["storageClassName"] == "standard"
    first = tenant.seen_by_pod()
    assert len(first["starts"]) == 1
    assert first["keyId"] == tenant.key_id()

    updated = app.simulator.update("acme", plan="Gold", type="paid", licenses=20)
    app.until_done(updated, "Active")
    assert tenant.get("configmap/account")["data"]["plan"] == "Gold"
    assert tenant.seen_by_pod()["starts"] == first["starts"], "an update needs no new pod"

    rotated = app.simulator.rotate("acme")
    app.wait(f"jsonpath={{.status.credentials.acknowledgedEventId}}={rotated.event.id}", app.name_of(rotated))
    assert tenant.key_id() != first["keyId"]
    tenant.until_pod_sees(lambda seen: seen["keyId"] == tenant.key_id())

    gone = app.simulator.uninstall("acme")
    app.until_done(gone, "Uninstalled")
    tenant.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")
    assert tenant.get("pvc/data")["metadata"]["uid"] == claim["metadata"]["uid"]
    assert tenant.record()["status"]["purgeTime"]

    back = app.simulator.reinstall("acme")
    app.until_done(back, "Active")
    again = tenant.seen_by_pod()
    assert again["starts"][:1] == first["starts"], "the volume is the same as before the uninstall"
    assert len(again["starts"]) == 2
    assert again["keyId"] == tenant.key_id()

    app.until_done(app.simulator.uninstall("acme"), "Uninstalled")
    app.kubectl("patch", f"tdt/{tenant.name}", "--type=merge", '--patch={"spec":{"purge":{"requestedBy":"a test"}}}')
    app.wait("delete", f"namespace/{tenant.namespace}")


def test_the_end_of_a_trial_takes_the_pods_away_and_an_upgrade_brings_them_back(app: KindApp) -> None:
    app.until_done(app.simulator.install("initech", app.app.app_id, on_trial=True), "Active")
    tenant = app.tenant()
    assert tenant.get("deployment/customer-app")["status"]["readyReplicas"] == 1

    app.until_done(app.simulator.end_trial("initech"), "Suspended")
    assert tenant.get("deployment/customer-app")["spec"]["replicas"] == 0
    tenant.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")

    app.until_done(app.simulator.update("initech", type="paid", plan="Gold"), "Active")
    assert len(tenant.seen_by_pod()["starts"]) == 2


def test_a_signed_event_is_taken_through_the_node_port_and_a_forged_one_is_not(app: KindApp) -> None:
    sent = app.simulator.install("globex", app.app.app_id)
    app.until_done(sent, "Active")
    signed = app.simulator.sign(sent.event)
    where = f"{app.kind.webhook_url}/events/{app.app.name}/{app.app.name}"

    again = fetch(where, method="POST", body=signed.body, headers=signed.headers)
    forged = fetch(where, method="POST", body=signed.body.replace("globex", "acme"), headers=signed.headers)

    assert again[0] == http.client.OK
    assert forged[0] == http.client.UNAUTHORIZED
