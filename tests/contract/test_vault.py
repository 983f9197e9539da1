"""What every vault promises: secrets come back to who has the key, and to nobody else."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import secrets
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from adapters.sealed import KIND, SECRET_BYTES_MAX, FolderVault, SealedDocuments, kept_key
from adapters.sqlite import Database, SqliteDocuments
from canalis.contract import logs
from canalis.contract.errors import (
    BadRequest,
    SecretUnreadable,
    SettingInvalid,
    StoreUnavailable,
    TooLarge,
    WorldError,
)

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER = secrets.token_bytes(32), secrets.token_bytes(32)
SECRET = 'pa55/w0rd+"ünd" \\ & line\ntwo'


@pytest.fixture
def vault(documents):
    return SealedDocuments(documents, [KEY])


# What is kept


@pytest.mark.parametrize("secret", [SECRET, "", "x", "\x00", "✓" * 1000, "x" * SECRET_BYTES_MAX], ids=len)
def test_a_secret_comes_back_as_it_was_kept(vault, secret):
    vault.keep("hooks", secret)
    assert vault.read("hooks") == secret


def test_what_was_never_kept_is_none(vault):
    assert vault.read("hooks") is None
    assert vault.names() == []


def test_a_secret_takes_the_place_of_the_one_before(vault):
    vault.keep("hooks", "first one")
    vault.keep("hooks", "second one")
    assert vault.read("hooks") == "second one" and vault.names() == ["hooks"]


def test_forgetting_says_whether_there_was_anything(vault):
    vault.keep("hooks", SECRET)
    assert vault.forget("hooks")
    assert not vault.forget("hooks")
    assert vault.read("hooks") is None


@pytest.mark.parametrize("name", ["a", "run-1.hooks", "a b", "ä/ö?#%", "'quoted'", "secrets", "0" * 100])
def test_a_secret_may_have_any_name(vault, name):
    vault.keep(name, "one")
    vault.keep(name + "x", "two")
    assert vault.read(name) == "one" and vault.names() == [name, name + "x"]


def test_names_are_in_order_and_those_of_secrets_only(vault, documents):
    documents.put("computes", "cpu", {})
    for name in ("b", "a", "c"):
        vault.keep(name, SECRET)
    assert vault.names() == ["a", "b", "c"]


def test_what_is_no_text_or_too_long_is_refused_and_not_repeated(vault):
    for secret, error in (("hunter2\ud800", BadRequest), ("hunter2" * SECRET_BYTES_MAX, TooLarge)):
        with pytest.raises(error) as refused:
            vault.keep("hooks", secret)
        assert "hunter2" not in str(refused.value)
        assert refused.value.__context__ is None and refused.value.__cause__ is None
    assert vault.names() == []


def test_many_may_use_one_vault_at_once(vault):
    def keep_and_read(number: int) -> bool:
        vault.keep(f"secret-{number}", f"value-{number}")
        return vault.read(f"secret-{number}") == f"value-{number}"

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(keep_and_read, range(16)))


# Who has only what is stored


def forms(secret: str) -> set[bytes]:
    """How a secret may be written where it should not be."""
    data = secret.encode()
    shifted = [base64.b64encode(b"x" * skip + data)[4 : 4 * (len(data) // 3)] for skip in range(3)]
    web = [one.replace(b"+", b"-").replace(b"/", b"_") for one in shifted]
    texts = [
        quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(json.dumps(secret))[3:-3], repr(secret)[1:-1],
        data.hex(), data.hex().upper(), secret[::-1],
    ]  # fmt: skip
    lines = [line.encode() for line in secret.splitlines()]
    return {data, *shifted, *web, *(text.encode() for text in texts), secret.encode("utf-16-le"), *lines}


def test_a_secret_is_found_in_none_of_its_forms_in_what_is_stored(vault, documents, tmp_path):
    for canary in (SECRET, "canary-7f3c1a9e-plain"):
        vault.keep("hooks", canary)
        vault.keep("hooks", canary)
        vault.read("hooks")
        stored = json.dumps(documents.get(KIND, "hooks").body).encode()
        files = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        assert not [form for form in forms(canary) if form in stored or form in files]
        if isinstance(documents, SqliteDocuments):
            assert b'"sealed"' in files, "it is not there that it would be"
        assert KEY not in files and KEY.hex().encode() not in files and base64.b64encode(KEY) not in files


def test_the_forms_would_be_found_if_they_were_stored(database, tmp_path):
    documents = SqliteDocuments(database)
    for number, form in enumerate(forms("canary-7f3c1a9e-plain")):
        documents.put("planted", str(number), {"form": form.decode("latin-1")})
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    plain = [form for form in forms("canary-7f3c1a9e-plain") if b"\x00" not in form]
    assert len(plain) >= 7 and all(form in stored for form in plain)


def test_the_same_secret_is_never_sealed_in_the_same_way(vault, documents):
    bodies = []
    for _ in range(20):
        vault.keep("hooks", SECRET)
        bodies.append(documents.get(KIND, "hooks").body)
    assert len({body["nonce"] for body in bodies}) == len({body["sealed"] for body in bodies}) == 20


def test_the_body_of_one_secret_does_not_open_under_the_name_of_another(vault, documents):
    vault.keep("theirs", "a secret of theirs")
    vault.keep("mine", "a secret of mine")
    documents.put(KIND, "mine", documents.get(KIND, "theirs").body)

    with pytest.raises(SecretUnreadable, match="'mine' was changed where it is stored"):
        vault.read("mine")
    assert vault.read("theirs") == "a secret of theirs"


def flipped(text: str, at: int) -> str:
    data = bytearray(base64.b64decode(text))
    data[at] ^= 1
    return base64.b64encode(data).decode()


CHANGED = {
    "one bit": lambda body: {"sealed": flipped(body["sealed"], 0)},
    "one bit of the tag": lambda body: {"sealed": flipped(body["sealed"], -1)},
    "one bit of the nonce": lambda body: {"nonce": flipped(body["nonce"], 3)},
    "cut short": lambda body: {"sealed": body["sealed"][:20]},
    "nothing sealed": lambda body: {"sealed": ""},
    "no nonce": lambda body: {"nonce": ""},
    "a nonce without end": lambda body: {"nonce": base64.b64encode(b"x" * 1000).decode()},
    "no Base64": lambda body: {"sealed": "*" + body["sealed"]},
    "no ASCII": lambda body: {"sealed": "é"},
    "no text": lambda body: {"sealed": 7, "nonce": None},
    "a list": lambda body: {"sealed": [body["sealed"]]},
    "another key": lambda body: {"key": "0123456789abcdef"},
    "no key": lambda body: {"key": None},
    "a newer format": lambda body: {"version": 2},
    "no format": lambda body: {"version": "1"},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_what_was_changed_where_it_is_stored_opens_as_nothing_else(vault, documents, change):
    vault.keep("hooks", SECRET)
    body = documents.get(KIND, "hooks").body
    documents.put(KIND, "hooks", body | change(body))

    with pytest.raises(SecretUnreadable) as refused:
        vault.read("hooks")
    assert refused.value.details == {"name": "hooks"} and isinstance(refused.value, WorldError)
    documents.put(KIND, "hooks", {})
    with pytest.raises(SecretUnreadable):
        vault.read("hooks")
    vault.keep("hooks", "anew")
    assert vault.read("hooks") == "anew"


# Keys


def test_a_key_that_is_not_the_one_opens_nothing_and_it_is_said_which_is_missing(vault, documents):
    vault.keep("hooks", SECRET)
    which = documents.get(KIND, "hooks").body["key"]

    with pytest.raises(SecretUnreadable, match=rf"sealed with a key that the service does not have \({which}\)"):
        SealedDocuments(documents, [OTHER]).read("hooks")
    assert vault.read("hooks") == SECRET


def test_while_a_key_is_changed_the_new_one_seals_and_both_open(vault, documents):
    vault.keep("old", "sealed before")
    changing = SealedDocuments(documents, [OTHER, KEY])
    changing.keep("new", "sealed meanwhile")
    assert changing.read("old") == "sealed before" and changing.read("new") == "sealed meanwhile"

    after = SealedDocuments(documents, [OTHER])
    assert after.read("new") == "sealed meanwhile"
    with pytest.raises(SecretUnreadable):
        after.read("old")
    changing.keep("old", changing.read("old"))
    assert after.read("old") == "sealed before"
    with pytest.raises(SecretUnreadable):
        vault.read("old")


def test_what_the_first_version_has_sealed_opens(documents):
    """The format and how keys are derived stay: with others, all that is kept would be lost."""
    body = {
        "version": 1,
        "key": "1ead9e071fd40dc4",
        "nonce": "S3ybtiZZHm349jTJ",
        "sealed": "+8bOCwd/4wiFQgN2v1wctVN/DidI6WmLpEyB6rXFpNgK9QJ28vOc",
    }
    documents.put(KIND, "hooks", body)
    assert SealedDocuments(documents, [bytes(range(32))]).read("hooks") == "as of the first version"


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 31], [KEY, b"short"]], ids=["none", "empty", "short", "one short"])
def test_a_key_that_could_be_guessed_is_refused(database, keys):
    with pytest.raises(SettingInvalid, match="at least one key, of 32 bytes or more"):
        SealedDocuments(SqliteDocuments(database), keys)


# The log


@pytest.fixture
def log():
    """A logger of the service, and what it has written."""
    stream = io.StringIO()
    log, handler = logging.getLogger("canalis.vaulted"), logging.StreamHandler(stream)
    handler.setFormatter(logs.PlainLines())
    log.handlers, log.propagate = [handler], False
    yield log, stream
    log.handlers = []


def test_from_when_it_is_kept_no_log_shows_a_secret(vault, log):
    logger, stream = log
    secret = f"canary {secrets.token_hex(8)}"
    vault.keep("hooks", secret)
    logger.warning("kept %s, sent %s", secret, quote(secret, safe=""))
    assert stream.getvalue().endswith(f"kept {logs.MASK}, sent {logs.MASK}\n")


def test_from_when_it_is_read_no_log_shows_a_secret_that_another_process_has_kept(database, tmp_path, log):
    logger, stream = log
    secret = f"canary {secrets.token_hex(8)}"
    script = (
        "import sys; from pathlib import Path; from adapters.sealed import SealedDocuments; "
        "from adapters.sqlite import Database, SqliteDocuments; database = Database(Path(sys.argv[1])); "
        "SealedDocuments(SqliteDocuments(database), [bytes.fromhex(sys.argv[2])]).keep('hooks', sys.argv[3]); "
        "database.close()"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "canalis.db", KEY.hex(), secret], check=True, cwd=ROOT)

    logger.warning("a text of nobody in particular, %s", secret)
    assert SealedDocuments(SqliteDocuments(database), [KEY]).read("hooks") == secret
    logger.warning("read %s, sent %s", secret, quote(secret, safe=""))
    first, second = stream.getvalue().splitlines()
    assert first.endswith(secret) and second.endswith(f"read {logs.MASK}, sent {logs.MASK}")


def test_the_library_is_loaded_when_a_secret_is_kept_and_not_before():
    script = "import sys, adapters.sealed as s; s.SealedDocuments(None, [b'k' * 32]); sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


# The key of a folder


def test_a_folders_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    folder = tmp_path / "home" / "workspace"
    mask = os.umask(0)
    try:
        key = kept_key(folder)
    finally:
        os.umask(mask)

    assert len(key) == 32 and kept_key(folder) == key != kept_key(tmp_path)
    assert stat.S_IMODE((folder / "secrets.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == ["secrets.key"]


def test_of_many_who_make_a_folders_key_at_once_all_get_the_same(tmp_path):
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(lambda _: kept_key(tmp_path), range(32)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secrets.key"]


def test_what_a_crash_left_of_making_a_key_is_no_key(tmp_path):
    (tmp_path / "secrets.key.1.abcd").write_bytes(b"half")
    assert len(kept_key(tmp_path)) == 32


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_folders_key_of_another_length_is_not_replaced(tmp_path, length):
    (tmp_path / "secrets.key").touch(0o600)
    (tmp_path / "secrets.key").write_bytes(b"x" * length)
    with pytest.raises(StoreUnavailable, match=f"has {length} bytes, not 32: put it back from a backup"):
        kept_key(tmp_path)
    assert (tmp_path / "secrets.key").read_bytes() == b"x" * length


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_folders_key_that_others_can_read_opens_nothing_until_they_cannot(tmp_path, mode):
    kept_key(tmp_path)
    (tmp_path / "secrets.key").chmod(mode)
    with pytest.raises(SecretUnreadable, match=r"can be read by others than its owner \(mode 6\d\d\): chmod 600 /"):
        kept_key(tmp_path)
    (tmp_path / "secrets.key").chmod(0o600)
    assert len(kept_key(tmp_path)) == 32


def test_what_authors_keep_is_masked_also_when_it_was_changed_and_what_is_ours_is_not_asked_for(vault, documents):
    assert not vault.mask()
    vault.keep("webhook one", "a secret of ours")
    vault.keep("secret mine", "first-secret")
    vault.keep("secret mine", "second-secret")
    vault.keep("secret broken", "third-secret")
    documents.put(KIND, "secret broken", {"version": 1, "key": "?"})
    text = "a secret of ours first-secret second-secret third-secret"
    assert vault.mask().hidden(text) == "a secret of ours first-secret *** third-secret"
    vault.keep("secret mine", "last-secret")
    assert vault.mask().hidden("second-secret last-secret") == "*** ***", "who has read it may still print it"


def test_a_mask_that_must_be_fresh_knows_what_another_instance_has_kept(vault, documents):
    other = SealedDocuments(documents, [KEY])
    assert not other.mask()
    vault.keep("secret mine", "first-secret")
    assert not other.mask() and other.mask(fresh=True) and other.mask()


def test_a_folder_whose_key_was_lost_says_so_and_keeps_secrets_anew(documents, tmp_path):
    FolderVault(documents, tmp_path).keep("secret mine", "first-secret")
    (tmp_path / "secrets.key").unlink()
    later = FolderVault(documents, tmp_path)
    assert not later.mask(), "nobody can read it, so nothing can show it"
    with pytest.raises(SecretUnreadable, match="give it that key again, or keep the secret anew"):
        later.read("secret mine")
    later.keep("secret mine", "second-secret")
    assert later.read("secret mine") == "second-secret" and later.mask().hidden("second-secret") == "***"


def test_a_folder_without_secrets_gets_no_key_for_a_mask(documents, tmp_path):
    folder = tmp_path / "workspace"
    assert not FolderVault(documents, folder).mask() and not folder.exists()


def test_where_there_is_no_room_for_a_key_the_operator_is_told_and_nothing_is_left(tmp_path):
    script = (
        "import resource, sys; from pathlib import Path; from adapters.sealed import kept_key; "
        "from canalis.contract.errors import StoreFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))\n"
        "try: kept_key(Path(sys.argv[1]))\n"
        "except StoreFull as error: sys.exit('secrets.key' not in str(error))\n"
        "sys.exit('it was made')"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, cwd=ROOT)
    assert not list(tmp_path.iterdir())


def test_secrets_open_after_a_restart_with_the_key_of_the_folder(tmp_path):
    for _ in range(2):
        database = Database(tmp_path / "canalis.db")
        vault = SealedDocuments(SqliteDocuments(database), [kept_key(tmp_path)])
        if not vault.names():
            vault.keep("hooks", SECRET)
        assert vault.read("hooks") == SECRET
        database.close()
