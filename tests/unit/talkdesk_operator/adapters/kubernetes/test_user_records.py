import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from talkdesk_crds.names import LABEL_TENANT, USERS_TYPE
from talkdesk_operator.adapters.kubernetes.user_records import SecretUserRecordStore
from talkdesk_operator.domain.ports.scim import Ref
from talkdesk_operator.domain.users.record import CAPACITY, MAX_ID_BYTES, Piece, RecordedUser
from talkdesk_runtime.kube import APPLY
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNoPath, KubeNotFound, KubeUnreachable

USERS = {
    "u1": RecordedUser(Ref("p1", 'W/"1"'), "digest", active=True, admin=True),
    "u2": RecordedUser(Ref("p2"), "", active=False, failed_before=True),
    "ü\N{PILE OF POO}": RecordedUser(None, admin=None),
}
PIECE = Piece("service", "salt", USERS)


ENTRIES: list[Any] = [
    None,
    [],
    {},
    "text",
    ["p1"],
    [1, None, "", True, True, True],
    ["p1", 1, "", True, True, True],
    ["p1", None, None, True, True, True],
    ["p1", None, "", True, True],
    ["p1", None, "", True, True, True, True],
]
"""What is no entry of a record."""


class SecretsOfTheCluster:
    """Secrets as the Kubernetes API keeps them, as far as it is asked."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.version = 0
        self.vanishing = ""
        """Name of a Secret that somebody deletes after it was listed."""
        self.leads_nowhere = False
        """Whether a 404 names nothing, as that of a proxy does, or of an API server that does not serve the path."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self.asked.append((method, path))
        if self.error is not None:
            raise self.error
        name = path.removeprefix("/api/v1/namespaces/team/secrets").lstrip("/")
        if method == "POST":
            assert query == {"fieldManager": "talkdesk-operator"}
            if body["metadata"]["name"] in self.held:
                raise KubeAlreadyExists("there is one")
            return self._hold(body)
        if method == "PATCH":
            assert content_type == APPLY
            assert query == {"fieldManager": "talkdesk-operator", "force": "true"}
            known = self.held.get(name, {"metadata": {}})["metadata"].get("resourceVersion")
            if body["metadata"].get("resourceVersion", known) != known:
                raise KubeConflict("the object has been modified")
            return self._hold(body)
        if not name:
            assert "PartialObjectMetadataList" in accept
            wanted = dict(pair.split("=", 1) for pair in (query or {})["labelSelector"].split(","))
            kind = (query or {})["fieldSelector"].removeprefix("type=")
            items = [
                each
                for each in self.held.values()
                if wanted.items() <= each["metadata"]["labels"].items() and each["type"] == kind
            ]
            self.held.pop(self.vanishing, None)
            return {"items": items or None}
        if name not in self.held:
            raise KubeNoPath(f"no {name}") if self.leads_nowhere else KubeNotFound(f"no {name}")
        if method == "GET":
            return self.held[name]
        assert body == {"preconditions": {"uid": f"uid-{name}"}}
        return self.held.pop(name)

    def _hold(self, body: dict[str, Any]) -> dict[str, Any]:
        name, self.version = body["metadata"]["name"], self.version + 1
        metadata = body["metadata"] | {"uid": f"uid-{name}", "resourceVersion": str(self.version)}
        self.held[name] = body | {"metadata": metadata}
        return self.held[name]


