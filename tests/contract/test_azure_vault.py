"""Secrets of authors in a Key Vault: over HTTPS, by Azure's own client, from a peer that answers as a Key Vault does."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from adapters import azure_vault
from adapters.azure_vault import VALUE_BYTES_MAX, AuthorsVault
from adapters.sealed import SealedDocuments
from adapters.sqlite import Database, SqliteDocuments
from canalis.contract.errors import BadRequest, Conflict, SecretUnreadable, SettingInvalid, StoreUnavailable, TooLarge
from canalis.contract.masking import AUTHORS, TARGETS
from orchestrator import secrets as kept
from tests.peers.key_vault import KeyVault
from tests.receivers import Authority

SECRET = 'pa55/w0rd+"ünd" \\ & line\ntwo'
DB = AUTHORS + "db-password"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    found = Authority(folder)
    (folder / "ca.pem").write_text(found.pem)
    found.file = str(folder / "ca.pem")
    return found


@pytest.fixture
def peer(authority):
    with KeyVault(authority) as running:
        yield running


@pytest.fixture
def sealed(tmp_path):
    return SealedDocuments(SqliteDocuments(Database(tmp_path / "state.db")), [secrets.token_bytes(32)])


@pytest.fixture
def vault(peer, sealed, authority):
    return AuthorsVault(peer.url, peer, sealed, verify=authority.file)


def test_the_peer_does_what_azures_client_asks_of_a_key_vault(peer, authority):
    client = SecretClient(peer.url, peer, connection_verify=authority.file, verify_challenge_resource=False)
    for number in range(30):
        client.set_secret(f"s{number}", str(number))
    assert len(list(client.list_properties_of_secrets())) == 30
    assert client.get_secret("S7").value == "7"
    client.begin_delete_secret("s7", _polling_interval=0.05).wait(5)
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("s7")
    assert client.get_deleted_secret("s7").name == "s7"
    assert client.begin_recover_deleted_secret("s7", _polling_interval=0.05).wait(5) is None
    assert client.get_secret("s7").value == "7"
    client.begin_delete_secret("s7", _polling_interval=0.05).wait(5)
    client.purge_deleted_secret("s7")
    assert [deleted.name for deleted in client.list_deleted_secrets()] == []


@pytest.mark.parametrize("secret", [SECRET, "x", "✓" * 1000, "x" * VALUE_BYTES_MAX], ids=len)
def test_a_secret_comes_back_as_it_was_kept(vault, peer, secret):
    vault.keep(DB, secret)
    assert vault.read(DB) == secret and peer.secrets["db-password"]["value"] == secret
    vault.keep(DB, "another")
    assert vault.read(DB) == "another" and vault.names() == [DB]


def test_what_others_have_kept_in_the_vault_is_there_and_masked(vault, peer):
    for number in range(30):
        peer.write(f"old-{number:02}", f"value of old {number:02}")
    assert len(vault.names()) == 30 and vault.read(AUTHORS + "old-29") == "value of old 29"
    assert vault.mask(fresh=True).hidden("it is value of old 11!") == "it is ***!"


def test_only_what_has_changed_is_read_again_for_the_mask(vault, peer, monkeypatch):
    peer.write("one", "first of all")
    peer.write("two", "second of all")
    for name in ("one", "two"):
        peer.secrets[name]["attributes"]["updated"] -= 3_600
    assert vault.mask(fresh=True).hidden("first of all, second of all") == "***, ***"
    peer.asked.clear()
    vault.mask(fresh=True)
    assert peer.asked == {"GET secrets": 1}
    peer.write("two", "third of all")
    assert vault.mask(fresh=True).hidden("third of all") == "***"
    assert peer.asked == {"GET secrets": 2, "GET secrets one": 1}
    assert vault.mask(fresh=True).hidden("second of all") == "***", "a step may have it still"


def test_services_own_secrets_are_none_of_the_key_vaults(vault, peer, sealed):
    vault.keep("hooks", "whsec_1")
    assert vault.read("hooks") == sealed.read("hooks") == "whsec_1" and vault.names() == ["hooks"]
    assert vault.forget("hooks") and not vault.forget("hooks") and not peer.secrets


def test_what_opens_datastores_and_computes_is_sealed_and_masked(vault, peer, sealed):
    vault.keep(TARGETS + "databricks", "dapi-1234")
    assert sealed.read(TARGETS + "databricks") == "dapi-1234" and not peer.secrets
    assert vault.mask(fresh=True).hidden("dapi-1234") == "***" and kept.listed(vault) == []


def test_what_was_never_kept_is_none_and_forgetting_says_so(vault):
    assert vault.read(DB) is None and not vault.forget(DB) and vault.names() == []


def test_a_name_can_be_used_again_at_once_after_it_was_forgotten(vault, peer):
    vault.keep(DB, "first one")
    assert vault.forget(DB) and vault.read(DB) is None
    vault.keep(DB, "second one")
    assert vault.read(DB) == "second one" and not peer.deleted


def test_a_name_that_does_not_come_free_is_a_conflict(vault, peer, monkeypatch):
    vault.keep(DB, "first one")
    vault.forget(DB)
    monkeypatch.setattr("tests.peers.key_vault.MOVING_S", 60)
    monkeypatch.setattr(azure_vault, "rest_s", lambda number: 0.06)
    peer._moving["db-password"] += 60
    with pytest.raises(Conflict, match="db-password' is being deleted in the Key Vault localhost"):
        vault.keep(DB, "second one")


def test_a_disabled_secret_is_unreadable_and_the_keys_of_certificates_are_not_listed(vault, peer):
    peer.write("off", "of no use", enabled=False)
    peer.write("certificate", "-----BEGIN", managed=True)
    peer.write("on", "of some use")
    with pytest.raises(SecretUnreadable, match="'off' is disabled in the Key Vault localhost"):
        vault.read(AUTHORS + "off")
    assert vault.names() == [AUTHORS + "on"]
    assert vault.mask(fresh=True).hidden("of some use") == "***"


def test_what_is_no_text_or_too_long_is_refused_and_not_repeated(vault, peer):
    for secret, error in (("hunter2\ud800", BadRequest), ("hunter2" * VALUE_BYTES_MAX, TooLarge)):
        with pytest.raises(error) as refused:
            vault.keep(DB, secret)
        assert "hunter2" not in str(refused.value)
    assert not peer.secrets


def test_a_vault_that_throttles_is_asked_again(vault, peer):
    vault.keep(DB, SECRET)
    peer.throttled = 2
    assert vault.read(DB) == SECRET


def test_a_vault_that_refuses_or_is_away_says_what_to_do(vault, peer, sealed, authority):
    peer.refuses = True
    with pytest.raises(
        StoreUnavailable, match=r"Key Vault localhost refuses us .* the role 'Key Vault Secrets Officer'"
    ):
        vault.read(DB)
    away = AuthorsVault("https://127.0.0.1:9", peer, sealed, verify=authority.file)
    with pytest.raises(StoreUnavailable, match=r"Key Vault 127\.0\.0\.1 does not answer"):
        away.names()
    with pytest.raises(SettingInvalid, match="not the address of a Key Vault"):
        AuthorsVault("http://team.vault.azure.net", peer, sealed)


def test_a_certificate_of_somebody_else_is_not_believed(peer, sealed):
    with pytest.raises(StoreUnavailable, match="does not answer"):
        AuthorsVault(peer.url, peer, sealed).read(DB)


def test_many_at_once_keep_and_read(vault):
    def one(number: int) -> None:
        vault.keep(f"{AUTHORS}s{number}", f"value {number}")
        assert vault.read(f"{AUTHORS}s{number}") == f"value {number}"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(24)))
    assert len(vault.names()) == 24


def test_authors_find_them_by_any_case_through_the_service(vault, peer):
    peer.write("Db-Password", SECRET)
    assert kept.read(vault, "db-password").value == SECRET
    assert [one.name for one in kept.listed(vault)] == ["Db-Password"]
