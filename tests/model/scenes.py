"""The scenes that are searched, and their bounds.

Each begins with an app, and with what the customer did before; then the customer does what the script says, at any
time. People, events, the operator, the clock and disturbances come in between in every possible order.
"""

from dataclasses import replace
from typing import Any

from builders.objects import app_object
from builders.operator_in_memory import template
from model.app_status import with_status
from model.faults import Bounds
from model.hook_truth import KEY, called
from model.moves import Scene
from model.scim_truth import TOKEN, USERS
from model.suspension import TEMPLATE
from model.templates import BEFORE

__all__ = ["SCENES", "WIDE_SCENES"]

_ALL = ("fault", "crash", "between", "stale", "again", "outage")
_WITHOUT_FAULTS = ("crash", "between", "stale")


def _scene(
    name: str,
    *script: str,
    before: tuple[str, ...] = (),
    people: tuple[str, ...] = (),
    sorts: tuple[str, ...] = _ALL,
    clock: int = 1,
    at: tuple[str, ...] = (),
    **app: Any,
) -> Scene:
    """Return a scene with one disturbance of one of these sorts; only requests `at` these parts of a line fail."""
    bounds = Bounds(1, dict.fromkeys(sorts, 1), clock=clock, at=at)
    besides = (*((TOKEN,) if "users" in app else ()), *((KEY,) if "/control." in str(app) else ()))
    app_of_scene = app_object(**({"tenant": template()} | app))
    whole = with_status(app_of_scene) if "shorten" in people else app_of_scene
    return Scene(name, whole, _acts(script), _acts(before), people, besides, bounds)


def _acts(script: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return acts of the customer's: each is a kind and an installation."""
    return tuple((act.split()[0], act.split()[1]) for act in script)


def _with_users(name: str, *script: str, **given: Any) -> Scene:
    """Return a scene of an app with a SCIM service, in which only requests about users fail."""
    return _scene(name, *script, users=USERS, **({"at": _OF_USERS} | given))


def _of_service(name: str, *script: str, **given: Any) -> Scene:
    """Return a scene of an app that calls a service, in which only requests about it fail."""
    return _scene(name, *script, **({"at": _OF_SERVICE, "sorts": ("fault",), "tenant": called()} | given))


_TRIED = ("try i1",)
_INSTALLED = ("install i1",)
_REINSTALL = ("uninstall i1", "install i2")
_OF_USERS = ("USER", "users", "secrets/scim")
_FOR_USERS = ("fault", "crash", "between", "stale")
_OF_SERVICE = ("SERVICE", "-hooks")
_DELETE = called(on_offboard="Delete")
_RACES = ("between",)
_SLOW_DELETE = called(slow=True, on_offboard="Delete")
_MANUAL = {"mode": "Manual"}
SCENES = (
    _scene("a life", "install i1", "uninstall i1"),
    _scene("an update", "update i1", before=_INSTALLED),
    _scene("a rotation", "rotate i1", before=_INSTALLED),
    _scene("a reinstall", "uninstall i1", "install i2", before=_INSTALLED, sorts=("between", "stale")),
    _scene("a second installation", "install i2", "uninstall i1", before=_INSTALLED, sorts=("between",)),
    _scene("a return under the same id", "install i1", before=("install i1", "uninstall i1"), sorts=("fault", "stale")),
    _scene("two leaders", "install i1", "uninstall i1", sorts=("leader",)),
    _scene("an update overtaken", "update i1", "uninstall i1", before=_INSTALLED, sorts=("between",), clock=0),
    _scene("a lost event", "update i1", "uninstall i1", before=_INSTALLED, sorts=("given up",)),
    _scene("a person decides", "install i1", people=("approve", "reject"), sorts=_WITHOUT_FAULTS, approval=_MANUAL),
    _scene("a pause", "uninstall i1", before=_INSTALLED, people=("pause", "resume"), sorts=("crash", "between")),
    _scene("a deletion by hand", "update i1", before=_INSTALLED, people=("delete",), sorts=_WITHOUT_FAULTS),
    _scene("a purge", "uninstall i1", before=_INSTALLED, people=("purge",), sorts=_WITHOUT_FAULTS),
    _scene("a trial", "expire i1", "upgrade i1", before=_TRIED, sorts=(*_WITHOUT_FAULTS, "given up"), tenant=TEMPLATE),
    _scene("a trial, and faults", "expire i1", before=_TRIED, sorts=("fault",), tenant=TEMPLATE),
    _scene("a trial upgraded", "upgrade i1", "uninstall i1", before=_TRIED, sorts=("given up",), tenant=TEMPLATE),
    _scene("an edit", "uninstall i1", before=_INSTALLED, people=("edit", "restore"), sorts=("crash",), tenant=BEFORE),
    _scene("an edit, and faults", before=_INSTALLED, people=("edit",), sorts=_ALL, tenant=BEFORE),
    _scene("an edit of the retention", "uninstall i1", before=_INSTALLED, people=("shorten",), sorts=_WITHOUT_FAULTS),
    _scene("drift", "update i1", before=_INSTALLED, people=("spoil", "remove"), sorts=_WITHOUT_FAULTS),
    _of_service("a service", "install i1", "uninstall i1", sorts=("fault", "crash"), clock=0),
    _of_service("a slow service", "install i1", clock=3, tenant=called(slow=True)),
    _of_service("a slow service, and a leave", "uninstall i1", before=_INSTALLED, clock=2, tenant=_SLOW_DELETE),
    _of_service("a service of a trial", "expire i1", "upgrade i1", before=_TRIED, clock=0),
    _of_service("a service of a reinstall", *_REINSTALL, before=_INSTALLED, clock=0),
    _of_service("a service of a purge", "uninstall i1", before=_INSTALLED, people=("purge",), clock=0),
    _of_service("a return to a service", *_REINSTALL, before=_INSTALLED, clock=0, sorts=_RACES, tenant=_DELETE),
    _of_service("a purge of a service", *_REINSTALL, before=_INSTALLED, people=("purge",), clock=0, sorts=_RACES),
    _of_service("credentials of a service", "rotate i1", before=_INSTALLED, tenant=called(credentials=True)),
    _with_users("users", "install i1", "uninstall i1", sorts=(*_FOR_USERS, "again")),
    _with_users("users change", "restaff i1", before=_INSTALLED, sorts=(*_FOR_USERS, "given up", "outage")),
    _with_users(
        "users of a reinstall", *_REINSTALL, before=_INSTALLED, sorts=("fault", "stale"), at=("USER",), clock=0
    ),
    _with_users("users of a purge", "uninstall i1", before=_INSTALLED, people=("purge",), sorts=("fault", "crash")),
)
"""What CI searches: one disturbance in each run of the world."""


def _widened(scene: Scene, total: int, *, wide: bool) -> Scene:
    return replace(scene, bounds=Bounds(total, dict.fromkeys((*_ALL, *scene.bounds.each), total), clock=3, wide=wide))


WIDE_SCENES = (
    *(_widened(each, 1, wide=True) for each in SCENES),
    _widened(_scene("update and uninstall", "update i1", "uninstall i1", before=_INSTALLED), 1, wide=False),
    _widened(_scene("rotation and uninstall", "rotate i1", "uninstall i1", before=_INSTALLED), 1, wide=False),
    _widened(
        _scene("a long life", "install i1", "update i1", "rotate i1", "uninstall i1", "install i2"), 0, wide=False
    ),
    _widened(_scene("a life, disturbed twice", "install i1", "uninstall i1"), 2, wide=False),
)
"""What a night is for: all disturbances and all errors, and two of them in one run."""
