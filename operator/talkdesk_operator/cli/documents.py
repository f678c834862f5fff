"""Objects from YAML files, as `kubectl apply -f` reads them.

Belongs here: reading, and saying what is wrong with a file. Does not belong here: what is done with the objects.

    UnusableFile    the file, or the object in it, can't be used; `str()` says which and why
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError
from typing_extensions import override
from yaml.constructor import ConstructorError

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.kind import CustomResource

__all__ = ["UnusableFile", "placed", "read_app", "read_installation", "read_map", "read_objects"]

_R = TypeVar("_R", bound=CustomResource)
_MOST_PROBLEMS: Final = 10
_UNNAMED: Final = "(without a name)"


class UnusableFile(Exception):
    """The file, or the object in it, can't be used."""


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes takes it: a time is a text, and a key is not written twice."""

    @override
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return the map. Raises ConstructorError for a key that is there twice."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise ConstructorError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_objects(path: Path) -> list[Any]:
    """Return all documents of a file, what is in a List one by one. Raises UnusableFile."""
    objects: list[Any] = []
    for each in _documents(path):
        objects.extend(each["items"] if isinstance(each.get("items"), list) else [each])
    return objects


def read_app(path: Path, name: str = "") -> TalkdeskApp:
    """Return the TalkdeskApp of a file: its only one, or the one of that name. Raises UnusableFile."""
    return _only(TalkdeskApp, path, name, "--app NAME says which")


def placed(app: TalkdeskApp, namespace: str) -> TalkdeskApp:
    """Return the app in that namespace; as it is where none is given."""
    metadata = app.metadata.model_copy(update={"namespace": namespace}) if namespace else app.metadata
    return app.model_copy(update={"metadata": metadata})


def read_installation(path: Path) -> TalkdeskInstallation:
    """Return the only TalkdeskInstallation of a file, such as `kubectl get tdi NAME -o yaml` prints.

    Raises UnusableFile.
    """
    return _only(TalkdeskInstallation, path, "", "a file with one is needed")


def read_map(path: Path) -> dict[str, Any]:
    """Return the only map of a file; of a file without content an empty one. Raises UnusableFile."""
    found = _documents(path)
    if len(found) > 1:
        raise UnusableFile(f"{path}: holds {len(found)} documents, not one")
    return found[0] if found else {}


def _documents(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        found = [each for each in yaml.load_all(text, _Loader) if each is not None]
    except OSError as error:
        raise UnusableFile(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnusableFile(f"{path}: is not UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnusableFile(f"{path}: {' '.join(str(error).split())}") from None
    if not all(isinstance(each, dict) for each in found):
        raise UnusableFile(f"{path}: holds something that is no map")
    return found


def _only(kind: type[_R], path: Path, name: str, advice: str) -> _R:
    of_kind = [each for each in read_objects(path) if isinstance(each, dict) and each.get("kind") == kind.INFO.kind]
    found = [each for each in of_kind if not name or _name_of(each) == name]
    if not found:
        called = f" with the name {name}" if name else ""
        raise UnusableFile(f"{path}: has no {kind.INFO.kind}{called}")
    if len(found) > 1:
        names = ", ".join(_name_of(each) or _UNNAMED for each in found)
        raise UnusableFile(f"{path}: has {len(found)} objects of the kind {kind.INFO.kind} ({names}); {advice}")
    return _valid(kind, path, found[0])


def _valid(kind: type[_R], path: Path, raw: Mapping[str, Any]) -> _R:
    """Return the object as the operator reads it, with what the API server would add to it."""
    metadata = raw.get("metadata")
    given = dict(metadata) if isinstance(metadata, dict) else {}
    complete = {"namespace": "default", "uid": "", "generation": 1, "resourceVersion": "0"} | given
    try:
        return kind.model_validate({**raw, "metadata": complete})
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors(include_url=False, include_input=False)]
        shown = [f"  {each}" for each in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            shown.append(f"  and {len(problems) - _MOST_PROBLEMS} more")
        raise UnusableFile("\n".join([f"{path}: {kind.INFO.kind} {_name_of(raw) or _UNNAMED}:", *shown])) from None


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _name_of(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""
