"""For which hosts a Secret may be used that an app names."""

from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of, host_of_template, hosts_problem


def metadata(hosts: str | None) -> dict[str, Any]:
    return {"annotations": None if hosts is None else {ANNOTATION_FOR_HOSTS: hosts}}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://app.example.com/scim/v2", "app.example.com"),
        ("https://APP.example.com:443", "app.example.com"),
        ("http://scim.demo:80/scim", "scim.demo"),
        ("https://scim.demo:80/scim", "scim.demo:80"),
        ("http://127.0.0.1:8080/scim", "127.0.0.1:8080"),
        ("https://[2001:DB8::1]:8443/", "[2001:db8::1]:8443"),
        ("https://app.example.com@evil.example/", "evil.example"),
        ("https://a:b@evil.example:444/", "evil.example:444"),
        ("https:///scim", ""),
        ("https://app.example.com:port/", ""),
        ("https://[::1/", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url_is_what_is_connected_to(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://app.example.com/${tenant.name}/scim", "app.example.com"),
        ("https://${account.name}.example.com/scim", None),
        ("https://app.example.com:${tenant.values.port}/scim", None),
        ("${tenant.values.url}", None),
        ("https://app.example.com", "app.example.com"),
    ],
)
def test_a_host_that_is_yet_to_be_filled_in_is_not_known(url: str, host: str | None) -> None:
    assert host_of_template(url) == host


@pytest.mark.parametrize(
    ("hosts", "host", "may"),
    [
        ("app.example.com", "app.example.com", True),
        (" one.example , App.Example.com,", "app.example.com", True),
        ("*.example.com", "app.example.com", True),
        ("*.example.com:8443", "app.example.com:8443", True),
        ("app.example.com:8443", "app.example.com:8443", True),
        ("app.example.com", None, True),
        ("app.example.com", "app.example.com:8443", False),
        ("app.example.com:8443", "app.example.com", False),
        ("app.example.com", "evil.example", False),
        ("app.example.com", "app.example.com.evil.example", False),
        ("app.example.com", "evil-app.example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*", "localhost", False),
        ("*", "app.example.com", False),
        ("", "", False),
        ("*.", "", False),
        ("app.example.com", "", False),
        ("", "app.example.com", False),
        (" , ", None, False),
        (None, "app.example.com", False),
        (None, None, False),
    ],
)
def test_a_secret_is_for_the_hosts_that_it_names_and_for_no_others(
    hosts: str | None, host: str | None, *, may: bool
) -> None:
    assert (hosts_problem("team", "scim", metadata(hosts), host) == "") == may


def test_what_is_said_can_be_copied_and_keeps_the_hosts_that_are_there() -> None:
    said = hosts_problem("team", "scim", metadata("old.example"), "app.example.com")
    command = f"kubectl -n team annotate secret scim --overwrite '{ANNOTATION_FOR_HOSTS}=old.example,app.example.com'"
    assert said.endswith(command)
    assert hosts_problem("team", "scim", {}, None).endswith(f"'{ANNOTATION_FOR_HOSTS}=HOST'")
