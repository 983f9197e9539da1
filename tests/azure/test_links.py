"""Files past the service, with the storage that stands for Azure's: its own HTTP, and signatures that it checks."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx2
import pytest

from canalis.authentication import TokenAuthentication
from canalis.contract.errors import Conflict
from canalis.contract.layout import content_key
from canalis.snapshot import Snapshots, read_folder
from canalis.transfer import Storage
from canalis.workspace import Workspace
from tests.azure.conftest import needs_stack
from tests.cloud import Cloud


@pytest.fixture(scope="module")
def azurite(tmp_path_factory):
    pytest.importorskip("adapters.azure_blobs")
    needs_stack()
    from tests.azure.storage.azurite import Azurite

    with Azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture
def blobs(azurite):
    from adapters.azure_blobs import AzureBlobs

    return AzureBlobs.open(azurite.connection_string, f"c{uuid.uuid4().hex}", create_if_missing=True)


@pytest.fixture
def cloud(tmp_path, blobs):
    from adapters.azure_blobs import AzureStores

    stores = AzureStores(blobs, lambda name: name == "workspaceblobstore")
    cloud = Cloud(tmp_path / "elsewhere" / "root", blobs=blobs, stores=stores)
    yield cloud
    cloud.close()


@pytest.fixture
def ws(cloud, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    token = cloud.guard.knows("ada")
    ws = Workspace.get("cloud-ws", auth=TokenAuthentication(lambda audience: token), canalis_url=cloud.url)
    yield ws
    ws._client.close()


def test_source_files_wait_in_a_place_of_their_own_until_they_were_seen(ws, cloud, blobs):
    source = Path("source")
    (source / "package").mkdir(parents=True)
    (source / "empty.py").write_text("")
    for number in range(20):
        (source / "package" / f"part {number} ü.py").write_text(f"NUMBER = {number}\n")

    identity = Snapshots(ws._client).id_of("source")
    for path, entry in read_folder(source).items():
        assert blobs.get(content_key(entry["sha256"])) == (source / path).read_bytes()
    assert list(blobs.list("incoming/")) == []
    assert len(ws._client.get(f"/snapshots/{identity}")["files"]) == 21
    assert Snapshots(ws._client).id_of("source") == identity


def test_files_of_a_datastore_come_and_go_by_links(ws, blobs, capsys):
    store = ws.get_default_datastore()
    source = Path("many")
    (source / "a b").mkdir(parents=True)
    for number in range(12):
        (source / "a b" / f"{number:02} ü+%.bin").write_bytes(bytes([number]) * 100_000 * number)
    store.upload("many", "set")
    assert capsys.readouterr().out.splitlines()[-1] == "Uploaded 12 of 12 files"
    store.upload("many", "set")
    assert capsys.readouterr().out.splitlines()[-1] == "Uploaded 0 of 12 files"
    assert store.download("back", "set", show_progress=False) == 12
    for path in source.rglob("*.bin"):
        assert (Path("back") / "set" / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_a_link_opens_one_blob_for_one_use(ws, blobs, tmp_path):
    Path("x").write_text("new")
    asked = {"for": "write", "paths": ["x"]}
    link = ws._client.post("/datastores/workspaceblobstore/links", asked)["links"]["x"]
    with Storage() as storage:
        storage.put(link, Path("x"), lambda count: None)
        with pytest.raises(Conflict):
            storage.put(link, Path("x"), lambda count: None)
    other = link["url"].replace("/x?", "/y?")
    assert other != link["url"] and httpx2.put(other, headers=link["headers"], content=b"forged").status_code == 403
    assert httpx2.get(link["url"]).status_code == 403, "a link to write reads nothing"
    read = ws._client.post("/datastores/workspaceblobstore/links", {"paths": ["x"]})["links"]["x"]
    assert httpx2.get(read["url"]).content == b"new"
    assert httpx2.put(read["url"], headers={"x-ms-blob-type": "BlockBlob"}, content=b"no").status_code == 403
    assert httpx2.delete(link["url"]).status_code == 403
