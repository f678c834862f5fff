"""SCIM services that others wrote, for Django: whatever is odd about them is not of our making.

`python -m builders.foreign_django django-scim2 FOLDER` serves that package's users on a free port of loopback, keeps
them in the folder, and prints its URL.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from typing_extensions import override

_BASE = ("django.contrib.auth", "django.contrib.contenttypes")
_PACKAGES: dict[str, dict[str, Any]] = {
    "django-scim2": {
        "INSTALLED_APPS": (*_BASE, "django_scim", "builders.foreign_django"),
        "AUTH_USER_MODEL": "foreign_django.Person",
        "SCIM_SERVICE_PROVIDER": {
            "NETLOC": "localhost",
            "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "a token"}],
        },
    },
    "django-scim2-server": {
        "INSTALLED_APPS": (*_BASE, "django_scim2_server"),
        "SCIM2_SERVER_AUTH_CHECK": "builders.foreign_django.access.anybody",
    },
}
_URLS = {"django-scim2": "django_scim.urls", "django-scim2-server": "django_scim2_server.urls"}


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, *_arguments: Any) -> None:
        """Print nothing: the URL alone is read."""


def _urls(package: str) -> ModuleType:
    from django.urls import include, path  # noqa: PLC0415  # it needs the settings

    made = ModuleType("foreign_urls")
    made.urlpatterns = [path("scim/v2/", include(_URLS[package]))]  # type: ignore[attr-defined] # as Django has it
    sys.modules[made.__name__] = made
    return made


def _main(package: str, folder: Path) -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / f"{package}.db")}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        MIDDLEWARE=["builders.foreign_django.access.with_token"],
        ROOT_URLCONF="foreign_urls",
        SECRET_KEY="made up",  # nothing is signed
        USE_TZ=True,
        **_PACKAGES[package],
    )
    django.setup()
    _urls(package)
    call_command("migrate", run_syncdb=True, verbosity=0)
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=_Quiet) as server:
        print(f"http://127.0.0.1:{server.server_port}/scim/v2", flush=True)  # noqa: T201  # the test reads it
        server.serve_forever()


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
