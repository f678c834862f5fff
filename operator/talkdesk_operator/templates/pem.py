"""Certificates that somebody wrote into an app.

Belongs here: whether they can be read. Does not belong here: using them (`adapters.hooks.routes`).
"""

from cryptography.x509 import load_pem_x509_certificates

__all__ = ["is_pem"]


def is_pem(text: str) -> bool:
    """Return whether the text holds certificates in PEM, and none that can't be read."""
    try:
        return bool(load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False
