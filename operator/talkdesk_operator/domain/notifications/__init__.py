"""What the app's own endpoints are told of an installation.

    happenings ──▶ outbox ──▶ the status, in the write that shows what happened ──▶ deliveries ──▶ outbox

The outbox is part of the status, so nothing is lost between what happened and its being told.

Belongs here: what is told, to whom, in which words, until when. Does not belong here: sending
(`reconcilers.notifications`).
"""

__all__: tuple[str, ...] = ()
