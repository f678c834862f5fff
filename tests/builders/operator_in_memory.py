"""The operator's reconcilers and adapters put together over a cluster and a Talkdesk in memory.

It is what `wiring` does in a real process, without the process: no sockets, no queue, a clock that tests turn.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Any

from builders.api_server import HOME, ApiServer
from builders.journal import Journal
from builders.objects import INSTALLATION, NOON, app_object, credentials, installation_object, scope
from builders.scim import ScimInMemory
from builders.talkdesk_in_memory import TalkdeskInMemory
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import Decision, RequestType, TalkdeskInstallation
from talkdesk_crds.names import ANNOTATION_EVENT_TIME, LABEL_INSTALLATION, LABEL_MANAGED_BY, MANAGED_BY, SECRET_TYPE
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.adapters.kubernetes.revisions import KubernetesRevisions
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.reconcile.scope import Scope
from talkdesk_operator.domain.shard import WHOLE
from talkdesk_operator.domain.tenant.drift_ledger import DriftLedger
from talkdesk_operator.domain.tenant.waiting import WaitingTenants
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.reconcilers import (
    AccountReconciler,
    AppReconciler,
    CompiledApps,
    InstallationReconciler,
    TenantReconciler,
)
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.reconcilers.installation_statuses import InstallationStatuses
from talkdesk_operator.reconcilers.notifications.notifier import Notifier
from talkdesk_operator.reconcilers.rollouts import Rollouts
from talkdesk_operator.reconcilers.share import Share
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_operator.workqueue.contract import Cause, Result

ACCOUNT = "acc1"
KEY = AccountKey(HOME, "sentiment", ACCOUNT)
TENANT = "sentiment-acc1"
SPACE = "td-acc1"
"""The namespace that the template makes for the customer."""
_WATCHED = ("TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant")
IDENTITY = f"system:serviceaccount:{HOME}:provisioner"


def config_map(name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "${tenant.name}"}} | fields


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${tenant.name}"}}
TEMPLATE_STEPS: list[dict[str, Any]] = [
    {"name": "base", "manifests": [NAMESPACE, config_map("account", data={"company": "${account.companyName}"})]},
    {
        "name": "credentials",
        "onOffboard": "Delete",
        "manifests": [config_map("keys", kind="Secret", data={"key": "${base64.encode(bytes(credentials.keyId))}"})],
    },
]


def template(*steps: Mapping[str, Any]) -> dict[str, Any]:
    """The member `tenant` of an app's spec; a namespace with facts and a Secret with keys unless steps are given."""
    name = "${dnsLabel('td-' + account.id)}"  # short, for it stands in each expected request
    return {"serviceAccountName": "provisioner", "name": name, "steps": [*steps] or TEMPLATE_STEPS}


def sentiment(*steps: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    return app_object(tenant=template(*steps), **spec)


def installed(**fields: Any) -> dict[str, Any]:
    """A TalkdeskInstallation of the account as JSON, with a request to install; see `installation_object`."""
    return installation_object(**({"accountId": ACCOUNT} | fields))


def credentials_secret(
    name: str = "keys-1",
    *,
    client: str = "client-1",
    event_time: datetime = NOON,
    installation: str = INSTALLATION,
    **data: str | None,
) -> dict[str, Any]:
    """A Secret as the webhook stores it; None leaves a key out."""
    texts = {"client_id": client, "client_secret": "s", "private_key": "p", "key_id": "k-1", "key_algorithm": "ES256"}
    given = {key: text for key, text in (texts | data).items() if text is not None}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in given.items()}
    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_INSTALLATION: installation}
    annotations = {ANNOTATION_EVENT_TIME: to_wire_time(event_time)}
    metadata = {"name": name, "namespace": HOME, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE, "metadata": metadata, "data": encoded}


