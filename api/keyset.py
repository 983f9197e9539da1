"""The public keys of an issuer of tokens: fetched when they are first needed, and kept while the issuer is away."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from canalis.contract.errors import SettingInvalid, StoreUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

REST_S = 30.0  # between two fetches, whoever asks for whatever key
STALE_S = 3_600.0  # then they are fetched again, and used meanwhile; a key that was withdrawn is gone by then
FETCH_S = 5.0
BYTES_MAX = 512 * 1024  # Entra's have about 20 KB
KEY_BITS_MIN = 2_048
KID_CHARACTERS_MAX = 256
_KEYS_MAX = 100
_PIECE_BYTES = 16 * 1024
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_log = logging.getLogger("canalis.api")


class KeySet:
    """The keys of one issuer, by id. Safe to be asked by many threads at once.

    url         where they are, as a JSON Web Key Set; https, or http on this machine
    monotonic   seconds that only go on
    Raises      SettingInvalid for another url
    """

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.url = check_url(url)
        self._now = monotonic
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._begun_at: float | None = None
        self._fetched_at: float | None = None
        self._under_way: threading.Event | None = None
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the last fetch brought nothing; "" when it did, or there was none yet."""
        return self._trouble

    def key(self, kid: str) -> RSAPublicKey | None:
        """The key of that id; None when the issuer has none.

        Raises StoreUnavailable when that cannot be told, since the issuer does not answer
        """
        found = self._keys.get(kid)
        if found is not None and not self._is_stale():
            return found
        under_way, wait_s = self._fetch_on_a_thread()
        if found is not None:
            return found
        has_come = under_way is None or under_way.wait(wait_s)
        found = self._keys.get(kid)
        if found is None and (self._trouble or not has_come):
            raise StoreUnavailable("Who you are cannot be told just now: try again in half a minute")
        return found

    def _is_stale(self) -> bool:
        return self._fetched_at is None or self._now() - self._fetched_at > STALE_S

    def _fetch_on_a_thread(self) -> tuple[threading.Event | None, float]:
        """Begin to fetch, or join who does, for so many seconds; None when it is too early to fetch again."""
        with self._lock:
            now = self._now()
            if self._begun_at is not None and now - self._begun_at < REST_S:
                return self._under_way, max(0.0, self._begun_at + FETCH_S - now)
            self._begun_at = now
            # On a thread of its own, so that nobody waits longer than FETCH_S, whatever the network does.
            self._under_way = threading.Event()
            threading.Thread(target=self._fetch, args=(self._under_way,), name="keys", daemon=True).start()
            return self._under_way, FETCH_S

    def _fetch(self, done: threading.Event) -> None:
        try:
            keys = read_keys(fetch(self.url))
        except Exception as error:  # whatever it is: the keys that are known stay in use
            host = urlsplit(self.url).hostname
            self._trouble = f"The keys of {host} cannot be fetched ({error}); those known are used"
            _log.warning("%s", self._trouble)
        else:
            self._keys, self._fetched_at, self._trouble = keys, self._now(), ""
        with self._lock:
            if self._under_way is done:
                self._under_way = None
        done.set()


def check_url(url: str) -> str:
    """The address itself. Raises SettingInvalid for one where anybody on the way could put keys of their own."""
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or is_here) or parts.username or parts.fragment:
        raise SettingInvalid(f"'{url}' cannot be the address of an issuer: it must begin with https://")
    return url


def fetch(url: str) -> bytes:
    """What is at an address, at once and in no more than FETCH_S and BYTES_MAX; nothing leads elsewhere.

    Raises ValueError and OSError
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    parts, give_up = urlsplit(url), time.monotonic() + FETCH_S
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=FETCH_S / 2)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"it answers with {answer.status}")
        body = b""
        while piece := answer.read1(_PIECE_BYTES):
            body += piece
            if len(body) > BYTES_MAX:
                raise ValueError(f"it sends more than {BYTES_MAX} bytes")
            if time.monotonic() > give_up:
                raise ValueError(f"it takes longer than {FETCH_S:.0f} s")
        return body
    except HTTPException as error:
        raise ValueError(f"it does not answer as a web server does: {type(error).__name__}") from error
    finally:
        connection.close()


def read_keys(body: bytes) -> dict[str, RSAPublicKey]:
    """The keys of a JSON Web Key Set that can sign tokens for us: RSA, public, long enough, with an id.

    Raises ValueError when there is none
    """
    try:
        listed = json.loads(body)["keys"][:_KEYS_MAX]
        found = {one["kid"]: key for one in listed if (key := _public_key(one)) is not None}
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"it sends no set of keys: {type(error).__name__}") from error
    if not found:
        raise ValueError("it sends no key that could be used")
    return found


def _public_key(described: Any) -> RSAPublicKey | None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt import PyJWTError
    from jwt.algorithms import RSAAlgorithm

    kid = described.get("kid")
    is_for_us = described.get("kty") == "RSA" and described.get("use", "sig") == "sig" and "d" not in described
    if not is_for_us or described.get("alg", "RS256") != "RS256" or not isinstance(kid, str):
        return None
    try:
        key = RSAAlgorithm.from_jwk(described)
    except (PyJWTError, ValueError, TypeError, LookupError):
        return None
    is_usable = isinstance(key, RSAPublicKey) and key.key_size >= KEY_BITS_MIN and 0 < len(kid) <= KID_CHARACTERS_MAX
    return key if is_usable and isinstance(key, RSAPublicKey) else None
