"""Blobs in Azure: what is appended to without end, answers that are lost, and links to single blobs."""

from __future__ import annotations

import base64
import io
import json
import ssl
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.core.credentials import AccessToken  # noqa: E402

from adapters.azure_blobs import AzureBlobs, AzureStores  # noqa: E402
from canalis.contract.errors import BadRequest, Conflict, NotFound, StoreUnavailable  # noqa: E402
from tests.azure.storage.azurite import KEY, Azurite, connection_string  # noqa: E402
from tests.azure.storage.client import FaultProxy  # noqa: E402

LARGE = bytes(range(256)) * 40_000  # 10 MB: three blocks


@pytest.fixture(scope="module")
def proxy(azurite):
    with FaultProxy(azurite.blob_port, "blob") as proxy:
        yield proxy


@pytest.fixture
def through_proxy(azure_blobs, azurite, proxy):
    """The fresh container, reached through the proxy."""
    proxy.have()
    return AzureBlobs.open(connection_string(proxy.url, azurite.table_url), azure_blobs._container.container_name)


@pytest.fixture
def small(azure_blobs):
    """Blobs that take three blocks each, in the fresh container."""
    return AzureBlobs(azure_blobs._container, azure_blobs._links, blocks_max=3)


def test_a_blob_that_is_full_goes_on_in_another_which_nobody_sees(small, azure_blobs):
    lines = [f"{number:02d}\n".encode() for number in range(11)]
    for line in lines:
        small.append("run/log", line)
    whole = b"".join(lines)

    for blobs in (small, azure_blobs):  # who reads need not know how many blocks a blob may have
        assert blobs.get("run/log") == b"".join(blobs.read("run/log")) == whole
        assert blobs.info("run/log").size == len(whole)
        assert [(info.key, info.size) for info in blobs.list("run/")] == [("run/log", len(whole))]
        assert blobs.get("run/log", 8, 4) == whole[8:12] and blobs.get("run/log", 7, 20) == whole[7:27]
        assert blobs.get("run/log", 31) == whole[31:] and blobs.get("run/log", 99) == b""
    assert len(list(small._container.list_blob_names())) == 4
    assert small.link("run/log", 60) is None

    assert small.delete("run/log") == 1
    assert list(small._container.list_blob_names()) == []
    small.append("run/log", b"anew")
    assert small.get("run/log") == b"anew"


def test_two_services_that_append_to_one_blob_lose_nothing(small):
    other = AzureBlobs(small._container, small._links, blocks_max=3)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: (small, other)[n % 2].append("log", f"{n:04d}\n".encode()), range(40)))
    assert sorted(small.get("log").split()) == [f"{n:04d}".encode() for n in range(40)]


def test_what_was_put_whole_is_not_appended_to(azure_blobs):
    azure_blobs.put("whole", b"x")
    with pytest.raises(BadRequest, match="whole"):
        azure_blobs.append("whole", b"y")
    assert azure_blobs.get("whole") == b"x"


def test_an_append_whose_answer_was_lost_is_there_once(through_proxy, proxy):
    for number in range(4):
        proxy.have(reset_after=1.0, count=1, only=("appendblock",))
        through_proxy.append("log", f"{number}\n".encode())
    assert proxy.counts().faults["reset_after"] >= 4
    assert through_proxy.get("log") == b"0\n1\n2\n3\n"


def test_a_blob_that_was_put_if_absent_is_ours_though_the_answer_was_lost(through_proxy, proxy):
    for key, data, kind in (("small", b"x", "put"), ("large", LARGE, "commit")):
        proxy.have(reset_after=1.0, count=1, only=(kind,))
        assert through_proxy.put_if_absent(key, data)
        assert not through_proxy.put_if_absent(key, b"y")
        assert through_proxy.get(key) == data


