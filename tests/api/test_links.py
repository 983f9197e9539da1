"""Links: the way past the service, which files may go it, and what is believed of those that came."""

from __future__ import annotations

import hashlib

import httpx2
import pytest

from api import incoming, links
from api.access import Role
from api.app import make_app
from canalis.contract.layout import content_key, records
from canalis.contract.run import StepRunId
from tests.api.conftest import Client, a_run
from tests.cloud import KnownTokens
from tests.linked import LinkedBlobs, LinkedStores, LinkServer


@pytest.fixture
def server():
    server = LinkServer()
    yield server
    server.close()


@pytest.fixture
def guard():
    return KnownTokens()


@pytest.fixture
def service(app, server, tmp_path):
    """The service of the other tests, with storage that gives links."""
    plain = app.state.service
    ports = plain.ports.with_changes(
        blobs=LinkedBlobs(tmp_path / "blobs", server), stores=LinkedStores(tmp_path / "stores", server)
    )
    return type(plain)(ports, plain.workspace, "i", False, 2, "0")


@pytest.fixture
def linked(service, guard):
    return make_app(service, guard)


@pytest.fixture
def ada(linked, guard):
    return Client(linked, guard.knows("ada"))


@pytest.fixture
def eve(linked, guard):
    return Client(linked, guard.knows("eve"))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def said(*contents: bytes, **more: object) -> dict:
    files = {f"{number}.py": {"sha256": sha(one), "size": len(one)} for number, one in enumerate(contents)}
    return {"files": files, **more}


def put(link: dict, content: bytes) -> httpx2.Response:
    return httpx2.put(link["url"], headers=link["headers"], content=content)


def test_a_source_file_counts_once_the_service_has_seen_its_bytes(ada, service):
    answer = ada("POST", "/snapshots", json=said(b"print(1)")).json()
    (link,) = answer["links"].values()
    assert put(link, b"print(1)").status_code == 201
    assert service.ports.blobs.info(content_key(sha(b"print(1)"))) is None, "nothing counts before it was seen"
    assert ada("POST", "/snapshots", json=said(b"print(1)")).json()["missing"], "it has not been said to be there"

    arrived = {sha(b"print(1)"): link["key"]}
    after = ada("POST", "/snapshots", json=said(b"print(1)", arrived=arrived)).json()
    assert after == {"id": answer["id"], "missing": [], "links": {}}
    assert service.ports.blobs.get(content_key(sha(b"print(1)"))) == b"print(1)"
    assert list(service.ports.blobs.list("incoming/")) == []
    assert ada("POST", "/snapshots", json=said(b"print(1)", arrived=arrived)).json() == after, (
        "a request may come twice"
    )


def test_a_request_that_comes_twice_while_others_are_missing_does_no_harm(ada):
    answer = ada("POST", "/snapshots", json=said(b"one", b"two")).json()
    assert put(answer["links"][sha(b"one")], b"one").status_code == 201
    arrived = {sha256: link["key"] for sha256, link in answer["links"].items()}
    for _ in range(2):
        after = ada("POST", "/snapshots", json=said(b"one", b"two", arrived=arrived)).json()
        assert after["missing"] == [sha(b"two")] and [*after["links"]] == [sha(b"two")]


@pytest.mark.parametrize("bytes_sent", [b"print(2)", b"print(1), something longer", b""])
def test_other_bytes_than_were_announced_never_count(ada, service, bytes_sent):
    answer = ada("POST", "/snapshots", json=said(b"print(1)")).json()
    (link,) = answer["links"].values()
    put(link, bytes_sent)
    refused = ada("POST", "/snapshots", json=said(b"print(1)", arrived={sha(b"print(1)"): link["key"]}))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "hash_mismatch")
    assert service.ports.blobs.info(content_key(sha(b"print(1)"))) is None
    assert list(service.ports.blobs.list("incoming/")) == [], "and are not kept"


def test_a_place_that_somebody_else_was_given_is_refused_and_stays_theirs(ada, eve):
    answer = ada("POST", "/snapshots", json=said(b"print(1)")).json()
    (link,) = answer["links"].values()
    put(link, b"print(1)")
    arrived = {sha(b"print(1)"): link["key"]}
    refused = eve("POST", "/snapshots", json=said(b"print(1)", arrived=arrived))
    assert refused.status_code == 400 and "was not given to you" in refused.json()["error"]["message"]
    assert ada("POST", "/snapshots", json=said(b"print(1)", arrived=arrived)).json()["missing"] == []


