"""The language of templates as a page."""

from generators.language_steps import limit_parts, pruning_parts, rollout_parts, step_parts
from generators.markdown import page, table
from talkdesk_operator.cli.explain import ANNOTATIONS, EXAMPLES, FUNCTIONS, ITEM, READINESS, READY_WHEN, VARIABLES
from talkdesk_operator.templates.readiness import GENERAL_RULES

__all__ = ["language_page"]


def language_page() -> str:
    """Return what a template can say, with examples, and what follows from it."""
    return page(
        "Language of templates",
        (
            "Any string of a template may hold `${ CEL }`. A string that is one expression becomes its value, of any "
            "type; in a longer string its value becomes text. `talkdesk-operator explain template` prints variables, "
            "functions and readiness at a terminal, [`talkdesk-operator render`](commands.md#render) what a template "
            "comes to."
        ),
        "## Variables",
        (
            "A type with `?` is null while Talkdesk has not told. `has(x.y)` is false for null, and null can't be part "
            "of a text. `credentials` may be used in `data` and `stringData` of Secrets alone."
        ),
        table(
            ("variable", "type", "what"),
            [(f"`{name}`", each.type, each.what) for name, each in sorted({**VARIABLES, "item": ITEM}.items())],
        ),
        "## Functions",
        "There are also the operators of CEL, `has`, and the macros `all`, `exists`, `exists_one`, `filter` and `map`.",
        table(
            ("example", "comes to", "what"),
            [(f"`{each.example}`", f"`{each.result}`", each.what) for each in FUNCTIONS.values()],
        ),
        "## Often needed",
        table(("what", "write"), [(what, f"`{text}`") for what, text in EXAMPLES.items()]),
        *step_parts(),
        "## Annotations of a manifest",
        "They say what becomes of its object. Their values may hold `${ CEL }`, too.",
        table(("annotation", "what"), [(f"`{name}`", what) for name, what in ANNOTATIONS.items()]),
        (
            "A field that is left to others is no drift when somebody changes it, `diff` shows no difference there, "
            "and it is never put back, not even for a moment. As long as nobody has changed it, it stays as it was "
            "made. Without the annotation the template's value counts again. Pointers lead through maps alone, not "
            "into lists. `apiVersion`, `kind`, `status`, the name, and what says whose the object is can't be left to "
            "others."
        ),
        "## When an object is ready",
        (
            "A step is begun when all objects of the one before it are ready. `readyWhen` of a step says when its "
            "objects are; without it these rules do, which are those of kstatus with few exceptions."
        ),
        "\n".join(f"* {each}" for each in GENERAL_RULES),
        table(("kind", "ready when"), list(READINESS.items())),
        (
            "An Ingress, and a Service of type LoadBalancer, are not waited for until they have an address, because "
            "many controllers never write one, and the step would wait for ever. `readyWhen` waits for it where that "
            "is wanted. It counts for all objects of its step, so give such an object a step of its own."
        ),
        table(("to wait until", "write as `readyWhen`"), [(what, f"`{text}`") for what, text in READY_WHEN.items()]),
        *pruning_parts(),
        *rollout_parts(),
        *limit_parts(),
    )
