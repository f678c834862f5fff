"""Tenant templates: from an app's manifests and one account's facts to the objects that are applied.

Belongs here: CEL in leaves, checks at compile time, rendering, inventories and their order, readiness. All of it is
pure: the same input gives the same result, also where a child process finds it (`evaluator`).
Does not belong here: input and output, clocks, logging, and when to do what (`domain`, `reconcilers`).
"""

from talkdesk_operator.templates.cel import Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.errors import Problem, RenderError, TemplateError
from talkdesk_operator.templates.inventory import InventoryEntry, deletion_order, departed, merge, planned
from talkdesk_operator.templates.readiness import Failed, NotReady, Readiness, Ready, readiness
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant, render, render_name
from talkdesk_operator.templates.template import CompiledTemplate, StepSource

__all__ = [
    "CompiledTemplate",
    "Expression",
    "ExpressionError",
    "Failed",
    "InventoryEntry",
    "NotReady",
    "Problem",
    "Readiness",
    "Ready",
    "RenderError",
    "RenderedStep",
    "RenderedTenant",
    "StepSource",
    "TemplateError",
    "compile_expression",
    "deletion_order",
    "departed",
    "merge",
    "planned",
    "readiness",
    "render",
    "render_name",
]