@pytest.mark.parametrize(
    "place",
    [
        "incoming/{place}/../{sha}",
        "incoming/../content/{sha}",
        "content/{two}/{sha}",
        "incoming/{place}",
        "incoming/{place}/{other}",
        "incoming/{zeros}/{sha}",
        "incoming/{place}/{sha}/x",
        "incoming/{place}/{sha}\n",
        "INCOMING/{place}/{sha}",
        "",
    ],
)
def test_a_forged_place_is_refused(ada, service, place):
    content = b"print(1)"
    answer = ada("POST", "/snapshots", json=said(content)).json()
    given = answer["links"][sha(content)]["key"].split("/")[1]
    service.ports.blobs.put("incoming/secret", content)
    names = {"place": given, "sha": sha(content), "other": sha(b"x"), "two": sha(content)[:2], "zeros": "0" * 32}
    refused = ada("POST", "/snapshots", json=said(content, arrived={sha(content): place.format(**names)}))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    assert service.ports.blobs.info(content_key(sha(content))) is None
    assert service.ports.blobs.info("incoming/secret") is not None


def test_a_place_for_a_file_of_another_snapshot_is_refused(ada):
    answer = ada("POST", "/snapshots", json=said(b"one")).json()
    put(answer["links"][sha(b"one")], b"one")
    arrived = {sha(b"one"): answer["links"][sha(b"one")]["key"]}
    assert ada("POST", "/snapshots", json=said(b"two", arrived=arrived)).status_code == 400


def test_a_place_is_good_for_a_time_and_what_nobody_came_back_for_goes(ada, service, monkeypatch):
    answer = ada("POST", "/snapshots", json=said(b"one")).json()
    (link,) = answer["links"].values()
    put(link, b"one")
    now = service.ports.clock.now()
    monkeypatch.setattr(type(service.ports.clock), "now", lambda self: now + 2 * links.WRITE_S + 1)
    refused = ada("POST", "/snapshots", json=said(b"one", arrived={sha(b"one"): link["key"]}))
    assert refused.status_code == 400 and "too long ago" in refused.json()["error"]["message"]
    ada("POST", "/snapshots", json=said(b"two"))
    assert list(service.ports.blobs.list("incoming/")) == []
    assert len(service.ports.documents.list("incoming")) == 1


def test_a_round_has_so_many_files_and_the_next_ones_come_after(ada):
    contents = [f"print({number})".encode() for number in range(incoming.FILES_MAX + 1)]
    answer = ada("POST", "/snapshots", json=said(*contents)).json()
    assert (len(answer["missing"]), len(answer["links"])) == (incoming.FILES_MAX + 1, incoming.FILES_MAX)
    arrived = {sha(one): f"incoming/{'0' * 32}/{sha(one)}" for one in contents}
    refused = ada("POST", "/snapshots", json=said(*contents, arrived=arrived))
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


def test_a_round_has_so_many_bytes(ada):
    files = {f"{n}": {"sha256": sha(str(n).encode()), "size": 2**29} for n in range(5)}
    links = ada("POST", "/snapshots", json={"files": files}).json()["links"]
    assert len(links) == 2
    place = next(iter(links.values()))["key"].split("/")[1]
    arrived = {file["sha256"]: f"incoming/{place}/{file['sha256']}" for file in files.values()}
    refused = ada("POST", "/snapshots", json={"files": files, "arrived": arrived})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


def test_what_counts_is_what_was_hashed_whatever_is_sent_meanwhile(ada, service, monkeypatch):
    """Whoever has the link can still write to the place while the service looks at it."""
    answer = ada("POST", "/snapshots", json=said(b"print(1)")).json()
    (link,) = answer["links"].values()
    put(link, b"print(1)")
    read = LinkedBlobs.read

    def read_then_replace(self, key):
        yield from read(self, key)
        if key.startswith("incoming/"):
            assert put(link, b"wicked()").status_code == 201

    monkeypatch.setattr(LinkedBlobs, "read", read_then_replace)
    ada("POST", "/snapshots", json=said(b"print(1)", arrived={sha(b"print(1)"): link["key"]}))
    assert service.ports.blobs.get(content_key(sha(b"print(1)"))) == b"print(1)"


def test_a_source_file_that_is_too_large_is_told_before_it_is_sent(ada, service):
    files = {"data.bin": {"sha256": sha(b"x"), "size": incoming.FILE_BYTES_MAX + 1}}
    refused = ada("POST", "/snapshots", json={"files": files})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")
    assert "Put data into a datastore" in refused.json()["error"]["message"]


