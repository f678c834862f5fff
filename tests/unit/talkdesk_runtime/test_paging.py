from collections.abc import Mapping
from typing import Any

import pytest

from builders.kube_streams import page, thing
from talkdesk_runtime.kube_errors import KubeExpired, KubeRefused
from talkdesk_runtime.paging import Page, list_pages, metadata_of


class Pages:
    """Answers in order, and the queries so far."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.queries: list[dict[str, str]] = []

    async def read(self, path: str, *, query: Mapping[str, str]) -> dict[str, Any]:
        assert path == "/things"
        self.queries.append(dict(query))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_pages_are_asked_for_one_by_one_with_the_same_query() -> None:
    pages = Pages(page(7, thing("a", 1), more="t1"), page(7, more="t2"), page(7, thing("b", 2)))
    got = [each async for each in list_pages(pages.read, "/things", query={"labelSelector": "x"}, size=1)]
    assert got == [Page([thing("a", 1)], "7"), Page((), "7"), Page([thing("b", 2)], "7")]
    assert [query.get("continue") for query in pages.queries] == [None, "t1", "t2"]
    assert {(query["labelSelector"], query["limit"]) for query in pages.queries} == {("x", "1")}


async def test_a_listing_at_a_version_names_it_once_and_then_goes_on_by_token() -> None:
    pages = Pages(page(7, thing("a", 1), more="t1"), page(7))
    assert [each.version async for each in list_pages(pages.read, "/things", version="7")] == ["7", "7"]
    first, second = pages.queries
    assert (first["resourceVersion"], first["resourceVersionMatch"]) == ("7", "Exact")
    assert second == {"limit": "500", "continue": "t1"}


async def test_a_reader_that_stops_asks_for_no_more_pages() -> None:
    pages = Pages(page(7, more="t1"))
    async for _ in list_pages(pages.read, "/things"):
        break
    assert len(pages.queries) == 1


async def test_an_error_of_a_later_page_is_raised_there() -> None:
    pages = list_pages(Pages(page(7, more="t1"), KubeExpired("gone")).read, "/things")
    assert await anext(pages) == Page((), "7")
    with pytest.raises(KubeExpired):
        await anext(pages)


@pytest.mark.parametrize("answer", [{}, {"metadata": []}, {"metadata": {"resourceVersion": None}}])
async def test_an_answer_without_a_resource_version_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(KubeRefused, match="without a resourceVersion"):
        _ = [each async for each in list_pages(Pages(answer).read, "/things")]


async def test_a_page_without_items_is_empty() -> None:
    answer = {"metadata": {"resourceVersion": "7"}, "items": None}
    assert [each async for each in list_pages(Pages(answer).read, "/things")] == [Page((), "7")]


@pytest.mark.parametrize("raw", [{}, {"metadata": None}, {"metadata": "x"}])
def test_metadata_that_makes_no_sense_is_empty(raw: dict[str, Any]) -> None:
    assert metadata_of(raw) == {}
