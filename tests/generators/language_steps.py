"""What the page on the language of templates says of steps: their fields, what leaves, how a change rolls out.

Belongs here: parts made from the kinds' schemas and the code that decides. Does not belong here: variables and
functions (`language`), the examples (`step_examples`).
"""

from collections import defaultdict
from typing import Final

from pydantic.alias_generators import to_camel

from generators.documented import documented
from generators.kinds import field_rows
from generators.markdown import table
from generators.step_examples import STEP_EXAMPLES
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.tenant_objects import MAX_PLANNED, OrphanReason
from talkdesk_operator.domain.tenant.pruning import DELETED_BY_DEFAULT
from talkdesk_operator.domain.tenant.revision import NOT_IN_REVISIONS
from talkdesk_operator.templates import limits

__all__ = ["limit_parts", "pruning_parts", "rollout_parts", "step_fields", "step_parts"]

_APPS: Final = TalkdeskApp.INFO.plural
_HEAD: Final = ("field", "type", "default", "what")


def step_fields() -> tuple[tuple[str, str, str, str], ...]:
    """Return the rows of a step's own fields."""
    return tuple(row for row in field_rows(_APPS, "spec", "tenant", "steps") if "[" not in row[0] and "." not in row[0])


def step_parts() -> tuple[str, ...]:
    """Return what a step can say, with examples."""
    return (
        "## Steps",
        (
            "`spec.tenant.steps` are applied in order; a step is begun when the objects of the one before are ready, "
            "or when a customer does not get that one. Each manifest is one object, in the namespace `${tenant.name}`."
        ),
        table(_HEAD, step_fields()),
        *(f"{each.what}:\n\n```yaml\n{each.text}```" for each in STEP_EXAMPLES),
    )


def pruning_parts() -> tuple[str, ...]:
    """Return what becomes of objects that leave a template."""
    kinds = defaultdict(list)
    for group, kind in sorted(DELETED_BY_DEFAULT):
        kinds[group or "core"].append(kind)
    return (
        "## What leaves the template",
        (
            "An object leaves the template when no step names it any more: it was taken out or renamed, `includeWhen` "
            "got false, or `forEach` lost its element. While the customer has the app, what the template last said of "
            "it counts: the annotation `appconnect.talkdesk.dev/on-remove` of the object, or else `onRemove` of its "
            "step. Where neither says anything, these kinds are deleted, and all others are kept, because they may "
            "hold data:"
        ),
        table(("group", "deleted"), [(group, ", ".join(names)) for group, names in kinds.items()]),
        (
            "What is kept is in `status.orphanedObjects` of the TalkdeskTenant, with the command that deletes it and "
            "one of these reasons; the condition `PruneHeld` is True meanwhile. What comes back into the template is "
            "the template's again. After an uninstall `onOffboard` and the retention count, and after the retention "
            "everything is deleted, orphans too."
        ),
        table(("reason", "when it is kept"), documented(OrphanReason)),
    )


def rollout_parts() -> tuple[str, ...]:
    """Return which changes are rolled out, and how."""
    fields = [
        name.removeprefix("`").removesuffix("`")
        for name, *_ in field_rows(_APPS, "spec", "tenant")
        if "." not in name and "[" not in name
    ]
    names = {to_camel(each) for each in NOT_IN_REVISIONS}
    revision = ", ".join(f"`tenant.{name}`" for name in fields if name not in names)
    return (
        "## A change of the template",
        (
            f"What a template means is a revision: {revision}. A change of it reaches the tenants that exist "
            "[a few at a time](../how-to/roll-out-a-template-change.md), by `spec.templateRollout`; "
            + ", ".join(f"`tenant.{name}`" for name in sorted(names))
            + " and all else of the app count for all at once. Facts of a customer, credentials and the values of a "
            "TalkdeskTenant wait for no turn: they are filled into the revision that the tenant has."
        ),
        table(_HEAD, field_rows(_APPS, "spec", "templateRollout")),
    )


def limit_parts() -> tuple[str, ...]:
    """Return how much a template may be and do."""
    return (
        "## Limits",
        table(
            ("of", "at most"),
            (
                ("objects of a tenant", f"{MAX_PLANNED}"),
                ("elements of `forEach`", f"{limits.MAX_ITEMS}"),
                ("expressions of a template", f"{limits.MAX_EXPRESSIONS:,}"),
                ("an expression", f"{limits.MAX_SOURCE:,} characters"),
                ("a list, and a text, that a function returns", f"{limits.MAX_LIST}; {limits.MAX_TEXT:,} characters"),
                ("processor time of an expression", f"{limits.EVALUATION_SECONDS} s"),
                ("processor time of all of one customer", f"{limits.MAX_PASS_SECONDS:g} s"),
                ("what all of one customer fill in", f"{limits.MAX_PASS_RESULTS >> 20} MiB"),
            ),
        ),
        (
            "What is beyond is said as a mistake of the template, of all customers or of one; expressions that may "
            "take long are evaluated in a process of their own, so that nobody else waits for them."
        ),
    )
