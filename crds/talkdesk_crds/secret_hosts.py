"""For which hosts a Secret may be used that a TalkdeskApp names: the Secret itself says so, by an annotation.

Whoever writes an app chooses both, a Secret and a URL, and may not be allowed to read that Secret. So operator and
webhook use none for a host that is not named by somebody who may change the Secret.

Belongs here: the one check for all such references, and its words; pure. Does not belong here: reading a Secret.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from talkdesk_crds.names import ANNOTATION_FOR_HOSTS

__all__ = ["covers_host", "host_of", "host_of_template", "hosts_problem"]

_PORTS = {"https": 443, "http": 80}


def host_of(url: str) -> str:
    """Return host and port of a URL as the annotation has them, without a port that goes without saying.

    Empty where the URL has no host that can be read.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None or port == _PORTS.get(parts.scheme) else f"{host}:{port}"


def host_of_template(url: str) -> str | None:
    """Return the host of a URL with `${ CEL }`; None where that is yet to be filled in."""
    return None if "${" in "/".join(url.split("/", 3)[:3]) else host_of(url)


def hosts_problem(namespace: str, name: str, metadata: Mapping[str, Any], host: str | None) -> str:
    """Return why the Secret with this metadata must not be used for the host, and what to do; empty when it may.

    Where the host is not known yet, the Secret has to name any.
    """
    value = str((metadata.get("annotations") or {}).get(ANNOTATION_FOR_HOSTS, ""))
    entries = [entry for part in value.split(",") if (entry := part.strip().lower())]
    if entries if host is None else any(covers_host(entry, host) for entry in entries):
        return ""
    where = "any host" if host is None else f"the host {host}"
    told = ",".join((*entries, host or "HOST"))
    return (
        f"the Secret {name} is not released for {where}; whoever may change the Secret does so by:"
        f" kubectl -n {namespace} annotate secret {name} --overwrite '{ANNOTATION_FOR_HOSTS}={told}'"
    )


def covers_host(entry: str, host: str) -> bool:
    """Return whether an entry of a list of hosts is the host, or has a star in the place of its first label."""
    rest = host.partition(".")[2]
    return bool(host) and (entry == host or (bool(rest) and entry == f"*.{rest}"))
