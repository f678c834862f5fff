"""What can go wrong when the state is asked for something or changed.

::

    StateError             the caller asked for something that is impossible now
    ├── NotFoundError      no such app, account, installation, user, event
    └── ConflictError      it exists, but its state forbids the request
"""


class StateError(Exception):
    """The caller asked for something that is impossible now."""


class NotFoundError(StateError):
    """There is no such thing."""


class ConflictError(StateError):
    """Its state forbids the request."""
