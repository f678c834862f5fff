"""Which rights are missing, as the API server itself says it: before the first customer meets it.

Belongs here: the reviews. Does not belong here: which rights are needed, words (`domain.reconcile.access`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.access import (
    AccessReport,
    Party,
    Place,
    Right,
    TemplateKind,
    rights_in_namespace,
    template_kinds,
    watched_kinds,
)
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeForbidden, KubeRefused

__all__ = ["KubernetesAccessReviews"]

_AUTHORIZATION: Final = "authorization.k8s.io/v1"
_AT_ONCE: Final = 8
_ACCOUNT: Final = "system:serviceaccount:"


class KubernetesAccessReviews:
    """Reviews of the operator's own rights, and of those of the service accounts that it works with."""

    def __init__(self, kube: Kube, resources: Resources) -> None:
        self._kube = kube
        self._resources = resources
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def review(self, app: CompiledApp) -> AccessReport:
        """Return which rights are missing, and which kinds; raises KubeError."""
        me = await self._own_name()
        is_account = me.startswith(_ACCOUNT) and me.endswith(":talkdesk-operator")
        system = me.removeprefix(_ACCOUNT).partition(":")[0] if is_account else "talkdesk-system"
        plurals, absent = await self._plurals(watched_kinds(app))
        needed = [right for right in rights_in_namespace(app) if is_account or right.party is not Party.WEBHOOK]
        needed += [right for kind in template_kinds(app) for right in kind.rights(plurals.get(kind.everywhere, ""))]
        watching = [right for kind, plural in plurals.items() for right in kind.watch_rights(plural)]
        users = {Party.PROVISIONER: app.identity, Party.WEBHOOK: f"{_ACCOUNT}{system}:talkdesk-webhook"}
        answers = await self._answers([right for right in (*needed, *watching) if right.resource], users)
        return AccessReport(
            Place(app.resource.metadata.namespace, app.resource.spec.tenant.service_account_name, system),
            missing=tuple(right for right in dict.fromkeys(needed) if answers.get(right) is False),
            unwatched=tuple(right for right in dict.fromkeys(watching) if answers[right] is False),
            absent=absent,
            unknown=tuple(dict.fromkeys(right.party for right, answer in answers.items() if answer is None)),
        )

    async def _plurals(self, kinds: Iterable[TemplateKind]) -> tuple[dict[TemplateKind, str], tuple[str, ...]]:
        """Return how the API server calls the kinds that it has, and why it has not the others. Raises KubeError."""
        found, absent = {}, []
        for kind in kinds:
            try:
                path = await self._resources.collection(kind.group, kind.version, kind.kind)
            except KubeRefused as error:
                absent.append(str(error))
            else:
                found[kind] = path.rpartition("/")[2]
        return found, tuple(absent)

    async def _answers(self, rights: Iterable[Right], users: Mapping[Party, str]) -> dict[Right, bool | None]:
        asked = tuple(dict.fromkeys(rights))
        answers = await asyncio.gather(*(self._is_allowed(right, users.get(right.party)) for right in asked))
        return dict(zip(asked, answers, strict=True))

    async def _own_name(self) -> str:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._kube.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        return str(answer.get("status", {}).get("userInfo", {}).get("username", ""))

    async def _is_allowed(self, right: Right, user: str | None) -> bool | None:
        """Return whether a user, or the operator itself, has a right; None where the API server does not say."""
        attributes = {"verb": right.verb, "group": right.group, "resource": right.resource}
        attributes |= {"namespace": right.namespace} if right.namespace else {}
        attributes |= {"name": right.name} if right.name else {}
        spec: dict[str, Any] = {"resourceAttributes": attributes}
        if user is None or right.party is Party.PROVISIONER:
            # Who may act in somebody's name may ask so, too: that needs no right in the whole cluster.
            answer = await self._asked("SelfSubjectAccessReview", spec, as_user=user)
            if answer is not None or user is None:
                return answer
        namespace = user.removeprefix(_ACCOUNT).partition(":")[0]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        return await self._asked("SubjectAccessReview", spec | {"user": user, "groups": groups})

    async def _asked(self, kind: str, spec: dict[str, Any], *, as_user: str | None = None) -> bool | None:
        body = {"apiVersion": _AUTHORIZATION, "kind": kind, "spec": spec}
        path = f"/apis/{_AUTHORIZATION}/{kind.lower()}s"
        async with self._slots:
            try:
                answer = await self._kube.request("POST", path, body=body, as_user=as_user)
            except KubeForbidden:
                return None  # whoever uses the right will say so
        return bool(answer.get("status", {}).get("allowed"))