class Kept:
    def __init__(self) -> None:
        self.cluster = SecretsOfTheCluster()
        self.writes: list[tuple[str, str]] = []
        self.records = SecretUserRecordStore(
            self.cluster,  # type: ignore[arg-type]  # of the connection, only requests are used
            wrote=lambda kind, verb: self.writes.append((kind, verb)),
        )


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_a_saved_record_is_loaded_as_it_was(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    assert await kept.records.load("team", "acme") == (PIECE,)
    assert kept.writes == [("Secret", "apply")]


@pytest.mark.case(81)
async def test_a_former_leaders_late_record_replaces_no_newer_one(kept: Kept) -> None:
    await kept.records.load("team", "acme")
    other = SecretUserRecordStore(kept.cluster, wrote=lambda _, __: None)  # type: ignore[arg-type]  # as above
    assert await other.load("team", "acme") == ()
    await kept.records.save("team", "acme", {0: PIECE})
    theirs = Piece("service", "salt", {})
    with pytest.raises(KubeConflict):
        await other.save("team", "acme", {0: theirs})
    assert await other.load("team", "acme") == (PIECE,)
    await kept.records.save("team", "acme", {0: Piece("service", "salt", {"u9": RecordedUser(None)})})
    with pytest.raises(KubeConflict):
        await other.save("team", "acme", {0: theirs})
    await other.load("team", "acme")
    await other.save("team", "acme", {0: theirs})
    await other.save("team", "acme", {0: PIECE})
    assert await kept.records.load("team", "acme") == (PIECE,)
    assert kept.writes == [("Secret", "create"), ("Secret", "apply")]


async def test_a_piece_is_a_secret_named_and_labeled_by_its_tenant(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    secret = kept.cluster.held["acme-users-0"]
    assert secret["type"] == USERS_TYPE
    assert secret["metadata"]["labels"][LABEL_TENANT] == "acme"


async def test_a_small_tenant_costs_one_request(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    kept.cluster.asked.clear()
    await kept.records.load("team", "acme")
    assert kept.cluster.asked == [("GET", "/api/v1/namespaces/team/secrets/acme-users-0")]


async def test_pieces_are_read_until_one_has_room(kept: Kept) -> None:
    full = Piece("service", "salt", {f"u{n}": RecordedUser(None) for n in range(CAPACITY)})
    await kept.records.save("team", "acme", {0: full, 1: full, 2: PIECE})
    assert await kept.records.load("team", "acme") == (full, full, PIECE)
    del kept.cluster.held["acme-users-2"]
    assert await kept.records.load("team", "acme") == (full, full)


async def test_a_new_tenant_has_no_record(kept: Kept) -> None:
    assert await kept.records.load("team", "acme") == ()


@pytest.mark.case(60)
async def test_the_longest_piece_fits_into_a_secret(kept: Kept) -> None:
    longest = RecordedUser(Ref("p" * MAX_ID_BYTES, "v" * MAX_ID_BYTES), "f" * 24, active=True, failed_before=True)
    users = {f"{number:0{MAX_ID_BYTES}}": longest for number in range(CAPACITY)}
    await kept.records.save("team", "acme", {0: Piece("s" * 16, "x" * 64, users)})
    (data,) = kept.cluster.held["acme-users-0"]["data"].values()
    assert len(data) < 1 << 20


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"service": "s", "salt": "x"},
        {"service": "s", "salt": "x", "users": None},
        {"service": "s", "salt": "x", "users": []},
        {"service": 1, "salt": "x", "users": {}},
        {"service": "s", "salt": None, "users": {}},
        {"service": "s", "salt": "", "users": {}},
        *({"service": "s", "salt": "x", "users": {"u": entry}} for entry in ENTRIES),
    ],
)
async def test_a_record_with_broken_content_counts_as_missing(kept: Kept, content: Any) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    data = base64.b64encode(json.dumps(content).encode()).decode()
    kept.cluster.held["acme-users-0"]["data"] = {"users.json": data}
    assert await kept.records.load("team", "acme") == ()


@pytest.mark.parametrize(
    "data", [None, {}, {"other": "eA=="}, {"users.json": "%"}, {"users.json": "eA=="}, {"users.json": 1}]
)
async def test_a_secret_without_a_record_counts_as_missing(kept: Kept, data: Any) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    kept.cluster.held["acme-users-0"]["data"] = data
    assert await kept.records.load("team", "acme") == ()


async def test_only_the_tenants_own_record_is_deleted(kept: Kept) -> None:
    await kept.records.drop("team", "acme")
    for tenant in ("acme", "acme-users"):
        await kept.records.save("team", tenant, {0: PIECE, 1: PIECE})
    await kept.records.drop("team", "acme")
    assert sorted(kept.cluster.held) == ["acme-users-users-0", "acme-users-users-1"]
    assert kept.writes.count(("Secret", "delete")) == 2


async def test_a_secret_of_another_type_is_not_deleted_though_it_has_the_labels(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE})
    kept.cluster.held["acme-users-0"]["type"] = "Opaque"
    await kept.records.drop("team", "acme")
    assert sorted(kept.cluster.held) == ["acme-users-0"]


async def test_a_piece_that_is_gone_already_counts_as_deleted(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE, 1: PIECE})
    kept.cluster.vanishing = "acme-users-0"
    await kept.records.drop("team", "acme")
    assert kept.cluster.held == {}


async def test_a_404_that_names_no_secret_does_not_say_that_there_is_no_record(kept: Kept) -> None:
    kept.cluster.leads_nowhere = True
    with pytest.raises(KubeNoPath):
        await kept.records.load("team", "acme")
    assert ("POST", "/api/v1/namespaces/team/secrets") not in kept.cluster.asked


async def test_a_404_that_names_no_secret_does_not_say_that_a_record_was_deleted(kept: Kept) -> None:
    await kept.records.save("team", "acme", {0: PIECE, 1: PIECE})
    kept.cluster.leads_nowhere, kept.cluster.vanishing = True, "acme-users-0"
    with pytest.raises(KubeNoPath):
        await kept.records.drop("team", "acme")


async def test_errors_of_the_cluster_are_raised(kept: Kept) -> None:
    kept.cluster.error = KubeUnreachable("away")
    for attempt in (
        kept.records.load("team", "acme"),
        kept.records.save("team", "acme", {0: PIECE}),
        kept.records.drop("team", "acme"),
    ):
        with pytest.raises(KubeUnreachable):
            await attempt


async def test_a_piece_that_says_so_is_continued_although_it_has_room(kept: Kept) -> None:
    first = Piece("elsewhere", "salt", USERS, continued=True)
    await kept.records.save("team", "acme", {0: first, 1: PIECE})
    assert await kept.records.load("team", "acme") == (first, PIECE)
    del kept.cluster.held["acme-users-1"]
    assert await kept.records.load("team", "acme") == (first,)
