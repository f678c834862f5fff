"""Two partners in one cluster, each with the example under a name of their own: neither reaches the other's tenants.

Everything is asked in the name of an app's provisioner, which is whose name a template's objects are made in.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from builders.manifest_files import EXAMPLE, MANIFESTS
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

pytestmark = pytest.mark.case(66)

LABEL = "appconnect.talkdesk.dev/namespace"
APPS = ("partner", "partner-b")
"""One begins like the other, so that so do the names of their tenants' namespaces."""
WITHIN = 30


def me(app: str) -> str:
    return f"--as=system:serviceaccount:{app}:tenant-provisioner"


def namespace(name: str, owner: str = "") -> str:
    labels = {LABEL: owner} if owner else {}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def binding(app: str, role: str, where: str) -> str:
    """The RoleBinding of the example's first step, or what an attacker makes of it."""
    group = "rbac.authorization.k8s.io"
    body: dict[str, Any] = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "tenant-provisioner", "namespace": where},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant-provisioner", "namespace": app}],
    }
    return json.dumps(body)


def refusal(cluster: Cluster, *arguments: str, stdin: str = "") -> str:
    """Return what the API server says against it; nothing when it does it."""
    try:
        cluster.kubectl(*arguments, stdin=stdin)
    except KubectlFailed as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def both(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Apply the example twice, and let each app make a tenant as its template does."""
    crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(MANIFESTS / "base"))
    for app in APPS:
        folder = tmp_path_factory.mktemp(app)
        for path in EXAMPLE.glob("*.yaml"):
            text = path.read_text().replace("sentiment", app).replace("../../", f"{relative(folder)}/")
            (folder / path.name).write_text(text)
        crds.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
        deadline = time.monotonic() + WITHIN
        # A policy is enforced a moment after it was stored, and a right counts a moment after.
        while "may only change namespaces" not in refusal(
            crds, me(app), "create", "-f", "-", "--dry-run=server", stdin=namespace("other", app)
        ):
            assert time.monotonic() < deadline
        tenant = f"td-{app}-acme"
        crds.kubectl(me(app), "create", "-f", "-", stdin=namespace(tenant, app))
        crds.kubectl(me(app), "create", "-f", "-", stdin=binding(app, f"{app}-tenant", tenant))
        while refusal(crds, me(app), "create", "secret", "generic", "talkdesk", f"--namespace={tenant}"):
            assert time.monotonic() < deadline
    return crds


def relative(folder: Path) -> str:
    return "/".join([".."] * (len(folder.resolve().parts) - 1)) + str(MANIFESTS.resolve())


@pytest.mark.parametrize(("app", "other"), [APPS, APPS[::-1]])
def test_a_provisioner_does_with_its_own_tenant_what_the_template_says(both: Cluster, app: str, other: str) -> None:
    here = f"--namespace=td-{app}-acme"
    both.kubectl(me(app), "get", "secret", "talkdesk", here)
    both.kubectl(me(app), "create", "configmap", "account", here)
    both.kubectl(me(app), "delete", "configmap", "account", here)
    role = ("create", "role", "app", "--verb=get", "--resource=secrets", "--resource-name=talkdesk", here)
    both.kubectl(me(app), *role)
    both.kubectl(me(app), "create", "rolebinding", "app", "--role=app", f"--serviceaccount=td-{app}-acme:app", here)
    assert "escalate" not in other


@pytest.mark.parametrize(("app", "other"), [APPS, APPS[::-1]])
@pytest.mark.parametrize("what", ["secrets", "secret/talkdesk", "configmaps"])
def test_a_provisioner_reads_nothing_of_another_apps_tenants_nor_of_anybody(
    both: Cluster, app: str, other: str, what: str
) -> None:
    for where in (f"td-{other}-acme", other, app, "kube-system"):
        said = refusal(both, me(app), "get", what, f"--namespace={where}")
        assert "cannot get" in said or "cannot list" in said, (where, said)


@pytest.mark.parametrize(("app", "other"), [APPS, APPS[::-1]])
def test_a_provisioner_changes_nothing_of_another_apps_tenants(both: Cluster, app: str, other: str) -> None:
    theirs = f"td-{other}-acme"
    taken = json.dumps({"metadata": {"labels": {LABEL: app}}})
    dry = "--dry-run=server"
    attempts = (
        (("delete", "namespace", theirs, dry), ""),
        (("patch", "namespace", theirs, dry, "--type=merge", "-p", taken), ""),
        (("create", "-f", "-", dry), binding(app, f"{app}-tenant", theirs).replace("tenant-provisioner", "mine", 1)),
        (("delete", "rolebinding", "tenant-provisioner", f"--namespace={theirs}", dry), ""),
        (("create", "-f", "-", dry), namespace(f"td-{other}-globex", other)),
        (("create", "-f", "-", dry), namespace(f"td-{app}-globex", other)),
        (("create", "-f", "-", dry), namespace(f"td-{app}-globex")),
        (("patch", "namespace", f"td-{app}-acme", dry, "--type=merge", "-p", taken.replace(app, "none")), ""),
    )
    for command, stdin in attempts:
        said = refusal(both, me(app), *command, stdin=stdin)
        assert "another app's tenants" in said or f"names begin with td-{app}-, and" in said, (command, said)


@pytest.mark.parametrize("app", APPS)
def test_a_provisioner_gives_itself_no_more_than_its_role_and_nowhere_but_in_its_tenants(
    both: Cluster, app: str
) -> None:
    here = f"td-{app}-acme"
    greedy = binding(app, "cluster-admin", here).replace("tenant-provisioner", "greedy", 1)
    assert "attempting to grant RBAC permissions" in refusal(both, me(app), "create", "-f", "-", stdin=greedy)
    for where in ("default", "kube-system", app):
        said = refusal(both, me(app), "create", "-f", "-", stdin=binding(app, f"{app}-tenant", where))
        assert f"names begin with td-{app}-, and" in said, said


def test_in_a_namespace_that_nobody_labeled_nothing_is_made_until_it_has_the_label(both: Cluster) -> None:
    app, name = APPS[0], f"td-{APPS[0]}-nobodys"
    both.kubectl("create", "namespace", name)
    own = binding(app, f"{app}-tenant", name)
    assert "another app's tenants" in refusal(both, me(app), "create", "-f", "-", "--dry-run=server", stdin=own)
    both.kubectl(me(app), "label", "namespace", name, f"{LABEL}={app}")
    both.kubectl(me(app), "create", "-f", "-", stdin=own)
