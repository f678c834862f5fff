"""Commands for a person who writes a TalkdeskApp, beside the operator itself: what it would do, and how a rollout goes.

Belongs here: arguments, files, samples of customers, what is printed; only `live` asks a cluster, by dry runs. Does not
belong here: rules of templates (`templates`) and what a tenant should be (`domain`), which are used as they are.

    commands ─▶ explain
             ─▶ diff ─▶ live ─▶ comparison
                     ─▶ offline
             ─▶ golden ─▶ offline ─▶ documents, samples
             ─▶ printing
             ─▶ rollout
"""

__all__: list[str] = []
