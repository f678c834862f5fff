"""The table: what is expected of each field of the specs, checked by changing it (`make fields`).

A field of a schema without a case fails a test, and so does a case without a field.
"""

from typing import Final

from fields.cases_app import APP_CASES
from fields.cases_installation import INSTALLATION_CASES
from fields.cases_tenant import TENANT_CASES
from fields.effects import Case

__all__ = ["CASES"]

CASES: Final[dict[str, Case]] = {
    f"{kind} {path}": case
    for kind, cases in (
        ("TalkdeskApp", APP_CASES),
        ("TalkdeskInstallation", INSTALLATION_CASES),
        ("TalkdeskTenant", TENANT_CASES),
    )
    for path, case in cases.items()
}
