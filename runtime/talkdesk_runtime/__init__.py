"""What every process of ours needs in a cluster, whatever it does there.

Belongs here: plumbing that knows nothing of Talkdesk (the Kubernetes API, HTTP and proxies, settings, logs) and the one
circuit breaker, back-off, bounded map and clock. Does not belong here: decisions, names of our kinds.
Import the modules: the package itself imports none, so that the vocabulary (talkdesk_crds) can use a small one without
the rest.
"""

__all__: list[str] = []
