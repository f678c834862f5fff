"""The CEL rule by which one installation of Talkdesk's is one object: its name follows from the app and Talkdesk's id.

The rule says of a new object what `names.installation_name` says, but for the digits of a hash, which CEL can't
compute. An object that was there before the rule is left alone: no write of it is refused for its name.
"""

from typing import Any, Final

from talkdesk_crds.names import HASH_LENGTH, LABEL_LENGTH

__all__ = ["INSTALLATION_NAME", "at_most"]

_NAME: Final = "self.metadata.name"
_ID: Final = "self.spec.installationId"
_IS_LABEL: Final = f"plain.size() <= {LABEL_LENGTH} && plain.matches('^[a-z0-9][-a-z0-9]*$') && !{_ID}.contains('-')"
_HAS_REMNANT: Final = (
    f"plain.size() <= {LABEL_LENGTH - HASH_LENGTH - 1} && plain.lowerAscii().matches('^[a-z0-9]+(-[a-z0-9]+)*$')"
)
_HASHED: Final = (
    f"{_NAME}.size() <= {LABEL_LENGTH} && {_NAME}.matches('-[0-9a-f]{{{HASH_LENGTH}}}$')"
    f" && (!({_HAS_REMNANT}) || ({_NAME}.startsWith(plain.lowerAscii() + '-')"
    f" && {_NAME}.size() == plain.size() + {HASH_LENGTH + 1}))"
)


def _of_plain(expression: str) -> str:
    return f"[self.spec.appRef.name + '-' + {_ID}].exists(plain, {expression})"


INSTALLATION_NAME: Final[dict[str, Any]] = {
    "rule": f"oldSelf.hasValue() || {_of_plain(f'{_IS_LABEL} ? {_NAME} == plain : {_HASHED}')}",
    "optionalOldSelf": True,
    "message": "metadata.name must be <app>-<installation id>, because Talkdesk's events look for the installation"
    " there; with a hash where that is no DNS label or the id has a hyphen (see manifests/examples/import)",
}
"""One installation id is one object."""


def at_most(length: int) -> dict[str, Any]:
    """Return the rule for a kind whose names become values of labels."""
    return {
        "rule": f"{_NAME}.size() <= {length}",
        "message": f"metadata.name has at most {length} characters here",
    }
