"""Telling the app's own endpoints what happens to its customers.

    status.notifications ──▶ courier ──▶ lane of one endpoint and installation ──▶ sender
             ▲                                          │
             └────────── recorder, or a reconcile ◀─────┘

Belongs here: when something is sent, and recording what came of it. Does not belong here: what is told
(`domain.notifications`).
"""

__all__: tuple[str, ...] = ()
