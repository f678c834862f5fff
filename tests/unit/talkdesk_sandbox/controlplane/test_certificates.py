"""The keys of a control plane: who signed what, for what use, readable by whom."""

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from talkdesk_sandbox.controlplane.certificates import make_credentials


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_server_certificate_is_valid_for_the_local_names(tmp_path: Path) -> None:
    credentials = make_credentials(tmp_path / "keys")
    store = Store([load(credentials.ca)])

    for name in (x509.DNSName("localhost"), x509.DNSName("kubernetes.default.svc")):
        PolicyBuilder().store(store).build_server_verifier(name).verify(load(credentials.server[0]), [])


def test_the_administrators_certificate_is_for_the_masters_group_and_for_clients_only(tmp_path: Path) -> None:
    certificate = load(make_credentials(tmp_path / "keys").admin[0])

    assert certificate.subject.rfc4514_string() == "O=system:masters,CN=admin"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_two_control_planes_do_not_trust_each_other(tmp_path: Path) -> None:
    one, other = make_credentials(tmp_path / "one"), make_credentials(tmp_path / "other")
    with pytest.raises(InvalidSignature):
        load(one.server[0]).verify_directly_issued_by(load(other.ca))


def test_only_the_owner_can_read_any_of_it(tmp_path: Path) -> None:
    folder = make_credentials(tmp_path / "keys").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
