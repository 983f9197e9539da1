"""Tokens that let nobody in: each is like a good one but for what its name says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from canalis.contract import run_token
from canalis.contract.run import StepRunId
from tests.api.issuer import AUDIENCE, PROGRAM, TENANT, Issuer

RUN_KEY = b"the key of run tokens, 32 bytes.."
OWNER = StepRunId("a-run-of-mine", "a")
ADMIN = ["Canalis.Admin"]
_STRANGER = rsa.generate_private_key(65537, 2048)
_CURVE = ec.generate_private_key(ec.SECP256R1())


def letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], seal: bytes = b"") -> str:
    return ".".join(letters(part) for part in (json.dumps(header).encode(), json.dumps(claims).encode(), seal))


def _sealed_with_public_key(issuer: Issuer, form: PublicFormat, encoding: Encoding) -> str:
    public = issuer.keys[issuer.current].public_key().public_bytes(encoding, form)
    text = unsigned({"alg": "HS256", "typ": "JWT", "kid": issuer.current}, issuer.claims(ADMIN)).rpartition(".")[0]
    return f"{text}.{letters(hmac.new(public, text.encode(), hashlib.sha256).digest())}"


def _with_kid(kid: Any) -> Callable[[Issuer], str]:
    def forge(issuer: Issuer) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": kid}
        text = unsigned(header if kid is not None else {"alg": "RS256"}, issuer.claims(ADMIN)).rpartition(".")[0]
        seal = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
        return f"{text}.{letters(seal.sign(text.encode(), issuer.keys[issuer.current]))}"

    return forge


def _with(**changed: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(**({"roles": ADMIN} | changed))


def _without(issuer: Issuer, *names: str) -> dict[str, Any]:
    return {name: value for name, value in issuer.claims(ADMIN).items() if name not in names}


def _after(seconds: float, name: str) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.token(ADMIN, **{name: int(time.time() + seconds)})


def _headed(**header: Any) -> Callable[[Issuer], str]:
    return lambda issuer: issuer.sign(issuer.claims(ADMIN), **header)


def _swapped(issuer: Issuer) -> str:
    reader, admin = issuer.token(["Canalis.Reader"]).split("."), issuer.token(ADMIN).split(".")
    return f"{reader[0]}.{admin[1]}.{reader[2]}"


def _edited_run_token(issuer: Issuer) -> str:
    _, payload, seal = run_token.sign(RUN_KEY, OWNER, time.time() + 60).split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"run": "another-run"}
    return f"{run_token.PREFIX}{letters(json.dumps(said).encode())}.{seal}"


def _id_token(**changed: Any) -> Callable[[Issuer], str]:
    """As Entra gives them: for the program that the person uses, which may be this very application."""
    return _with(**({"scp": None, "azp": None, "nonce": "n", "name": "Ann"} | changed))


FORGED: dict[str, Callable[[Issuer], str]] = {
    # A1, A2, A8: which algorithm
    "alg none": lambda issuer: unsigned({"alg": "none", "kid": issuer.current}, issuer.claims(ADMIN)),
    "alg None": lambda issuer: unsigned({"alg": "None", "kid": issuer.current}, issuer.claims(ADMIN)),
    "alg nOnE with a seal": lambda issuer: unsigned({"alg": "nOnE", "kid": issuer.current}, issuer.claims(ADMIN), b"x"),
    "alg missing": lambda issuer: unsigned({"kid": issuer.current}, issuer.claims(ADMIN), b"x"),
    "alg a list": lambda issuer: unsigned({"alg": ["RS256"], "kid": issuer.current}, issuer.claims(ADMIN), b"x"),
    "HS256 with the public key": lambda issuer: _sealed_with_public_key(
        issuer, PublicFormat.SubjectPublicKeyInfo, Encoding.PEM
    ),
    "HS256 with the public key, PKCS1": lambda issuer: _sealed_with_public_key(
        issuer, PublicFormat.PKCS1, Encoding.PEM
    ),
    "HS256 with the public key, DER": lambda issuer: _sealed_with_public_key(
        issuer, PublicFormat.SubjectPublicKeyInfo, Encoding.DER
    ),
    **{
        f"signed as {name}": lambda issuer, name=name: jwt.encode(
            issuer.claims(ADMIN), issuer.keys[issuer.current], algorithm=name, headers={"kid": issuer.current}
        )
        for name in ("RS384", "RS512", "PS256")
    },
    "signed on a curve": lambda issuer: jwt.encode(
        issuer.claims(ADMIN), _CURVE, algorithm="ES256", headers={"kid": issuer.current}
    ),
    # A3, A4, A5: which key
    "another's key under our kid": lambda issuer: jwt.encode(
        issuer.claims(ADMIN), _STRANGER, algorithm="RS256", headers={"kid": issuer.current}
    ),
    "unknown kid": _with_kid("nobody"),
    "kid a path": _with_kid("../../../../dev/null"),
    "kid a query": _with_kid("' OR '1'='1"),
    "kid an address": _with_kid("https://evil.example/keys"),
    "kid of 10 kB": _with_kid("k" * 10_000),
    "kid of 257": _with_kid("k" * 257),
    "kid empty": _with_kid(""),
    "kid missing": _with_kid(None),
    "kid a number": _with_kid(1),
    "kid a list": _with_kid(["key"]),
    "kid with a NUL": _with_kid("key\0"),
    # A6, A7: what the header brings
    "jku": _headed(jku="https://evil.example/keys"),
    "x5u": _headed(x5u="https://evil.example/chain"),
    "x5c": _headed(x5c=["MIIB"]),
    "jwk": _headed(jwk=jwt.algorithms.RSAAlgorithm.to_jwk(_STRANGER.public_key(), as_dict=True)),
    "jwk with its key": lambda issuer: jwt.encode(
        issuer.claims(ADMIN),
        _STRANGER,
        algorithm="RS256",
        headers={
            "kid": issuer.current,
            "jwk": jwt.algorithms.RSAAlgorithm.to_jwk(_STRANGER.public_key(), as_dict=True),
        },
    ),
    "crit": _headed(crit=["exp"], exp=1),
    "crit that means nothing": _headed(crit=["x"], x=1),
    "typ of something else": _headed(typ="dpop+jwt"),
    # A9, the times in it
    "expired": _after(-61, "exp"),
    "not yet": _after(120, "nbf"),
    "made in the future": _after(120, "iat"),
    **{f"without {name}": _with(**{name: None}) for name in ("exp", "nbf", "iat", "iss", "aud", "tid")},
    "exp a text": _with(exp="99999999999"),
    "exp true": _with(exp=True),
    "exp without end": _with(exp=float("inf")),
    "exp no number": _with(exp=float("nan")),
    "exp a list": _with(exp=[9_999_999_999]),
    "exp in 30 hours": _after(30 * 3600, "exp"),
    "exp in a thousand years": _with(exp=32_000_000_000),
    # A10: who says so
    "issuer without its end": lambda issuer: issuer.token(ADMIN, iss=issuer.name.removesuffix("/v2.0")),
    "issuer's beginning": lambda issuer: issuer.token(ADMIN, iss=issuer.name[:-1]),
    "issuer and more": lambda issuer: issuer.token(ADMIN, iss=issuer.name + "x"),
    "issuer with a slash": lambda issuer: issuer.token(ADMIN, iss=issuer.name + "/"),
    "issuer in capitals": lambda issuer: issuer.token(ADMIN, iss=issuer.name.upper()),
    "issuer with a blank": lambda issuer: issuer.token(ADMIN, iss=" " + issuer.name),
    "issuer in a list": lambda issuer: issuer.token(ADMIN, iss=[issuer.name]),
    "issuer of all tenants": _with(iss="https://login.microsoftonline.com/common/v2.0"),
    "issuer's template": _with(iss="https://login.microsoftonline.com/{tenantid}/v2.0"),
    "Entra's name and not its key": _with(iss="https://evil.example/"),
    "another tenant": _with(tid="44444444-4444-4444-8444-444444444444"),
    "tenant in capitals": _with(tid=TENANT.upper()),
    "tenant in a list": _with(tid=[TENANT]),
    "tenant empty": _with(tid=""),
    # A11: for whom
    "for Graph": _with(aud="00000003-0000-0000-c000-000000000000"),
    "for Graph by address": _with(aud="https://graph.microsoft.com"),
    "for the program": _with(aud=PROGRAM),
    "for several": _with(aud=[AUDIENCE, PROGRAM]),
    "for us in a list": _with(aud=[AUDIENCE]),
    "for nobody": _with(aud=""),
    "for us and more": _with(aud=f"api://{AUDIENCE}/x"),
    "for us with a slash": _with(aud=f"api://{AUDIENCE}/"),
    "for a part of us": _with(aud=AUDIENCE[:-1]),
    "for us in capitals": _with(aud=f"API://{AUDIENCE}"),
    "for us by another scheme": _with(aud=f"https://{AUDIENCE}"),
    # A12: what for
    "id token": _id_token(),
    "id token of this application": _id_token(azp=AUDIENCE),
    "id token without a nonce": _id_token(nonce=None),
    "id token with a scope put in": _id_token(scp="access_as_user", azp=PROGRAM),
    "neither scope nor roles": lambda issuer: issuer.sign(_without(issuer, "scp", "roles")),
    "roles and no word on what it is": _with(scp=None),
    "another scope": _with(scp="User.Read"),
    "a scope that begins like ours": _with(scp="access_as_user2 access_as"),
    "scopes in a list": _with(scp=["access_as_user"]),
    "an app that acts for somebody": _with(idtyp="app"),
    "an app without roles": lambda issuer: issuer.sign(_without(issuer, "scp", "roles") | {"idtyp": "app"}),
    "of no program": _with(azp=None),
    "a device": _with(idtyp="device"),
    "version missing": _with(ver=None),
    "version 3": _with(ver="3.0"),
    # what is no token, or another's
    "nothing": lambda issuer: "",
    "a word": lambda issuer: "x",
    "two parts": lambda issuer: issuer.token(ADMIN).rpartition(".")[0],
    "four parts": lambda issuer: issuer.token(ADMIN) + ".x",
    "no seal": lambda issuer: issuer.token(ADMIN).rpartition(".")[0] + ".",
    "cut off": lambda issuer: issuer.token(ADMIN)[:-8],
    "another's words under a seal": _swapped,
    "of 20 kB": _with(groups=["g" * 36] * 500),
    "nested without end": lambda issuer: f"{letters(b'[' * 5_000)}.{letters(b'[' * 5_000)}.{letters(b'x')}",
    "a list for a header": lambda issuer: f"{letters(b'[]')}.{letters(b'{}')}.{letters(b'x')}",
    "encrypted": lambda issuer: unsigned({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": issuer.current}, {}) + ".x.x",
    # of runs
    "a run's token with another key": lambda issuer: run_token.sign(b"x" * 32, OWNER, time.time() + 60),
    "a run's token that has expired": lambda issuer: run_token.sign(RUN_KEY, OWNER, time.time() - 1),
    "a run's token for another run": _edited_run_token,
    "a run's token without a seal": lambda issuer: run_token.sign(RUN_KEY, OWNER, 9e9).rpartition(".")[0],
    "a run's token with an empty seal": lambda issuer: run_token.sign(RUN_KEY, OWNER, 9e9).rpartition(".")[0] + ".",
    "a run's prefix alone": lambda issuer: run_token.PREFIX,
    "a run's token in capitals": lambda issuer: run_token.sign(RUN_KEY, OWNER, 9e9).upper(),
}