def test_files_of_a_datastore_are_fetched_and_sent_past_the_service(ada):
    asked = {"for": "write", "paths": ["a/x.txt", "a/y.txt"]}
    answer = ada("POST", "/datastores/workspaceblobstore/links", json=asked).json()
    assert answer["existing"] == []
    assert put(answer["links"]["a/x.txt"], b"x").status_code == 201
    assert put(answer["links"]["a/x.txt"], b"another").status_code == 409, "who comes second replaces nothing"

    again = ada("POST", "/datastores/workspaceblobstore/links", json=asked).json()
    assert again["existing"] == ["a/x.txt"] and [*again["links"]] == ["a/y.txt"]
    over = ada("POST", "/datastores/workspaceblobstore/links", json={**asked, "overwrite": True}).json()
    assert put(over["links"]["a/x.txt"], b"new").status_code == 201

    read = ada("POST", "/datastores/workspaceblobstore/links", json={"for": "read", "paths": ["a/x.txt", "no"]}).json()
    assert httpx2.get(read["links"]["a/x.txt"]["url"]).content == b"new"
    assert httpx2.get(read["links"]["no"]["url"]).status_code == 404
    assert put(read["links"]["a/x.txt"], b"by a link to read").status_code == 403


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "a//b", "", "a/.", "a\\..\\b", "a\0b"])
@pytest.mark.parametrize("purpose", ["read", "write"])
def test_a_link_leads_nowhere_but_below_its_datastore(ada, server, path, purpose):
    refused = ada("POST", "/datastores/workspaceblobstore/links", json={"for": purpose, "paths": ["fine", path]})
    assert refused.status_code == 400 and server.given == {}


def test_a_reader_gets_links_to_read_only(linked, guard):
    reader = Client(linked, guard.knows("eve", Role.READER))
    asked = {"paths": ["x"]}
    assert reader("POST", "/datastores/workspaceblobstore/links", json={**asked, "for": "read"}).status_code == 200
    refused = reader("POST", "/datastores/workspaceblobstore/links", json={**asked, "for": "write"})
    assert refused.json()["error"]["code"] == "forbidden" and "role submitter" in refused.json()["error"]["message"]


def test_too_many_paths_and_datastores_that_are_not_there_are_refused(ada):
    many = {"for": "read", "paths": ["x"] * (links.PATHS_MAX + 1)}
    assert ada("POST", "/datastores/workspaceblobstore/links", json=many).status_code == 400
    assert ada("POST", "/datastores/none/links", json={"paths": ["x"]}).status_code == 404
    assert ada("POST", "/datastores/workspaceblobstore/links", json={"for": "both", "paths": []}).status_code == 400


def test_files_of_a_run_are_fetched_past_the_service_and_its_records_are_not(ada, service, ask, server):
    run = a_run(ask)
    service.ports.blobs.put(f"artifacts/{run['id']}/_run/outputs/a.txt", b"made")
    service.ports.blobs.put(records(StepRunId(run["id"], "_run")) + "secret", b"secret")
    answer = ada("POST", f"/runs/{run['id']}/links", json={"paths": ["outputs/a.txt"]}).json()
    assert httpx2.get(answer["links"]["outputs/a.txt"]["url"]).content == b"made"
    for path in ("../../../records", "../x", "outputs/../../x"):
        assert ada("POST", f"/runs/{run['id']}/links", json={"paths": [path]}).status_code == 400
    refused = ada("POST", f"/runs/{run['id']}/links", json={"for": "write", "paths": ["x"]})
    assert refused.json()["error"]["code"] == "not_supported"
    assert ada("POST", "/runs/00000000/links", json={"paths": ["x"]}).status_code == 404


def test_a_laptop_gives_no_links(ask):
    answer = ask("POST", "/snapshots", json=said(b"print(1)")).json()
    assert answer["links"] == {} and answer["missing"]
    answer = ask("POST", "/datastores/workspaceblobstore/links", json={"for": "write", "paths": ["x"]}).json()
    assert answer == {"links": {"x": None}, "existing": []}


def test_a_service_says_to_everybody_where_to_sign_in(app, linked):
    assert Client(app, None)("GET", "/health").json()["audience"] == ""
    service = linked.state.service
    told = make_app(type(service)(service.ports, service.workspace, "i", False, 2, "0", audience="api://x"), None)
    told.state.guard = linked.state.guard
    assert Client(told, None)("GET", "/health").json()["audience"] == "api://x"
