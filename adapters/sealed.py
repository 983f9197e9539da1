"""Secrets among the service's documents, sealed: who reads the storage learns their names and lengths, and no more.

    vault = SealedDocuments(documents, [key])
    vault.keep("hooks", "whsec_...")

A document of kind `secrets`:

    version   of this format: 1
    key       which key sealed it: 16 hex digits, derived from it beside what seals, so that they give nothing away
    nonce     12 random bytes, in Base64
    sealed    the secret by AES-256-GCM with its tag, in Base64

Format, key and name are sealed along as associated data: the body of one secret does not open under the name of
another. An older body of the same name does; who can write to the storage can bring a secret back, and not read it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import logging
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from canalis.contract import logs
from canalis.contract.errors import (
    BadRequest,
    SecretUnreadable,
    SettingInvalid,
    StoreUnavailable,
    TooLarge,
    of_system,
)
from canalis.contract.masking import AUTHORS, Mask
from canalis.contract.ports import Document, DocumentStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KIND = "secrets"
KEY_BYTES = 32
SECRET_BYTES_MAX = 64 * 1024
MASK_S = 5.0  # how long a mask is good where other instances keep secrets, too
_VERSION = 1
_NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2.2: random ones are good for 2^32 secrets under one key
_SEALING, _NAMING = b"canalis vault 1: seal", b"canalis vault 1: name of the key"

_log = logging.getLogger("canalis.vault")


class SealedDocuments:
    """Keeps secrets in a document store, sealed. Safe to be used by many threads.

    keys     32 random bytes or more each. The first one seals, all of them open: to change it, a new one is put before
             the old, which can go when every secret has been kept again
    Raises   SettingInvalid for no key, or one that is too short
    """

    def __init__(self, documents: DocumentStore, keys: Sequence[bytes]) -> None:
        if not keys or min(map(len, keys)) < KEY_BYTES:
            raise SettingInvalid(f"Secrets are kept with at least one key, of {KEY_BYTES} bytes or more")
        self._documents = documents
        self._keys = tuple(_Key(key) for key in keys)
        self._masks = Masks(self.authors, MASK_S)

    def keep(self, name: str, secret: str) -> None:
        """Keep it under that name, in the place of what was there. Raises TooLarge, and BadRequest for no text."""
        data = bytes_of(secret)
        logs.hide(secret)
        self._documents.put(KIND, name, self._keys[0].sealed(name, data))
        self._masks.forget()

    def read(self, name: str) -> str | None:
        """The secret, or None; from then on no log shows it. Raises SecretUnreadable when no key of ours opens it."""
        stored = self._documents.get(KIND, name)
        if stored is None:
            return None
        secret = self._opened(name, stored.body)
        logs.hide(secret)
        return secret

    def forget(self, name: str) -> bool:
        """Whether there was one to forget."""
        return self._documents.delete(KIND, name)

    def names(self) -> list[str]:
        """Of all that are kept, in order."""
        return [stored.name for stored in self._documents.list(KIND)]

    def mask(self, fresh: bool = False) -> Mask:
        """What hides the secrets that authors keep, and those that they kept before as far as this process knows."""
        return self._masks.get(fresh)

    def authors(self) -> Iterable[str]:
        """The secrets that authors keep; of one that cannot be opened there is a warning in the log."""
        for stored in self._documents.list(KIND, AUTHORS):
            try:
                secret = self._opened(stored.name, stored.body)
            except SecretUnreadable as error:  # nobody else can open it either
                _log.warning("%s", error)
                continue
            logs.hide(secret)
            yield secret

    def _opened(self, name: str, body: Document) -> str:
        from cryptography.exceptions import InvalidTag

        version, key_id = body.get("version"), body.get("key")
        if version != _VERSION:
            raise SecretUnreadable(
                f"The secret '{name}' is kept in a format that this service does not know", name=name
            )
        key = next((one for one in self._keys if one.key_id == key_id), None)
        if key is None:
            raise SecretUnreadable(
                f"The secret '{name}' was sealed with a key that the service does not have ({str(key_id)[:16]}): give "
                "it that key again, or keep the secret anew",
                name=name,
            )
        with contextlib.suppress(InvalidTag, ValueError, KeyError, TypeError):
            return key.opened(name, body)
        raise SecretUnreadable(f"The secret '{name}' was changed where it is stored: keep it anew", name=name)


class FolderVault:
    """Keeps secrets with the key of a folder, which is made when a secret is first kept or asked for."""

    def __init__(self, documents: DocumentStore, folder: Path) -> None:
        self._documents = documents
        self._folder = folder
        # Whoever keeps a secret here does it through this object: there is one service of a folder.
        self._masks = Masks(self.authors, float("inf"))

    def keep(self, name: str, secret: str) -> None:
        """Keep it under that name. Raises as SealedDocuments and kept_key do."""
        self._sealed.keep(name, secret)
        self._masks.forget()

    def read(self, name: str) -> str | None:
        """The secret, or None. Raises as SealedDocuments and kept_key do."""
        return self._sealed.read(name) if self._documents.get(KIND, name) is not None else None

    def forget(self, name: str) -> bool:
        """Whether there was one to forget."""
        return self._documents.delete(KIND, name)

    def names(self) -> list[str]:
        """Of all that are kept, in order."""
        return [stored.name for stored in self._documents.list(KIND)]

    def mask(self, fresh: bool = False) -> Mask:
        """What hides the secrets that authors keep, and those that they kept before as far as this process knows."""
        return self._masks.get(fresh)

    def authors(self) -> Iterable[str]:
        """The secrets that authors keep."""
        return self._sealed.authors() if self._documents.list(KIND, AUTHORS) else ()

    @functools.cached_property
    def _sealed(self) -> SealedDocuments:
        return SealedDocuments(self._documents, [kept_key(self._folder)])


class Masks:
    """The mask of what was read last, until it is too old or something was kept."""

    def __init__(self, read: Callable[[], Iterable[str]], for_s: float) -> None:
        self._read = read
        self._for_s = for_s
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._mask = Mask()
        self._good_until = 0.0

    def get(self, fresh: bool) -> Mask:
        """The mask; of what is kept now with `fresh`."""
        with self._lock:
            if fresh or time.monotonic() >= self._good_until:
                asked = time.monotonic()
                # A secret that was changed or forgotten may be in the hands of a step still.
                found = self._known | set(self._read())
                if found != self._known:
                    self._known, self._mask = found, Mask(found)
                self._good_until = asked + self._for_s
            return self._mask

    def forget(self) -> None:
        """Read all anew when somebody asks next."""
        with self._lock:
            self._good_until = 0.0


class _Key:
    """A key that was given, and what is made from it when a secret is first sealed or opened."""

    def __init__(self, given: bytes) -> None:
        self._given = given

    def sealed(self, name: str, secret: bytes) -> Document:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret, self._bound_to(name))
        return {"version": _VERSION, "key": self.key_id, "nonce": _letters(nonce), "sealed": _letters(sealed)}

    def opened(self, name: str, body: Document) -> str:
        """The secret. Raises InvalidTag, ValueError, KeyError and TypeError for a body that was changed."""
        nonce, sealed = (base64.b64decode(body[part], validate=True) for part in ("nonce", "sealed"))
        return self._cipher.decrypt(nonce, sealed, self._bound_to(name)).decode()

    @functools.cached_property
    def key_id(self) -> str:
        return self._derived(_NAMING, 8).hex()

    @functools.cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._derived(_SEALING, 32))

    def _derived(self, purpose: bytes, length: int) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length, salt=None, info=purpose).derive(self._given)

    def _bound_to(self, name: str) -> bytes:
        return f"{KIND} {_VERSION} {self.key_id} ".encode() + name.encode("utf-8", "surrogatepass")


def kept_key(folder: Path) -> bytes:
    """The key of all secrets of a folder, made by the first who needs it; only its owner can read the file.

    Whoever was given it finds it again after a crash of the machine, since what was sealed with it would be lost else.

    Raises StoreUnavailable for a file of another length, and where none can be made; StoreFull
    """
    path = folder / "secrets.key"
    try:
        if not path.exists():
            _make_key(path)
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise SecretUnreadable(
                f"The key in {path} can be read by others than its owner (mode {mode:03o}): chmod 600 {path}. If "
                "others may have read it, keep all secrets anew"
            )
        key = path.read_bytes()
        _sync_folder(folder)  # also when another has made it: that it is durable is not known here
    except OSError as error:
        raise of_system(error, path) or error from error
    if len(key) != KEY_BYTES:
        raise StoreUnavailable(
            f"The key in {path} has {len(key)} bytes, not {KEY_BYTES}: put it back from a backup. When the file is "
            "deleted a new one is made, and all secrets have to be kept anew"
        )
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # whole, and only if nobody else was faster
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def bytes_of(secret: str) -> bytes:
    """A secret as it is kept. Raises BadRequest for what is no text, and TooLarge, neither with the secret in it."""
    try:
        data = secret.encode()
    except UnicodeEncodeError:
        data = None
    if data is None:  # not where it was caught: that error has the secret in it
        raise BadRequest("The secret is no text: it has half of a character")
    if len(data) > SECRET_BYTES_MAX:
        raise TooLarge(f"The secret has {len(data)} bytes: at most {SECRET_BYTES_MAX} are kept")
    return data


def _letters(data: bytes) -> str:
    return base64.b64encode(data).decode()
