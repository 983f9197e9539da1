"""Who asks at the door in Azure: people and programs with access tokens of Entra ID, and scripts with those of runs.

Headers that a front end sets (X-MS-CLIENT-PRINCIPAL...) and function keys mean nothing here: what counts is a token
that we have checked ourselves.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastapi import Request

from api.access import Caller, Role, bearer_token
from api.keyset import KID_CHARACTERS_MAX, KeySet, check_url
from canalis.contract import run_token, sign_ins
from canalis.contract.errors import NotAllowed, SettingInvalid
from canalis.contract.sign_ins import SignIn

ROLES = {
    "Canalis.Reader": Role.READER,
    "Canalis.Submitter": Role.SUBMITTER,
    "Canalis.Operator": Role.OPERATOR,
    "Canalis.Admin": Role.ADMIN,
}
SCOPE = "access_as_user"  # what a program must have been granted to act for the person who uses it
CHARACTERS_MAX = 16 * 1024  # of a token; one of Entra with 200 groups in it has about 10,000
LEEWAY_S = 60.0
LIFETIME_S_MAX = 29 * 3600.0  # Entra gives 28 hours at the most, with continuous access evaluation
ALGORITHM = "RS256"

_REQUIRED = ["exp", "nbf", "iat", "iss", "aud", "tid"]
_POINTS_ELSEWHERE = ("jku", "x5u", "jwk", "x5c", "crit")  # where a key is to be found, or what else must be understood
_TYPES = (None, "jwt", "at+jwt")
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOGIN = "https://login.microsoftonline.com"
_TEXT_MAX = 256
_log = logging.getLogger("canalis.api")


class _Refused(Exception):
    """Why a token is not good; for our log, since a caller could learn from it how to make a better one."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens are good.

    tenants   for which it may speak
    version   of the tokens that it gives; "" for any
    """

    tenants: frozenset[str]
    version: str
    keys: KeySet


class EntraGuard:
    """Lets in who has an access token of a known tenant for this application, and scripts that we gave one ourselves.

    issuers    by the exact text of `iss`
    audience   the application's id; tokens name it as it is, or with api:// before it
    run_keys   of the tokens of runs; several while they are being changed, none when runs have none
    now        seconds since 1970
    """

    waits = True  # for the issuer's keys, now and then

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        audience: str,
        run_keys: Sequence[bytes],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = dict(issuers)
        self._audiences = (audience, f"api://{audience}")
        self._run_keys = [run_token.check_key(key) for key in run_keys]
        self._session_keys = [sign_ins.key_of(key) for key in self._run_keys]
        self._now = now

    def caller(self, request: Request) -> Caller:
        """Who sent the request. Raises NotAllowed; StoreUnavailable while an issuer's keys cannot be had."""
        token = bearer_token(request)
        if not token:
            raise NotAllowed("This service wants an access token: Authorization: Bearer <token>")
        return self.identify(token)

    def identify(self, token: str) -> Caller:
        """Whose token it is. Raises as `caller` does, in the same words whatever is wrong with the token."""
        try:
            if token.startswith(run_token.PREFIX):
                return self._script(token)
            if token.startswith(sign_ins.PREFIX):
                return self._session(token)
            return _caller(self._claims(token))
        except _Refused as reason:
            _log.info("a token was refused: %s", reason)
            raise NotAllowed("This access token is not good here, or no longer: sign in again") from None

    def prove(self, endpoint: str, nonce: str) -> str:
        """Nothing: the certificate says which service it is."""
        return ""

    def session(self, who: SignIn) -> str:
        """The token of a session in a browser; "" while runs have no key."""
        return sign_ins.sign(self._session_keys[0], who) if self._session_keys else ""

    def trouble(self) -> str:
        """Which issuers' keys cannot be fetched; "" when all can."""
        return "; ".join(sorted({issuer.keys.trouble for issuer in self._issuers.values() if issuer.keys.trouble}))

    def _script(self, token: str) -> Caller:
        owner = run_token.read(self._run_keys, token, self._now())
        if owner is None:
            raise _Refused("it is no token of a run, or has expired")
        return Caller(str(owner), Role.STEP, owner)

    def _session(self, token: str) -> Caller:
        who = sign_ins.read(self._session_keys, token, self._now())
        if who is None:
            raise _Refused("it is no token of a session, or the session is over")
        return Caller.in_session(who)

    def _claims(self, token: str) -> dict[str, Any]:
        """What a token says, once everything in it has been checked."""
        import jwt  # a quarter of a second, which a cold start need not wait for

        if len(token) > CHARACTERS_MAX or not token.isascii():
            raise _Refused("it is too long, or no text")
        try:
            opened = jwt.decode_complete(token, options={"verify_signature": False})
            kid = _checked_kid(opened["header"])
            issuer = self._issuers.get(_text(opened["payload"], "iss"))
            key = issuer.keys.key(kid) if issuer else None
            if issuer is None or key is None:
                raise _Refused("its issuer or its key is unknown")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                # Whose it is and whom it is for is compared below, as one text with another.
                options={"require": _REQUIRED, "verify_aud": False, "verify_iss": False},
                leeway=LEEWAY_S,
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _Refused(type(error).__name__) from None
        self._check(claims, issuer)
        return claims

    def _check(self, claims: dict[str, Any], issuer: Issuer) -> None:
        """Raises _Refused for a token that is genuine and not for us."""
        times = [claims[name] for name in ("iat", "nbf", "exp")]
        if not all(type(time) in (int, float) and math.isfinite(time) for time in times):
            raise _Refused("a time in it is no number")
        if claims["exp"] - claims["iat"] > LIFETIME_S_MAX:
            raise _Refused("it lives too long")
        if _text(claims, "aud") not in self._audiences:
            raise _Refused("it is for another application")
        if _text(claims, "tid") not in issuer.tenants:
            raise _Refused("it is of another tenant")
        if claims.get("ver") not in ((issuer.version,) if issuer.version else ("1.0", "2.0")):
            raise _Refused("its version is not its issuer's")
        if not _is_access_token(claims):
            raise _Refused("it is no access token for this application")


