"""Whether an installed webhook works, asked from within the cluster: `python -m talkdesk_webhook.check EVENTS_URL`.

`helm test` runs it in the webhook's own image, with its account. Two questions: does the API server have our kinds, and
does the webhook, behind its Service, know that an app is unknown? It can only know that from the API server. Each is
repeated for a while, because a Service leads to a new pod with some delay.

Statuses: 0 both are answered, 1 not, 2 arguments that are no good.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import aiohttp

from talkdesk_crds import KINDS
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import Kube
from talkdesk_runtime.kube_errors import KubeError, KubeNoPath

__all__ = ["main"]

_UNKNOWN_APP = "no-such-app"
_EVERY = 1.0
_ANSWER_WITHIN = aiohttp.ClientTimeout(total=10)


class _NotYet(Exception):
    """The question has no good answer; the message says what there is instead."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, say what came of it, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m talkdesk_webhook.check", description=__doc__)
    parser.add_argument("url", help="where events come in, such as http://talkdesk-webhook.talkdesk-system.svc/events")
    parser.add_argument("--namespace", default="default", help="namespace of the app that there is not")
    parser.add_argument("--kubeconfig", type=Path, help="instead of the pod's own service account")
    parser.add_argument("--within", type=float, default=60.0, help="seconds to repeat each question for")
    options = parser.parse_args(arguments)
    if not options.url.startswith(("http://", "https://")):
        parser.error("EVENTS_URL should begin with http:// or https://")
    within = timedelta(seconds=options.within)
    return asyncio.run(_check(options.url, options.namespace, options.kubeconfig, within))


async def _check(url: str, namespace: str, kubeconfig: Path | None, within: timedelta) -> int:
    unknown_app = f"{url.rstrip('/')}/{namespace}/{_UNKNOWN_APP}"
    kinds = await _ask(lambda: _kinds(kubeconfig), within)
    events = await _ask(lambda: _events(unknown_app), within)
    return 0 if kinds and events else 1


async def _ask(question: Callable[[], Awaitable[str]], within: timedelta) -> bool:
    """Ask until there is a good answer or no time is left, and print the last one."""
    clock = asyncio.get_running_loop()
    end = clock.time() + within.total_seconds()
    while True:
        try:
            answer = await question()
        except _NotYet as problem:
            if clock.time() >= end:
                sys.stdout.write(f"failed: {problem}\n")
                return False
            await asyncio.sleep(_EVERY)
        else:
            sys.stdout.write(f"ok: {answer}\n")
            return True


async def _kinds(kubeconfig: Path | None) -> str:
    try:
        async with await Kube.connect(user_agent="talkdesk-check", kubeconfig=kubeconfig) as kube:
            listing = await kube.request("GET", f"/apis/{GROUP}/{VERSION}")
    except KubeNoPath:
        raise _NotYet(f"the API server does not have {GROUP}/{VERSION}: the CRDs are not there") from None
    except KubeError as error:
        raise _NotYet(f"the API server can't be asked: {error}") from None
    wanted = {kind.INFO.plural for kind in KINDS}
    if missing := wanted - {each["name"] for each in listing["resources"]}:
        raise _NotYet(f"the API server does not have {', '.join(sorted(missing))} in {GROUP}/{VERSION}")
    return f"the API server has {', '.join(sorted(wanted))}"


async def _events(url: str) -> str:
    try:
        # A certificate is for the name that Talkdesk uses, not for the Service's.
        async with (
            aiohttp.ClientSession(timeout=_ANSWER_WITHIN) as session,
            session.post(url, json={}, ssl=False, allow_redirects=False) as response,
        ):
            status, body = response.status, await response.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _NotYet(f"{url} does not answer: {type(error).__name__}: {error}") from None
    if status == 404 and '"app_unknown"' in body:
        return f"{url} answers that there is no such app"
    raise _NotYet(f"{url} answers {status}, not that the app is unknown: {body[:200].strip()}")


if __name__ == "__main__":
    sys.exit(main())
