"""A reference for single sign-on with Talkdesk: what a partner has beside oauth2-proxy, for manifests/examples/sso.

Belongs here: two small services, short enough to begin one's own with. Does not belong here: the proxy itself, which
logs users in, and anything of the operator's.

    app          one for each tenant, behind oauth2-proxy: lets in who is licensed and has not logged out since
    id_tokens    what the app believes: an ID token that Talkdesk signed for this tenant, and no other header
    directory    one for all tenants: what the operator and Talkdesk's logouts tell, and what apps ask
    users        licensed users, by SCIM
    logouts      when whom Talkdesk logged out, in SQLite
    secrets      what a tenant gets once and keeps: a token for the directory, and the key of its sessions
"""

from talkdesk_sandbox.sso.app import AppSettings, Asks, Standing, directory_client, sso_app
from talkdesk_sandbox.sso.directory import Directory
from talkdesk_sandbox.sso.id_tokens import IdTokenInvalid, IdTokenVerifier

__all__ = [
    "AppSettings",
    "Asks",
    "Directory",
    "IdTokenInvalid",
    "IdTokenVerifier",
    "Standing",
    "directory_client",
    "sso_app",
]
