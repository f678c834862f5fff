"""Which rights are missing, as the API server itself says it: before the first customer meets it.

Belongs here: the reviews. Does not belong here: which rights are needed, words (`domain.reconcile.access`).
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.access import (
    Party,
    Place,
    Right,
    describe_missing,
    rights_in_namespace,
    template_kinds,
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

    async def missing(self, app: CompiledApp) -> str:
        """Return in words, and as YAML to copy, which rights are missing; raises KubeError."""
        me = await self._own_name()
        is_account = me.startswith(_ACCOUNT) and me.endswith(":talkdesk-operator")
        system = me.removeprefix(_ACCOUNT).partition(":")[0] if is_account else "talkdesk-system"
        rights = [right for right in rights_in_namespace(app) if is_account or right.party is not Party.WEBHOOK]
        for kind in template_kinds(app):
            with suppress(KubeRefused):  # a kind that is not served is said by whoever applies it
                path = await self._resources.collection(kind.group, kind.version, kind.kind)
                rights += kind.rights(path.rpartition("/")[2])
        users = {Party.PROVISIONER: app.identity, Party.WEBHOOK: f"{_ACCOUNT}{system}:talkdesk-webhook"}
        allowed = await asyncio.gather(*(self._is_allowed(right, users.get(right.party)) for right in rights))
        lacking = [right for right, is_allowed in zip(rights, allowed, strict=True) if not is_allowed]
        metadata, account = app.resource.metadata, app.resource.spec.tenant.service_account_name
        return describe_missing(lacking, Place(metadata.namespace, account, system))

    async def _own_name(self) -> str:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._kube.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        return str(answer.get("status", {}).get("userInfo", {}).get("username", ""))

    async def _is_allowed(self, right: Right, user: str | None) -> bool:
        attributes = {"verb": right.verb, "group": right.group, "resource": right.resource}
        attributes |= {"namespace": right.namespace} if right.namespace else {}
        attributes |= {"name": right.name} if right.name else {}
        spec: dict[str, Any] = {"resourceAttributes": attributes}
        kind = "SelfSubjectAccessReview"
        if user is not None:
            kind = "SubjectAccessReview"
            namespace = user.removeprefix(_ACCOUNT).partition(":")[0]
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
            spec |= {"user": user, "groups": groups}
        body = {"apiVersion": _AUTHORIZATION, "kind": kind, "spec": spec}
        path = f"/apis/{_AUTHORIZATION}/{kind.lower()}s"
        async with self._slots:
            try:
                answer = await self._kube.request("POST", path, body=body)
            except KubeForbidden:
                return True  # not known: whoever uses the right will say so
        return bool(answer.get("status", {}).get("allowed"))
