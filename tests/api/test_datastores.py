"""Datastores over HTTP: registered, found, replaced and forgotten; their credentials have one answer, and no page."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from canalis.contract.errors import BadRequest
from tests.api.conftest import a_run

KEY = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="
CONTAINER = {"container_name": "landing", "account_name": "account1"}


def put(ask, name: str, type: str = "AzureBlob", said: dict[str, Any] = CONTAINER, **more: Any):
    return ask("PUT", f"/datastores/{name}", json={"type": type, "said": said, **more})


def test_a_datastore_is_registered_found_made_the_default_and_forgotten(ask):
    made = put(ask, "landing")
    assert made.status_code == 200, made.text
    assert made.json() == {
        "name": "landing", "type": "AzureBlob", "is_default": False, "place": "own", "credentials": [], **CONTAINER
    }  # fmt: skip
    assert ask("GET", "/datastores/landing").json() == made.json()
    assert [found["name"] for found in ask("GET", "/datastores").json()] == ["landing", "workspaceblobstore"]
    assert ask("PUT", "/datastores/landing/files/a/b.txt", content=b"x").status_code == 204
    assert [found["path"] for found in ask("GET", "/datastores/landing/files").json()] == ["a/b.txt"]

    assert ask("PUT", "/datastores/default/landing").json()["is_default"]
    refused = ask("DELETE", "/datastores/landing")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "still_used")
    assert "make another the default first" in refused.json()["error"]["message"]
    ask("PUT", "/datastores/default/workspaceblobstore")
    assert [ask("DELETE", "/datastores/landing").status_code for _ in range(2)] == [204, 204]

    gone = ask("GET", "/datastores/landing/files/a/b.txt")
    assert gone.status_code == 404 and "There is no datastore 'landing' (there: " in gone.json()["error"]["message"]
    put(ask, "landing")
    assert ask("GET", "/datastores/landing/files/a/b.txt").content == b"x", "its files stayed where they were"


def test_another_one_of_that_name_takes_its_place_only_when_that_is_said(ask):
    put(ask, "landing", credentials={"account_key": KEY}, skip_validation=True)
    again = put(ask, "landing", credentials={"account_key": KEY}, skip_validation=True)
    assert again.status_code == 200, "the same one again is no conflict"
    for said, secrets in ((CONTAINER, {"account_key": KEY[4:]}), (CONTAINER | {"container_name": "other"}, {})):
        refused = put(ask, "landing", said=said, credentials=secrets, skip_validation=True)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "already_exists")
        assert "pass overwrite=True" in refused.json()["error"]["message"]

    token = {"sas_token": "sv=2022&sig=abcdefghij"}
    replaced = put(ask, "landing", credentials=token, skip_validation=True, overwrite=True)
    assert (replaced.json()["credentials"], replaced.json()["place"]) == (["sas_token"], "account")
    assert ask("GET", "/datastores/landing/credentials").json() == token, "the key went with what it opened"


def test_credentials_are_in_one_answer_whose_readers_are_written_down_and_in_no_log(ask, app, caplog):
    caplog.set_level(logging.INFO)
    assert put(ask, "landing", credentials={"account_key": KEY}, skip_validation=True).status_code == 200
    run = a_run(ask, b"pass")
    said = [ask("GET", path).text for path in ("/datastores", "/datastores/landing", "/audit", "/secrets", "/runs")]
    assert KEY not in "".join(said) and json.loads(said[3]) == [], "nor is it one of the author's own secrets"
    assert KEY not in json.dumps([stored.body for stored in app.state.service.ports.documents.list("secrets")])

    read = ask("GET", "/datastores/landing/credentials")
    assert read.json() == {"account_key": KEY} and read.headers["cache-control"] == "no-store"
    told = [(one["method"], one["route"]) for one in ask("GET", "/audit").json() if "datastores" in one["route"]]
    assert told == [("GET", "/datastores/{name}/credentials"), ("PUT", "/datastores/{name}")]
    assert KEY not in caplog.text
    tagged = ask("PATCH", f"/runs/{run['id']}", json={"tags": {"said": f"the key is {KEY}"}})
    assert tagged.status_code < 300 and KEY not in ask("GET", f"/runs/{run['id']}").text, "masked as any secret is"

    ask("DELETE", "/datastores/landing")
    assert app.state.service.ports.vault.names() == []


@pytest.mark.parametrize(
    ("name", "type", "said", "more", "told"),
    [
        ("default", "AzureBlob", CONTAINER, {}, "cannot be the name of a datastore"),
        ("a b", "AzureBlob", CONTAINER, {}, "cannot be the name of a datastore"),
        ("n" * 65, "AzureBlob", CONTAINER, {}, "cannot be the name of a datastore"),
        ("d", "Dropbox", CONTAINER, {}, "'Dropbox' is no type of a datastore: AzureBlob, AzureFile"),
        ("d", "AzureBlob", {"account_name": "acc"}, {}, "container_name is missing"),
        ("d", "AzureBlob", CONTAINER | {"colour": "red"}, {}, "'colour' is nothing that can be said of it"),
        ("d", "AzureBlob", CONTAINER | {"account_name": "a/../b"}, {}, "account_name must be 3 to 24 lower case"),
        ("d", "AzureBlob", CONTAINER | {"container_name": "a--b"}, {}, "its container must have a name of 3 to 63"),
        ("d", "AzureBlob", CONTAINER | {"endpoint": "host/path"}, {}, "endpoint must be a host"),
        ("d", "AzureBlob", CONTAINER | {"account_name": ["a"]}, {}, "account_name must be text"),
        ("d", "AzureBlob", CONTAINER, {"credentials": {"password": "no secret"}}, "'password' is none of the cred"),
        ("d", "AzureBlob", CONTAINER, {"credentials": {"account_key": " "}}, "account_key must have 1 to 16000"),
        ("d", "AzureBlob", CONTAINER, {"credentials": {"account_key": "no base 64"}}, "account_key is none"),
        ("workspaceblobstore", "AzureBlob", CONTAINER, {"overwrite": True}, "is one that every workspace has"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_with_the_reason(ask, app, name, type, said, more, told):
    answer = put(ask, name, type, said, **more)
    assert 400 <= answer.status_code < 500, answer.text
    message = answer.json()["error"]["message"]
    assert told in message
    assert not any(secret in answer.text for secret in more.get("credentials", {}).values() if secret.strip())
    assert [found["name"] for found in ask("GET", "/datastores").json()] == ["workspaceblobstore"]
    assert app.state.service.ports.vault.names() == []


def test_storage_that_does_not_answer_keeps_a_datastore_from_being_registered_unless_nobody_looks(ask):
    away = CONTAINER | {"protocol": "http", "endpoint": "127.0.0.1:9"}
    refused = put(ask, "away", said=away, credentials={"account_key": KEY})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "datastore_refused")
    message = refused.json()["error"]["message"]
    assert "Datastore 'away': container 'landing' of http://127.0.0.1:9/account1 does not answer" in message
    assert "With skip_validation=True it is registered all the same" in message
    assert ask("GET", "/datastores/away").status_code == 404

    assert put(ask, "away", said=away, credentials={"account_key": KEY}, skip_validation=True).status_code == 200
    assert ask("GET", "/datastores/away/files").status_code == 503


@pytest.mark.parametrize("type", ["AzureFile", "DBFS"])
def test_what_is_a_folder_on_a_laptop_says_in_the_cloud_what_to_do_instead(ask, app, type):
    said = CONTAINER if type == "AzureFile" else {}
    assert put(ask, "share", type, said).json()["place"] == "own"
    assert ask("PUT", "/datastores/share/files/a", content=b"x").status_code == 204

    app.state.service.ports.stores._is_local = False
    refused = put(ask, "share", type, said, overwrite=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "not_supported")
    assert "copy them to a blob container" in refused.json()["error"]["message"]


def test_a_datastore_of_a_cloud_leads_to_azure_and_nowhere_else(ask, app):
    app.state.service.ports.stores._is_local = False
    for endpoint, protocol in (
        ("10.0.0.1:8080", "http"),
        ("internal.example.com", "https"),
        ("core.windows.net", "http"),
    ):
        said = CONTAINER | {"endpoint": endpoint, "protocol": protocol}
        refused = put(ask, "inside", said=said, credentials={"account_key": KEY})
        assert refused.json()["error"]["code"] == "not_supported", refused.text
        assert "whose network would be open to it" in refused.json()["error"]["message"]


def test_a_url_of_fsspec_is_a_datastore_whose_libraries_say_what_is_missing(ask, app, tmp_path):
    secrets = {"key": "an-access-key", "secret": "a-long-secret"}
    made = put(ask, "bucket", "Fsspec", {"url": "memory://bucket/below", "options": {}})
    assert made.json()["place"] == "library", made.text
    assert ask("PUT", "/datastores/bucket/files/a/b.txt", content=b"x").status_code == 204
    assert [found["path"] for found in ask("GET", "/datastores/bucket/files").json()] == ["a/b.txt"]

    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "c.txt").write_bytes(b"in place")
    assert put(ask, "disk", "Fsspec", {"url": f"file://{tmp_path}/shared"}).status_code == 200
    assert ask("GET", "/datastores/disk/files/c.txt").content == b"in place"
    assert app.state.service.ports.stores.open("disk").folder() == tmp_path / "shared"

    for url, code, told in (
        ("s3://bucket", "not_supported", "Install s3fs to access S3"),
        ("nonsense://bucket", "datastore_refused", "Protocol not known: nonsense"),
        (f"file://{tmp_path}/none", "datastore_refused", "is no folder of this machine"),
        ("s3://ann:secret99@bucket", "bad_request", "its url has a password in it"),
        ("simplecache::s3://bucket", "bad_request", "leads through several file systems"),
    ):
        refused = put(ask, "other", "Fsspec", {"url": url}, credentials=secrets)
        assert refused.json()["error"]["code"] == code, refused.text
        assert told in refused.json()["error"]["message"]
        assert not any(secret in refused.text for secret in ("a-long-secret", "secret99"))


@pytest.mark.parametrize(
    ("url", "options", "secrets", "told"),
    [
        ("file:///etc", {}, {}, "with file:// is not opened"),
        ("memory://a", {}, {}, "with memory:// is not opened"),
        ("http://169.254.169.254/metadata", {}, {}, "with http:// is not opened"),
        ("s3://bucket", {"endpoint_url": "http://10.0.0.1"}, {}, "with the option endpoint_url"),
        ("s3://bucket", {"client_kwargs": {"endpoint_url": "http://10.0.0.1"}}, {}, "with the option client_kwargs"),
        ("gs://bucket", {}, {"token": "/home/app/token.json"}, "with the option token"),
        ("abfs://c", {}, {"connection_string": "BlobEndpoint=http://10.0.0.1"}, "with the option connection_string"),
        ("abfs://c", {"account_name": "a.evil.example/x"}, {"account_key": KEY}, "account_name must be"),
    ],
)
def test_a_library_leads_in_the_cloud_to_nothing_that_the_service_alone_may_reach(
    ask, app, url, options, secrets, told
):
    app.state.service.ports.stores._is_local = False
    refused = put(ask, "inside", "Fsspec", {"url": url, "options": options}, credentials=secrets)
    assert refused.json()["error"]["code"] == "not_supported", refused.text
    assert told in refused.json()["error"]["message"]


def test_a_file_system_of_data_lake_storage_is_opened_in_the_cloud_by_its_service_principal_alone(app):
    stores = app.state.service.ports.stores
    stores._is_local = False
    body = {"type": "AzureDataLakeGen2", **CONTAINER, "tenant_id": "contoso", "credentials": ["client_secret"]}
    with pytest.raises(BadRequest, match="has a client_secret, and needs client_id beside it"):
        stores.reach("lake", body, {"client_secret": "a-long-secret"})
    found = stores.reach("lake", {**body, "client_id": "app"}, {"client_secret": "a-long-secret"})
    assert found._container.url == "https://account1.blob.core.windows.net/landing"
    assert type(found._container.credential).__name__ == "ClientSecretCredential"
    anybodys = stores.reach("open", {"type": "AzureBlob", **CONTAINER, "credentials": []}, {})
    assert anybodys._container.credential is None, "the service's own identity opens nothing of others"