class OperatorInMemory:
    """One operator after the other over the same world; `restart` begins the next."""

    def __init__(
        self, *objects: Mapping[str, Any], now: datetime = NOON + timedelta(minutes=1), rolls_out: bool = False
    ) -> None:
        """Take the objects that are there at first: an app, a new installation and its credentials when none are.

        Unless it `rolls_out`, each tenant has the app's template as it is, and there are no revisions.
        """
        self.journal = Journal()
        self.server = ApiServer(*(objects or (sentiment(), installed(), credentials_secret())), journal=self.journal)
        self.talkdesk = TalkdeskInMemory(self.journal, ACCOUNT, clock=self._now)
        self.scim = ScimInMemory()
        self.now = now
        self.followed = 0
        self.shard = WHOLE
        self.surveyed: list[InformerCache] | None = None
        """All accounts, where several shards share them."""
        self.surveys = 0
        self.watches_tenants = True
        self.rolls_out = rolls_out
        self.answers: list[tuple[RequestType, Decision, str]] = []
        self.applied: list[tuple[str, str]] = []
        self.restart()

    def fork(self) -> "OperatorInMemory":
        """Return another operator over a copy of the world."""
        other = OperatorInMemory(now=self.now)
        other.journal = Journal()
        other.server = self.server.fork(other.journal)
        other.talkdesk = self.talkdesk.fork(other.journal)
        other.talkdesk.clock = other._now
        other.restart()
        return other

    def restart(self) -> None:
        """Begin anew with nothing but what the API server holds."""
        self.cache = InformerCache()
        self.ledger, self.waiting = DriftLedger(), WaitingTenants()
        self._shown: list[dict[str, Any]] = []
        self.watch()
        kube = self.server.kube
        self.cluster = KubernetesCluster(
            kube,
            Resources(kube),
            instance="operator-1",
            now=self._now,
            seen=self.cache.put,
            applied=self._applied,
            wrote=lambda _kind, _verb: None,
            watches=self,
        )
        records = SecretUserRecordStore(kube, wrote=lambda _kind, _verb: None)
        self.users = LicensedUsers(self.talkdesk, UserSync(self.cluster.read_secret, records, self.scim))
        self.tenants = TenantReconciler(
            self.cluster,
            self._now,
            users=self.users,
            cached=self.cache.installations,
            ledger=self.ledger,
            waiting=self.waiting,
        )
        self.installations = InstallationReconciler(
            self.cluster,
            TalkdeskSteps(self.cluster, self.talkdesk),
            self.tenants,
            self.users,
            reread=self.cache.current,
            now=self._now,
            answered=lambda kind, decision, outcome, _age: self.answers.append((kind, decision, outcome)),
            statuses=InstallationStatuses(
                self.cluster, reread=self.cache.current, chance=lambda: 0.5, notifier=self.begin_notifier()
            ),
        )
        self.apps = CompiledApps(self.cluster, self._now)
        share = Share(self._follow, self.shard, None if self.surveyed is None else self._survey)
        revisions = KubernetesRevisions(kube, wrote=lambda _kind, _verb: None)
        self.rollouts = Rollouts(self.cache, self.cluster, self.apps, revisions, now=self._now, survey=share.survey)
        rollouts = self.rollouts if self.rolls_out else None
        app = AppReconciler(self.cache, self.cluster, self.apps, now=self._now, share=share, rollouts=rollouts)
        self.accounts = AccountReconciler(
            self.cache,
            self.cluster,
            app,
            self.installations,
            self.tenants,
            now=self._now,
            share=share,
            ledger=self.ledger,
        )

    def begin_notifier(self) -> Notifier | None:
        """Return who tells endpoints what happens: nobody."""
        return None

    def deleting(self, uid: str) -> None:
        """Learn of a deletion of ours, as watches do."""

    def version_seen(self, _identity: str, manifest: Mapping[str, Any], uid: str) -> str | None:
        """Return what an up-to-date watch would show; there is none of Secrets."""
        found = [raw for raw in self.server.all(manifest["kind"]) if raw["metadata"]["uid"] == uid]
        unwatched = not self.watches_tenants or manifest["kind"] == "Secret"
        return None if unwatched or not found else str(found[0]["metadata"]["resourceVersion"])

    def _now(self) -> datetime:
        return self.now

    def _applied(self, identity: str, live: Mapping[str, Any]) -> None:
        self.applied.append((identity, live["kind"]))
        self.ledger.applied(live)

    async def _survey(self, _namespace: str, _name: str) -> AsyncGenerator[InformerCache, None]:
        self.surveys += 1
        for cache in self.surveyed or ():
            yield cache

    def _follow(self) -> None:
        self.followed += 1

    def watch(self) -> None:
        """Let the watches show what the API server holds now."""
        present = [raw for kind in _WATCHED for raw in self.server.all(kind)]
        uids = {raw["metadata"]["uid"] for raw in present}
        for raw in self._shown:
            if raw["metadata"]["uid"] not in uids:
                self.cache.remove(raw)
        for raw in present:
            self.cache.observe(raw)
        self._shown = present

    async def reconcile(self, *causes: Cause, key: AccountKey = KEY) -> Result:
        """Reconcile the account once, as after a change unless causes are given."""
        self.watch()
        return await self.accounts.reconcile(key, frozenset(causes or {Cause.WATCH}))

    async def converge(self, *causes: Cause, most: int = 20) -> Result:
        """Reconcile until nothing is to be done at once; what is tried again later stays for later."""
        result = await self.reconcile(*causes)
        conflicts = 0
        for _ in range(most):
            conflicts = conflicts + 1 if result.conflict else 0
            if conflicts == 0 and all(each.after > timedelta() for each in result.next):
                return result
            if conflicts > 3:
                return result  # the queue backs off
            result = await self.reconcile(Cause.RETRY)
        raise AssertionError("it does not converge")

    def change(self, kind: str, name: str, changes: Mapping[str, Any]) -> None:
        """Let somebody else change an object of ours."""
        self.server.edit(kind, name, changes)

    def asks(self, kind: str, *, event: str, at: datetime | None = None, **more: Any) -> None:
        """Let the webhook store another request of the installation."""
        request = {"type": kind, "eventId": event, "eventTime": to_wire_time(at or self.now)} | more
        self.change("TalkdeskInstallation", INSTALLATION, {"spec": {"request": request}})

    @property
    def installation(self) -> TalkdeskInstallation:
        return TalkdeskInstallation.read(self.server.get("TalkdeskInstallation", INSTALLATION))

    @property
    def tenant(self) -> TalkdeskTenant:
        return TalkdeskTenant.read(self.server.get("TalkdeskTenant", TENANT))

    def reason(self, condition: str = "Ready") -> str:
        """Return `status/reason` of a condition of the installation."""
        return _condition(self.server.get("TalkdeskInstallation", INSTALLATION), condition)

    def tenant_reason(self, condition: str = "Ready") -> str:
        return _condition(self.server.get("TalkdeskTenant", TENANT), condition)


def _condition(raw: Mapping[str, Any], kind: str) -> str:
    found = [c for c in raw["status"]["conditions"] if c["type"] == kind]
    return "/".join((found[0]["status"], found[0]["reason"])) if found else "none"


def tenant_scope(operator: OperatorInMemory) -> Scope:
    """The scope with which the domain asks for work on the tenant of the app `sentiment`, read afresh."""
    raw = operator.server.find("TalkdeskTenant", TENANT)
    return scope(
        now=operator.now,
        app=compile_app(TalkdeskApp.read(operator.server.get("TalkdeskApp", "sentiment"))),
        installation=TalkdeskInstallation.read(operator.server.get("TalkdeskInstallation", INSTALLATION)),
        tenant=TalkdeskTenant.read(raw) if raw is not None else None,
        credentials=credentials(),
    )
