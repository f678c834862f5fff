"""The token endpoint's rules: who gets an access token, and what a token stands for.

Belongs here: checking assertions and secrets, scopes, issuing and ending tokens. Does not belong here: HTTP routes.
"""

__all__: tuple[str, ...] = ()
