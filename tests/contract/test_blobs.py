"""What every blob store promises."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from canalis.contract.errors import BadRequest, NotFound


def test_a_blob_comes_back_whole_and_in_parts(blobs):
    blobs.put("a/b.txt", b"0123456789")

    assert blobs.get("a/b.txt") == b"0123456789"
    assert blobs.get("a/b.txt", 3, 4) == b"3456"
    assert blobs.get("a/b.txt", 8, 100) == b"89"
    assert blobs.get("a/b.txt", 100) == b""
    assert b"".join(blobs.read("a/b.txt")) == b"0123456789"


def test_large_content_is_taken_from_a_stream_and_given_in_pieces(blobs):
    content = bytes(range(256)) * 16_384  # 4 MiB

    blobs.put("large", io.BytesIO(content))
    pieces = list(blobs.read("large"))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 2**20
    assert blobs.info("large").size == len(content)


def test_a_blob_that_is_not_there_is_not_found(blobs):
    blobs.put("a/b", b"x")
    for missing in ("nothing", "a/nothing", "a", "a/b/c"):
        assert blobs.info(missing) is None
        with pytest.raises(NotFound):
            blobs.get(missing)
        with pytest.raises(NotFound):
            next(blobs.read(missing))


def test_put_replaces_and_put_if_absent_does_not(blobs):
    blobs.put("a", b"1")
    blobs.put("a", b"2")
    assert not blobs.put_if_absent("a", b"3")
    assert blobs.get("a") == b"2"
    assert blobs.put_if_absent("b", b"4")


def test_of_many_who_put_if_absent_exactly_one_does(blobs):
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: blobs.put_if_absent("k", str(n).encode()), range(32)))
    assert done.count(True) == 1
    assert blobs.get("k") == str(done.index(True)).encode()


def test_appended_bytes_come_after_those_before(blobs):
    for line in (b"one\n", b"two\n", b"three\n"):
        blobs.append("log/a", line)
    assert blobs.get("log/a") == b"one\ntwo\nthree\n"


def test_appends_from_many_writers_stay_whole(blobs):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: blobs.append("log", f"{n:04d}\n".encode()), range(200)))
    assert sorted(blobs.get("log").split()) == [f"{n:04d}".encode() for n in range(200)]


def test_blobs_are_listed_by_key_below_a_prefix(blobs):
    for key in ("a/b/2", "a/b/1", "a.txt", "a/bc", "b"):
        blobs.put(key, b"x")

    def keys(prefix):
        return [info.key for info in blobs.list(prefix)]

    assert keys("") == ["a.txt", "a/b/1", "a/b/2", "a/bc", "b"]
    assert keys("a/b") == ["a/b/1", "a/b/2", "a/bc"]
    assert keys("a/b/") == ["a/b/1", "a/b/2"]
    assert keys("nothing/") == []


def test_deleting_takes_a_blob_or_a_folder_and_says_how_many(blobs):
    for key in ("a/1", "a/2/3", "b"):
        blobs.put(key, b"x")

    assert blobs.delete("a") == 2
    assert blobs.delete("a") == 0
    assert blobs.delete("b") == 1
    assert list(blobs.list("")) == []


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/./b", "a\0b", "..", "a/"])
def test_a_key_that_is_no_plain_path_is_refused(blobs, key):
    with pytest.raises(BadRequest):
        blobs.put(key, b"x")
    with pytest.raises(BadRequest):
        blobs.get(key)


def test_what_others_make_in_its_folder_is_a_blob_like_any_other(blobs):
    folder = blobs.folder()
    if folder is None:
        return  # they lie elsewhere
    (folder / "made").mkdir(parents=True)
    (folder / "made" / "by others").write_bytes(b"x")
    assert blobs.get("made/by others") == b"x"
    blobs.put("mine/too", b"y")
    assert (folder / "mine" / "too").read_bytes() == b"y"


def test_a_key_may_hold_what_people_put_into_file_names(blobs):
    for key in ("with blank.csv", "ünïcode/中文", "a%2Fb", "#?&", "-dash", "q'uote\""):
        blobs.put(key, key.encode())
        assert blobs.get(key) == key.encode()
    assert len(list(blobs.list(""))) == 6