def test_large_content_is_there_whole_or_not_at_all(azure_blobs):
    class Breaks(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 5 * 2**20:
                raise ConnectionResetError("the author's laptop was closed")
            return super().read(size)

    azure_blobs.put("large", b"before")
    for put in (azure_blobs.put, azure_blobs.put_if_absent):
        with pytest.raises(ConnectionResetError):
            put("large", Breaks(LARGE))
    assert azure_blobs.get("large") == b"before"
    azure_blobs.put("large", io.BytesIO(LARGE))
    assert azure_blobs.get("large") == LARGE
    assert azure_blobs.get("large", 4_194_000, 5_000_000) == LARGE[4_194_000:9_194_000]


def test_of_many_who_put_large_content_one_has_written_it(azure_blobs):
    def put(number: int) -> bool:
        return azure_blobs.put_if_absent("k", io.BytesIO(bytes([number]) * 5_000_000))

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(put, range(6)))
    assert done.count(True) == 1
    assert azure_blobs.get("k") == bytes([done.index(True)]) * 5_000_000


def test_what_is_replaced_while_it_is_read_is_not_mixed(azure_blobs):
    azure_blobs.put("k", LARGE)
    reading = azure_blobs.read("k")
    next(reading)
    azure_blobs.put("k", b"\0" * len(LARGE))
    with pytest.raises(Conflict):
        list(reading)


def test_a_folder_of_many_files_is_deleted_with_odd_names_and_all(azure_blobs):
    for number in range(300):
        azure_blobs.put(f"a/{number}", b"")
    for key in ("a/with blank.csv", "a/ünï/中文", "a/b%2Fc", "a/#?&", "a/q'uote\"", "ab"):
        azure_blobs.put(key, b"x")
    assert azure_blobs.delete("a") == 305
    assert [info.key for info in azure_blobs.list("")] == ["ab"]


def test_what_fails_is_said_in_the_operators_words(azurite, azure_blobs, through_proxy, proxy):
    name = azure_blobs._container.container_name
    gone = AzureBlobs.open(azurite.connection_string, "nothere")
    for ask in (lambda: gone.get("k"), lambda: gone.put("k", b""), lambda: list(gone.list("")), lambda: gone.info("k")):
        with pytest.raises(StoreUnavailable, match="nothere"):
            ask()
    stranger = AzureBlobs.open(azurite.connection_string.replace(KEY, "bm9uZQ=="), name)
    with pytest.raises(StoreUnavailable, match="Storage Blob Data Contributor"):
        stranger.get("k")
    proxy.have(busy=1.0)
    with pytest.raises(StoreUnavailable):
        through_proxy.put("k", b"x")
    proxy.have()
    for key in ("a\\b", "a./b", "x" * 1025, "a/.segment-1-b"):
        with pytest.raises(BadRequest):
            azure_blobs.put(key, b"x")


def test_datastores_see_their_own_files_alone(azure_blobs):
    stores = AzureStores(azure_blobs, {"one", "my_store"}.__contains__)
    stores.open("one").put("a/b", b"1")
    stores.open("my_store").put("a/b", b"2")

    assert stores.open("one").get("a/b") == b"1"
    assert [info.key for info in stores.open("one").list("")] == ["a/b"]
    assert azure_blobs.get("datastores/my_store/a/b") == b"2"
    assert stores.open("one").delete("a") == 1 and stores.open("my_store").info("a/b") is not None
    for name in ("other", "", "..", "a/b", "one/../my_store"):
        with pytest.raises(NotFound):
            stores.open(name)


class Token:
    """A credential whose tokens Azurite's basic check takes: it looks at the form, not at the signature."""

    def get_token(self, *scopes, **_):
        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{uuid.uuid4()}/"}
        claims |= {"oid": str(uuid.UUID(int=1)), "tid": str(uuid.UUID(int=2))}  # of whom a delegation key is for
        claims |= {"nbf": now - 60, "iat": now - 60, "exp": now + 3600}
        parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
        text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"none"))
        return AccessToken(text, now + 3600)