def guard_from(
    tenants: Collection[str],
    audience: str,
    issuers: Mapping[str, str] = MappingProxyType({}),
    run_keys: Sequence[bytes] = (),
) -> EntraGuard:
    """The guard that the settings of these names describe. Fetches nothing yet.

    tenants    CANALIS_TENANTS: ids of Entra tenants
    audience   CANALIS_AUDIENCE: id of the application, or api://<id>
    issuers    CANALIS_ISSUERS: other issuers for these tenants, each with the address of its keys
    run_keys   CANALIS_RUN_KEY: what the tokens of runs are signed with
    Raises     SettingInvalid, which says everything that is wrong
    """
    ids = {tenant.lower() for tenant in tenants}
    application = audience.strip().removeprefix("api://")
    unreadable = sorted(tenant for tenant in ids if not _TENANT.fullmatch(tenant))
    wrong = [f"CANALIS_TENANTS: '{tenant}' is no tenant's id" for tenant in unreadable]
    wrong += [] if ids else ["CANALIS_TENANTS names no tenant"]
    if not re.fullmatch(r"[\w.:/-]{1,200}", application, re.ASCII):
        wrong.append(f"CANALIS_AUDIENCE: '{audience}' is no application's id")
    known: dict[str, Issuer] = {}
    for tenant in ids:
        known |= issuers_of(tenant, KeySet(f"{_LOGIN}/{tenant}/discovery/v2.0/keys"))
    for name, address in issuers.items():
        try:
            known.setdefault(check_url(name), Issuer(frozenset(ids), "", KeySet(address)))
        except (SettingInvalid, ValueError) as error:
            wrong.append(f"CANALIS_ISSUERS: {error}")
    for key in run_keys:
        try:
            run_token.check_key(key)
        except SettingInvalid as error:
            wrong.append(f"CANALIS_RUN_KEY: {error}")
    if wrong:
        raise SettingInvalid("; ".join(wrong))
    return EntraGuard(known, application, run_keys)


def issuers_of(tenant: str, keys: KeySet) -> dict[str, Issuer]:
    """Entra's two issuers for a tenant, one for each version of tokens; both sign with the same keys."""
    return {
        f"https://sts.windows.net/{tenant}/": Issuer(frozenset({tenant}), "1.0", keys),
        f"{_LOGIN}/{tenant}/v2.0": Issuer(frozenset({tenant}), "2.0", keys),
    }


def _checked_kid(header: dict[str, Any]) -> str:
    """The id of the key that a token says it was signed with; it is looked up among those we have, and no more."""
    kid, kind = header.get("kid"), header.get("typ")
    if header.get("alg") != ALGORITHM:
        raise _Refused("it is not signed as we want it")
    if any(name in header for name in _POINTS_ELSEWHERE):
        raise _Refused("it brings a key of its own, or wants something understood that we do not know")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise _Refused("it is of another type")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_CHARACTERS_MAX:
        raise _Refused("it does not say which key it was signed with")
    return kid


def _text(claims: dict[str, Any], name: str) -> str:
    """A claim that must be one text: a list of audiences is refused even when ours is in it."""
    found = claims.get(name)
    if not isinstance(found, str):
        raise _Refused(f"'{name}' is not one text")
    return found


def _is_access_token(claims: dict[str, Any]) -> bool:
    """Whether it lets somebody in, be it a person through a program or a program itself; an id token lets nobody in.

    Source   Microsoft identity platform, access token claims reference: `idtyp` is optional there and must be switched
             on for this application. An id token may have roles as well; it has no `scp`, no `idtyp` and no program.
    """
    has_program = isinstance(claims.get("azp") or claims.get("appid"), str)
    if not has_program or any(name in claims for name in ("nonce", "at_hash", "c_hash")):
        return False
    if "scp" in claims:
        scopes = claims["scp"]
        return isinstance(scopes, str) and SCOPE in scopes.split(" ") and claims.get("idtyp", "user") == "user"
    return claims.get("idtyp") == "app" and isinstance(claims.get("roles"), list)


def _roles(claims: dict[str, Any]) -> Iterable[Role]:
    listed = claims.get("roles")
    return (
        [ROLES[name] for name in listed if isinstance(name, str) and name in ROLES] if isinstance(listed, list) else []
    )


def _caller(claims: dict[str, Any]) -> Caller:
    """Who a checked token speaks of. Roles that we do not know let nobody do anything."""
    ids = {"oid": claims.get("oid"), "appid": claims.get("azp") or claims.get("appid"), "tid": claims["tid"]}
    known = {name: text[:_TEXT_MAX] for name, text in ids.items() if isinstance(text, str)}
    names = (claims.get(name) for name in ("preferred_username", "upn", "unique_name", "app_displayname"))
    name = next((name for name in names if name and isinstance(name, str)), known.get("oid") or known.get("appid", ""))
    return Caller(name[:_TEXT_MAX], max(_roles(claims), default=Role.NOBODY), ids=known)
