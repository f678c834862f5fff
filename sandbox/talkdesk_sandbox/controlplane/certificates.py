"""Keys and certificates of one control plane, created at its start and removed with it.

Belongs here: cryptography. Does not belong here: which program gets which file (`commands`).
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Credentials", "make_credentials"]

_LIFETIME: Final = timedelta(days=365)
_CLOCK_SKEW: Final = timedelta(minutes=5)
_SERVER_NAMES: Final = (
    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    x509.DNSName("localhost"),
    x509.DNSName("kubernetes.default.svc"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files in one folder, readable by their owner only."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate that signed the others."""
        return self.folder / "ca.crt"

    @property
    def server(self) -> tuple[Path, Path]:
        """Certificate and key of the API server."""
        return self.folder / "server.crt", self.folder / "server.key"

    @property
    def admin(self) -> tuple[Path, Path]:
        """Certificate and key of a client in the group system:masters, which may do everything."""
        return self.folder / "admin.crt", self.folder / "admin.key"

    @property
    def service_accounts(self) -> Path:
        """The key that signs and verifies the tokens of service accounts."""
        return self.folder / "service-accounts.key"


def make_credentials(folder: Path) -> Credentials:
    """Create a certificate authority, what it signs, and the key for service accounts. EC P-256 takes milliseconds."""
    folder.mkdir(mode=0o700)
    credentials = Credentials(folder)
    authority = _Authority.new()
    _write(credentials.ca, authority.certificate.public_bytes(Encoding.PEM))
    _write_pair(credentials.server, authority, _name("kube-apiserver"), serves=True)
    _write_pair(credentials.admin, authority, _name("admin", "system:masters"), serves=False)
    _write(credentials.service_accounts, _pem(ec.generate_private_key(ec.SECP256R1())))
    return credentials


@dataclass(frozen=True, slots=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> "_Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("talkdesk-sandbox")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, serves: bool) -> x509.Certificate:
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(subject, self.certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        if serves:
            builder = builder.add_extension(x509.SubjectAlternativeName(_SERVER_NAMES), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _write_pair(paths: tuple[Path, Path], authority: _Authority, subject: x509.Name, *, serves: bool) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign(subject, key.public_key(), serves=serves)
    _write(paths[0], certificate.public_bytes(Encoding.PEM))
    _write(paths[1], _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # SEC1 is the only form that Kubernetes accepts both for signing tokens and, for its public key, for verifying them.
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
