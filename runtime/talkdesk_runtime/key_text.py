"""Cryptographic keys as text, in each form in which people, templates and services hand them on.

Belongs here: from text to the bytes of the key. Does not belong here: what kind of key it is, and whether it fits.

PEM, with or without other blocks before it; base64 alone, in lines or not, also in the alphabet for URLs and without
its end; either of them in base64 once more, as in a Secret that was copied out of YAML. Environment files, JSON and
templates write a line break as two characters, and twice escaped as three: backslashes are never part of a key.
"""

import base64
import binascii
import re
from typing import Final

__all__ = ["key_bytes"]

_ARMOR: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END", re.DOTALL)
_ESCAPES: Final = re.compile(r"\\+[nrt]")
_FROM_URL: Final = str.maketrans("-_", "+/")
_PEM: Final = b"-----BEGIN"


def key_bytes(text: str) -> bytes:
    """Return what the text holds in base64: DER, or a point of a curve; raise ValueError, which quotes nothing."""
    plain = _ESCAPES.sub("\n", text)
    blocks = [content for label, content in _ARMOR.findall(plain) if label.endswith("KEY")]
    data = _decoded(blocks[0] if blocks else plain)
    if not blocks and data.lstrip().startswith(_PEM):
        return key_bytes(data.decode("ascii", "replace"))
    return data


def _decoded(text: str) -> bytes:
    digits = "".join(text.split()).strip("'\"").rstrip("=").translate(_FROM_URL)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the key is not base64") from None
