"""Reconcilers: they carry out the steps that the domain decides on, and give it back what came of them.

Belongs here: the loop of observe, decide, act and write the status; the order of effects. Does not belong here: rules
(domain/), HTTP (adapters/), timing and concurrency (workqueue/).
"""

from talkdesk_operator.reconcilers.account import AccountReconciler
from talkdesk_operator.reconcilers.app import AppReconciler
from talkdesk_operator.reconcilers.apps import CompiledApps
from talkdesk_operator.reconcilers.installation import InstallationReconciler
from talkdesk_operator.reconcilers.tenant import TenantReconciler

__all__ = ["AccountReconciler", "AppReconciler", "CompiledApps", "InstallationReconciler", "TenantReconciler"]
