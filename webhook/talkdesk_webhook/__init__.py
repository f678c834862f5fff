"""Receives Talkdesk's signed events, and stores each durably in the cluster before it answers 200.

Belongs here: limits, signatures, turning one event into the writes that store it, and forwarding logouts. Keeps no
state that another replica would miss. Does not belong here: acting on events (that is the operator's), calls to
Talkdesk beyond its signing keys.

    app ─▶ receiver ─▶ body, signature, event_record       (pure but for reading the body)
                    ─▶ apps ─▶ app_list                    (the TalkdeskApp, from a watch of all)
                    ─▶ claims, signing_keys ─▶ key_budgets (the signing key, and in whose name a new one is fetched)
                    ─▶ inbox                               (what is written)
                    ─▶ relay ─▶ relay_keys                 (what is forwarded to the app's own endpoint instead)
"""

from talkdesk_webhook.app import create_app
from talkdesk_webhook.receiver import Receiver

__all__ = ["Receiver", "create_app"]
