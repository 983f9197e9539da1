"""Datastores in storage accounts, with the storage that stands for Azure's: opened by keys and tokens, as on a laptop."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.datastores import RegisteredStores
from adapters.files import FileStores
from adapters.sqlite import Database, SqliteDocuments
from canalis.contract.datastores import DatastoreRegistration
from canalis.contract.errors import DatastoreRefused, NotFound
from orchestrator import datastores
from tests.azure.conftest import needs_stack
from tests.outside import outside
from tests.scenes.conftest import Author, log_of, own_home, project, shared_home, ws  # noqa: F401


@pytest.fixture(scope="module")
def azurite(tmp_path_factory):
    pytest.importorskip("adapters.azure_blobs")
    needs_stack()
    from tests.azure.storage.azurite import Azurite

    with Azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


class Ports:
    """What registering asks of the ports, on real storage."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "canalis.db")
        self.documents = SqliteDocuments(self.database)
        self.vault = outside(self.documents)["vault"]
        self.stores = RegisteredStores(FileStores(folder / "stores"), self.documents, self.vault, is_local=True)


@pytest.fixture
def ports(tmp_path):
    made = Ports(tmp_path)
    yield made
    made.database.close()


def said_of(azurite, container: str) -> dict[str, str]:
    from tests.azure.storage.azurite import ACCOUNT

    endpoint = f"127.0.0.1:{azurite.blob_port}"
    return {"container_name": container, "account_name": ACCOUNT, "protocol": "http", "endpoint": endpoint}


def registration(azurite, container: str, **more: object) -> DatastoreRegistration:
    from tests.azure.storage.azurite import KEY

    more = {"credentials": {"account_key": KEY}, **more}
    return DatastoreRegistration(type="AzureBlob", said=said_of(azurite, container), **more)


def test_a_container_is_opened_with_its_key_and_made_when_that_is_asked_for(azurite, ports):
    name = f"c{uuid.uuid4().hex}"
    with pytest.raises(DatastoreRefused, match=rf"container '{name}' .* is not there .*create_if_not_exists=True"):
        datastores.register(ports, "landing", registration(azurite, name))
    datastores.register(ports, "landing", registration(azurite, name, create_if_not_exists=True))

    store = ports.stores.open("landing")
    store.put("in/a.csv", b"1,2\n")
    assert [found.key for found in store.list("in/")] == ["in/a.csv"]
    assert b"".join(store.read("in/a.csv")) == b"1,2\n" and store.folder() is None
    assert store.link("in/a.csv", 60.0) is not None
    with pytest.raises(NotFound):
        store.get("in/b.csv")
    assert not any((Path(ports.database.path).parent / "stores").rglob("*.csv")), "it lies there, and not here"


def test_a_wrong_key_is_told_at_once_and_a_right_one_is_taken_when_it_is_registered_anew(azurite, ports):
    container = f"c{uuid.uuid4().hex}"
    datastores.register(ports, "landing", registration(azurite, container, create_if_not_exists=True))
    ports.stores.open("landing").put("a", b"x")
    wrong = {"credentials": {"account_key": "d3Jvbmcga2V5"}, "overwrite": True}
    with pytest.raises(DatastoreRefused, match=r"does not let in account_key .*Register it again, with overwrite=True"):
        datastores.register(ports, "landing", registration(azurite, container, **wrong))
    assert ports.stores.open("landing").get("a") == b"x", "what was refused has changed nothing"

    datastores.register(ports, "landing", registration(azurite, container, skip_validation=True, **wrong))
    with pytest.raises(DatastoreRefused) as told:
        ports.stores.open("landing").get("a")
    assert "d3Jvbmcga2V5" not in str(told.value)
    datastores.register(ports, "landing", registration(azurite, container, overwrite=True))
    assert ports.stores.open("landing").get("a") == b"x"


def test_a_token_opens_what_it_is_for_and_no_link_can_be_signed_with_it(azurite, ports):
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    from tests.azure.storage.azurite import ACCOUNT, KEY

    container = f"c{uuid.uuid4().hex}"
    datastores.register(ports, "whole", registration(azurite, container, create_if_not_exists=True))
    ports.stores.open("whole").put("a", b"x")
    token = generate_container_sas(
        ACCOUNT, container, account_key=KEY, permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    for text in (token, f"?{token}"):
        asked = registration(azurite, container, credentials={"sas_token": text}, overwrite=True)
        datastores.register(ports, "read-only", asked)
        store = ports.stores.open("read-only")
        assert store.get("a") == b"x" and store.link("a", 60.0) is None
    with pytest.raises(DatastoreRefused, match="does not let in sas_token"):
        store.put("b", b"y")


def test_steps_read_and_write_a_container_as_they_do_a_folder(azurite, own_home, ws, project):  # noqa: F811
    from canalis.data import DataReference, PipelineData
    from canalis.dataset import Dataset, OutputFileDatasetConfig
    from canalis.datastore import Datastore
    from canalis.exceptions import UserErrorException
    from tests.azure.storage.azurite import KEY

    container = f"c{uuid.uuid4().hex}"
    said = said_of(azurite, container)
    store = Datastore.register_azure_blob_container(ws, "landing", account_key=KEY, create_if_not_exists=True, **said)
    (project / "in.csv").write_text("a\n1\n2\n")
    store.upload_files([str(project / "in.csv")], target_path="in", show_progress=False)
    assert Dataset.Tabular.from_delimited_files((store, "in/*.csv")).to_pandas_dataframe()["a"].tolist() == [1, 2]

    read, made = DataReference(store, "read", "in/in.csv"), PipelineData("made", datastore=store)
    out = OutputFileDatasetConfig("out", destination=(store, "out/{run-id}"))
    author = Author(ws, project)
    script = """
        import shutil, sys
        shutil.copy(sys.argv[1], sys.argv[2])
        open(sys.argv[3] + "/more.txt", "w").write("more")
        from azureml.core import Datastore, Run
        print("key", Datastore(Run.get_context().experiment.workspace, "landing").account_key)
    """
    first = author.step("first", script, arguments=[read, made, out], inputs=[read], outputs=[made])
    second = author.step("second", """
        import os, sys
        print(open(sys.argv[1]).read(), os.listdir(sys.argv[2]))
    """, arguments=[made, out.as_input("more").as_mount()], inputs=[made])  # fmt: skip
    run = author.runs(first, second)

    assert run.get_status() == "Finished", log_of(run, "first")
    assert log_of(run, "second") == "a\n1\n2\n ['more.txt']\n"
    step = run.find_step_run("first")[0]
    assert KEY not in log_of(run, "first") and "key ****" in log_of(run, "first")
    assert store.download(project / "got", prefix=f"azureml/{step.id}", show_progress=False) == 1
    assert Dataset.File.from_files((store, f"out/{step.id}/*")).to_path() == ["/more.txt"]
    assert step.get_output_data("made").datastore.account_name == said["account_name"]

    store.unregister()
    with pytest.raises(UserErrorException, match="There is no datastore 'landing'"):
        Datastore(ws, "landing")
    gone = author.runs(first)
    assert gone.get_status() == "Failed" and "There is no datastore 'landing'" in str(
        gone.find_step_run("first")[0].get_details()
    )
