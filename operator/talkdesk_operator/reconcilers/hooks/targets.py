"""How a partner's service is called: its keys and certificates, from Secrets of the app's namespace.

Belongs here: reading them, and what is wrong with them. Does not belong here: calls (`adapters.hooks`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias

from pydantic import SecretStr

from talkdesk_crds.app_users import SecretKeyRef
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.secret_hosts import host_of, hosts_problem
from talkdesk_operator.domain.ports.cluster import NamedSecret
from talkdesk_operator.domain.ports.hooks import ClientCertificate, HookTarget
from talkdesk_operator.domain.reconcile.failure import Failure, RetryClass
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets

__all__ = ["CallSettings", "ReadSecret", "target_of"]

ReadSecret: TypeAlias = Callable[[str, str], Awaitable[NamedSecret | None]]
"""`Cluster.read_secret`: returns a Secret by namespace and name, None when there is none."""


class CallSettings(Protocol):
    """What an app says of calls: of an `http` step, or of an endpoint that is told what happens."""

    @property
    def secret_ref(self) -> SecretKeyRef:
        """The signing key."""
        ...

    @property
    def timeout(self) -> str:
        """A duration, for one request."""
        ...

    @property
    def ca_bundle(self) -> str:
        """Certificates in PEM, or nothing."""
        ...

    @property
    def client_certificate_ref(self) -> LocalRef | None:
        """The Secret with the client's certificate."""
        ...


_CERTIFICATE: Final = "tls.crt"
_KEY: Final = "tls.key"


async def target_of(
    read_secret: ReadSecret,
    namespace: str,
    name: str,
    settings: CallSettings,
    url: str | None,
    headers: Mapping[str, str],
) -> HookTarget | Failure:
    """Return how the service at this URL is called; a Failure says what is missing. Raises KubeError.

    Where the URL is not known yet, the Secrets have to name any host.
    """
    host, ref = None if url is None else host_of(url), settings.secret_ref
    secret = await _released(read_secret, namespace, ref.name, host)
    if isinstance(secret, Failure):
        return secret
    value = secret.data.get(ref.key)
    if value is None:
        return _unusable(f"the Secret {ref.name} has no {ref.key}, which should be a signing key")
    try:
        keys = WebhookSecrets.read(value.get_secret_value())
    except KeyUnusable as error:
        return _unusable(f"{ref.key} in the Secret {ref.name} can't be used: {error}")
    certificate: ClientCertificate | None = None
    if settings.client_certificate_ref is not None:
        found = await _certificate(read_secret, namespace, settings.client_certificate_ref.name, host)
        if isinstance(found, Failure):
            return found
        certificate = found
    timeout = parse_duration(settings.timeout)
    return HookTarget(name, keys, timeout, headers, settings.ca_bundle, certificate)


async def _certificate(
    read_secret: ReadSecret, namespace: str, name: str, host: str | None
) -> ClientCertificate | Failure:
    secret = await _released(read_secret, namespace, name, host)
    if isinstance(secret, Failure):
        return secret
    certificate, key = (secret.data.get(each, SecretStr("")).get_secret_value() for each in (_CERTIFICATE, _KEY))
    if not certificate or not key:
        return _unusable(f"the Secret {name} has no {_CERTIFICATE} and {_KEY}")
    return ClientCertificate(certificate, SecretStr(key))


async def _released(read_secret: ReadSecret, namespace: str, name: str, host: str | None) -> NamedSecret | Failure:
    secret = await read_secret(namespace, name)
    if secret is None:
        return _unusable(f"there is no Secret {name}")
    problem = hosts_problem(namespace, name, secret.metadata, host)
    return _unusable(problem) if problem else secret


def _unusable(message: str) -> Failure:
    return Failure(Reason.HOOK_KEY_MISSING, message, RetryClass.SLOW)
