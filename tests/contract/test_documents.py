"""What every document store promises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from canalis.contract.errors import Conflict


def test_a_document_comes_back_as_it_was_put(documents):
    body = {"text": "é\n", "list": [1, 2.5, None, True], "inner": {"a": "b"}}

    documents.put("computes", "cpu", body)
    assert documents.get("computes", "cpu").body == body


def test_what_was_never_put_is_none(documents):
    assert documents.get("computes", "cpu") is None


def test_kinds_do_not_see_each_other(documents):
    documents.put("computes", "x", {"a": 1})
    assert documents.get("datastores", "x") is None
    assert documents.list("datastores") == []


def test_put_replaces_the_whole_body(documents):
    documents.put("computes", "cpu", {"a": 1})
    documents.put("computes", "cpu", {"b": 2})
    assert documents.get("computes", "cpu").body == {"b": 2}


def test_a_write_on_an_old_etag_is_refused(documents):
    first = documents.put("computes", "cpu", {"a": 1})
    second = documents.put("computes", "cpu", {"a": 2}, etag=first.etag)

    assert second.etag != first.etag
    with pytest.raises(Conflict):
        documents.put("computes", "cpu", {"a": 3}, etag=first.etag)
    assert documents.get("computes", "cpu").body == {"a": 2}


def test_if_absent_creates_once_whoever_tries(documents):
    def create(number: int) -> bool:
        try:
            documents.put("computes", "cpu", {"by": number}, if_absent=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(create, range(16))).count(True) == 1


def test_documents_are_listed_by_name_and_by_the_beginning_of_it(documents):
    for name in ("b%", "a_2", "a_1", "ab"):
        documents.put("tags", name, {})

    assert [stored.name for stored in documents.list("tags")] == ["a_1", "a_2", "ab", "b%"]
    assert [stored.name for stored in documents.list("tags", "a_")] == ["a_1", "a_2"]


def test_deleting_says_whether_there_was_anything(documents):
    documents.put("tags", "x", {})
    assert documents.delete("tags", "x")
    assert not documents.delete("tags", "x")
    assert documents.get("tags", "x") is None


def test_many_are_written_and_read_at_once(documents):
    documents.put("computes", "old", {"a": "longer than what follows"})
    documents.put("computes", "other", {"a": 1})
    bodies = {f"c{number}": {"number": number} for number in range(230)} | {"old": {"a": 2}}
    documents.put_all("computes", bodies)

    assert documents.get_all("computes", [*bodies, "never put"]) == bodies
    assert documents.get_all("computes", ["old", "never put"]) == {"old": {"a": 2}}
    assert documents.get_all("computes", []) == {} == documents.get_all("datastores", ["old"])
    assert len(documents.list("computes")) == len(bodies) + 1

    first = documents.put("computes", "new", {"a": 1})
    documents.put_all("computes", {"new": {"a": 2}})
    with pytest.raises(Conflict):
        documents.put("computes", "new", {"a": 3}, etag=first.etag)
