"""Looking for thousands of secrets in hundreds of megabytes: by pieces of each, in one reading of the text."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from talkdesk_sandbox.simulator import Simulator

__all__ = ["Secrets"]

_PIECE = 20
"""Characters. Any 39 of a secret in a row hold one of its pieces, so a secret that was broken into lines is found."""
_RUN = re.compile(rb"[A-Za-z0-9_+/=-]{%d,}" % _PIECE)
_PRIVATE = slice(50, 90)
"""Where the base64 of a P-256 key in PKCS#8 is its secret number: before are constants, after it the public key."""


@dataclass
class Secrets:
    """All that must not be seen anywhere."""

    pieces: set[bytes] = field(default_factory=set)
    count: int = 0
    _known: set[str] = field(default_factory=set)

    def add(self, secret: str) -> None:
        """Look for it as it is, and as a Secret of Kubernetes shows it."""
        if secret in self._known:
            return
        self._known.add(secret)
        self.count += 1
        for text in (secret.encode(), b64encode(secret.encode())):
            self.pieces.update(_pieces(text))

    def collect(self, simulator: Simulator) -> None:
        """Add what this Talkdesk has given out by now; it forgets tokens that have expired."""
        for token in list(simulator.tokens._grants):
            self.add(token)
        for installation in list(simulator.state.installations.values()):
            for issued in installation.credentials:
                if issued.secret not in self._known:
                    self.add(issued.secret)
                    self.add(issued.key.encode_private("pkcs8", "none")[_PRIVATE])

    def found_in(self, texts: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """Yield the names of texts that hold a secret."""
        for name, text in texts:
            if any(self._is_in(found.group()) for found in _RUN.finditer(text)):
                yield name

    def _is_in(self, run: bytes) -> bool:
        return any(run[at : at + _PIECE] in self.pieces for at in range(len(run) - _PIECE + 1))


def _pieces(text: bytes) -> Iterator[bytes]:
    for at in range(0, len(text) - _PIECE + 1, _PIECE):
        yield text[at : at + _PIECE]