@pytest.fixture(scope="module")
def with_identity(tmp_path_factory):
    """Blobs that are opened with a token, over https."""
    with Azurite(tmp_path_factory.mktemp("oauth"), oauth=True) as azurite:
        verify = str(azurite.certificate)
        blobs = AzureBlobs.open(azurite.blob_url, "blobs", Token(), create_if_missing=True, verify=verify)
        with httpx.Client(verify=ssl.create_default_context(cafile=verify)) as http:
            yield blobs, http


@pytest.fixture(params=["key", "identity"])
def linked(request):
    if request.param == "identity":
        yield request.getfixturevalue("with_identity")
        return
    with httpx.Client() as http:
        yield request.getfixturevalue("azure_blobs"), http


def test_a_link_opens_one_blob_for_one_thing(linked):
    blobs, http = linked
    key = "incoming/with blank, ünï#?&%.csv"
    to_put, to_fetch = blobs.link(key, 60, write=True), blobs.link(key, 60)

    assert http.put(to_put.url, content=b"data", headers=dict(to_put.headers)).status_code == 201
    assert blobs.get(key) == b"data"
    assert http.get(to_fetch.url, headers=dict(to_fetch.headers)).content == b"data"

    other = to_fetch.url.replace("incoming", "records")
    for answer in (
        http.get(to_put.url),
        http.delete(to_put.url),
        http.put(to_fetch.url, content=b"x", headers=dict(to_put.headers)),
        http.get(other),
        http.put(to_put.url.replace("incoming", "records"), content=b"x", headers=dict(to_put.headers)),
        http.get(to_fetch.url.partition("?")[0]),
    ):
        assert answer.status_code in (401, 403, 404)
    assert blobs.get(key) == b"data"


def test_a_link_opens_nothing_when_its_time_is_over(linked):
    blobs, http = linked
    blobs.put("k", b"data")
    link = blobs.link("k", 2.0)
    assert http.get(link.url).content == b"data"
    time.sleep(3.1)  # Azure counts in whole seconds
    assert http.get(link.url).status_code == 403


def test_a_link_by_the_key_is_signed_as_the_client_of_microsoft_signs_it(azurite, azure_blobs, monkeypatch):
    from azure.storage.blob import BlobSasPermissions, _shared_access_signature, generate_blob_sas

    monkeypatch.setattr(_shared_access_signature, "X_MS_VERSION", "2022-11-02")
    ours = parse_qs(urlsplit(azure_blobs.link("a/b", 60).url).query)
    container = azure_blobs._container.container_name
    theirs = generate_blob_sas(
        "devstoreaccount1",
        container,
        "a/b",
        account_key=KEY,
        permission=BlobSasPermissions(read=True),
        expiry=ours["se"][0],
        protocol="https,http",
    )
    assert parse_qs(theirs) == ours


def test_the_key_for_links_is_asked_for_once(with_identity):
    blobs, _ = with_identity
    with ThreadPoolExecutor(4) as threads:
        links = list(threads.map(lambda n: blobs.link(f"k{n}", 60), range(8)))
    assert len({link.url.partition("skt=")[2][:30] for link in links}) == 1


def test_the_suite_of_blobs_holds_with_a_token_as_well(with_identity):
    blobs, _ = with_identity
    blobs.put("a/b", b"1")
    blobs.append("a/c", b"2")
    assert not blobs.put_if_absent("a/b", b"3")
    assert [info.key for info in blobs.list("a/")] == ["a/b", "a/c"]
    assert blobs.delete("a") == 2


def test_a_container_may_be_made_by_several_at_once(azurite):
    name = f"new-{uuid.uuid4().hex[:8]}"

    def opens(number: int) -> None:
        blobs = AzureBlobs.open(azurite.connection_string, name, create_if_missing=True)
        blobs.put(str(number), b"here")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(opens, range(8)))
    found = AzureBlobs.open(azurite.connection_string, name)
    assert len(list(found.list(""))) == 8
