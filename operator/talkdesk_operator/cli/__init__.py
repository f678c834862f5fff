"""Commands for a person who writes a TalkdeskApp: what the operator would do, without a cluster, and rollouts in one.

Belongs here: arguments, files, samples of customers, what is printed. Does not belong here: rules of templates
(`templates`) and what a tenant should be (`domain`), which are used as they are.

    commands ─▶ explain
             ─▶ golden ─▶ offline ─▶ documents, samples
             ─▶ printing
             ─▶ rollout
"""

__all__: list[str] = []
