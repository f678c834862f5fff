"""The ears: takes Talkdesk's signed events and stores each durably in the cluster before it says 200.

Belongs here: limits, signatures, turning one event into the writes that keep it, and passing logouts on. Holds no
state that another replica would miss. Does not belong here: acting on events (that is the operator's), calls to
Talkdesk beyond its signature keys.

    app ─▶ receiver ─▶ body, signature, intake   (pure but for reading the body)
                    ─▶ apps, keys ─▶ lookups     (what is looked up: the TalkdeskApp, the signing key)
                    ─▶ inbox                     (what is written)
                    ─▶ relay, relay_keys         (what is passed on to the app's own endpoint instead)
"""

from talkdesk_webhook.app import create_app
from talkdesk_webhook.receiver import Receiver

__all__ = ["Receiver", "create_app"]
