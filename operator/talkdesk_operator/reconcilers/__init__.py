"""Reconcilers: they do what the domain decides, and put what came of it back before it.

Belongs here: the loop observe, decide, act, status; the order of effects. Does not belong here: rules (domain/), HTTP
(adapters/), timing and concurrency (queue.py).
"""

from talkdesk_operator.reconcilers.account import AccountReconciler
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.installation import InstallationReconciler
from talkdesk_operator.reconcilers.tenant import TenantReconciler

__all__ = ["AccountReconciler", "CompiledApps", "InstallationReconciler", "TenantReconciler"]
