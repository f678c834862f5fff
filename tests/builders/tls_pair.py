"""Certificates that sign themselves, for servers on loopback, and folders as a kubelet mounts a Secret."""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

__all__ = ["TlsPair", "client_context", "mount", "served_name", "tls_pair"]


@dataclass(frozen=True)
class TlsPair:
    """PEM texts."""

    certificate: bytes
    key: bytes
    expires: datetime


def tls_pair(name: str, *, password: bytes | None = None, names: Sequence[str] = ()) -> TlsPair:
    """Create a certificate for 127.0.0.1, localhost and `names`, whose common name tells it from others."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    expires = now + timedelta(days=1)
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, ("localhost", *names))]
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(expires)
    builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    hidden: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    return TlsPair(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), pem, expires)


def mount(folder: Path, pair: TlsPair) -> tuple[Path, Path]:
    """Put the pair there as a kubelet does, also anew: a folder for each version, and one link that is replaced."""
    version = folder / f"..version-{len(list(folder.glob('..version-*')))}"
    version.mkdir(parents=True)
    (version / "tls.crt").write_bytes(pair.certificate)
    (version / "tls.key").write_bytes(pair.key)
    link = folder / "..data_tmp"
    link.symlink_to(version.name)
    link.replace(folder / "..data")
    files = folder / "tls.crt", folder / "tls.key"
    for file in files:
        if not file.is_symlink():
            file.symlink_to(Path("..data") / file.name)
    return files


def client_context(*pairs: TlsPair) -> ssl.SSLContext:
    """Return what trusts exactly these certificates."""
    context = ssl.create_default_context(cadata="".join(pair.certificate.decode() for pair in pairs))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def served_name(port: int, *pairs: TlsPair, host: str = "127.0.0.1") -> str:
    """Return the common name of the certificate that a port shows; one of `pairs` must prove it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(*pairs), server_hostname=host)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    attribute = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0]
    return str(attribute.value)
