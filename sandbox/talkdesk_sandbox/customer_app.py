"""A customer's app, as small as can be: `python -m talkdesk_sandbox.customer_app`, in a pod of a tenant.

It writes down each of its starts in a volume, and tells by HTTP what it sees of its tenant. Belongs here: files and
HTTP. Does not belong here: the template that makes its pod (`kind.manifests`).
"""

import json
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

__all__ = ["main"]

PORT: Final = 8080
_STARTS: Final = Path("/data/starts")
_KEY_ID: Final = Path("/credentials/key_id")


def seen(starts: Path = _STARTS, key_id: Path = _KEY_ID) -> dict[str, Any]:
    """Return the names of all pods that have started with this volume, and the id of the key in the tenant's Secret."""
    return {
        "starts": starts.read_text().split() if starts.exists() else [],
        "keyId": key_id.read_text().strip() if key_id.exists() else None,
    }


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer what is seen; /healthz answers too."""
        body = json.dumps(seen()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Write no access log."""


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    with _STARTS.open("a") as file:
        file.write(f"{socket.gethostname()}\n")
    server = ThreadingHTTPServer(("", PORT), _Handler)
    # `shutdown` waits for the loop of `serve_forever`, which the signal has interrupted.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"customer_app: listening on port {PORT}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
