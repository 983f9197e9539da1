"""Nobody is let in with a token that was not made for this service, on any route, in whatever form it is asked for."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import subprocess
import sys
import threading
import time

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from api import keyset
from api.access import GuardedRoute, Role, need_of
from api.app import PREFIX
from api.entra import EntraGuard, guard_from, issuers_of
from api.keyset import BYTES_MAX, REST_S, KeySet, read_keys
from canalis.contract import run_token
from canalis.contract.errors import NotAllowed, SettingInvalid, StoreUnavailable
from canalis.contract.run import StepRunId
from tests.api.conftest import Client, an_app, path_of, served
from tests.api.forged import FORGED, OWNER, RUN_KEY
from tests.api.issuer import AUDIENCE, TENANT, Issuer
from tests.api.test_routes import routes

OPEN = ("/health", "/ready", "/", "/portal/{path:path}", "/sessions")  # pages without data, and where a code is given


@pytest.fixture(scope="module")
def issuer():
    with Issuer.start() as started:
        yield started


def guard_of(issuer: Issuer, *keys: bytes) -> EntraGuard:
    said = issuer.settings()
    name, _, keys_at = said["CANALIS_ISSUERS"].partition("=")
    return guard_from([said["CANALIS_TENANTS"]], said["CANALIS_AUDIENCE"], {name: keys_at}, keys or [RUN_KEY])


@pytest.fixture(scope="module")
def guard(issuer):
    return guard_of(issuer)


@pytest.fixture(scope="module")
def app(tmp_path_factory, guard):
    with an_app(tmp_path_factory.mktemp("app"), guard) as made:
        yield made


@pytest.fixture(scope="module")
def forged(issuer):
    return {name: forge(issuer) for name, forge in FORGED.items()}


@pytest.fixture(scope="module")
def address(app):
    """Where the app listens, over real HTTP."""
    with served(app) as found:
        yield found


def ask(address, method, path, headers=(), body=None):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


# --- tokens


@pytest.mark.parametrize("name", FORGED)
def test_a_token_that_is_not_quite_right_is_refused_in_the_same_words(issuer, guard, name, forged):
    with pytest.raises(NotAllowed) as refused:
        guard.identify(forged[name])
    assert refused.value.message == "This access token is not good here, or no longer: sign in again"
    assert refused.value.details == {}


def test_there_are_enough_of_them_and_a_good_one_is_let_in(issuer, guard, forged):
    assert len(set(forged.values())) == len(FORGED) >= 40
    ann = guard.identify(issuer.token(["Canalis.Reader"]))
    assert (ann.name, ann.role, ann.run) == ("ann@example.com", Role.READER, None)
    assert ann.ids["tid"] == TENANT and ann.ids["oid"]


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        (["Canalis.Reader"], Role.READER),
        (["Canalis.Submitter"], Role.SUBMITTER),
        (["Canalis.Operator", "Canalis.Reader"], Role.OPERATOR),
        (["Canalis.Reader", "Canalis.Admin"], Role.ADMIN),
        (["Canalis.Owner", "canalis.admin", "Admin", "Canalis.Admin "], Role.NOBODY),
        ([], Role.NOBODY),
        ("Canalis.Admin", Role.NOBODY),
        ([["Canalis.Admin"], {"Canalis.Admin": 1}], Role.NOBODY),
    ],
)
def test_a_role_is_what_the_token_says_and_an_unknown_one_is_none(issuer, guard, roles, role):
    assert guard.identify(issuer.token(roles=roles)).role is role


def test_a_program_comes_with_its_own_roles_and_a_guest_with_those_that_were_given(issuer, guard):
    program = guard.identify(issuer.token(["Canalis.Submitter"], app=True, app_displayname="nightly"))
    assert (program.name, program.role) == ("nightly", Role.SUBMITTER)
    assert guard.identify(issuer.token(["Elsewhere.Admin"], app=True)).role is Role.NOBODY
    guest = {"acct": 1, "idp": "https://sts.windows.net/55555555-5555-4555-8555-555555555555/"}
    assert guard.identify(issuer.token([], **guest)).role is Role.NOBODY
    assert guard.identify(issuer.token(["Canalis.Reader"], **guest)).role is Role.READER


def test_both_forms_of_the_audience_and_a_clock_a_minute_off_are_good(issuer, guard):
    now = int(time.time())
    for changed in (
        {"aud": f"api://{AUDIENCE}"},
        {"exp": now - 50},
        {"nbf": now + 50, "iat": now + 50},
        {"ver": "1.0"},
    ):
        assert guard.identify(issuer.token(["Canalis.Reader"], **changed)).role is Role.READER
    assert guard.identify(issuer.sign(issuer.claims(["Canalis.Reader"]), typ="at+jwt")).role is Role.READER


def test_an_issuer_of_entra_speaks_for_its_own_tenant_in_its_own_version_only(issuer):
    other = "66666666-6666-4666-8666-666666666666"
    keys = KeySet(f"{issuer.url}/keys")
    guard = EntraGuard(issuers_of(TENANT, keys) | issuers_of(other, keys), AUDIENCE, [])
    v1, v2 = f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}/v2.0"

    def is_let_in(**changed: object) -> bool:
        try:
            return guard.identify(issuer.token(["Canalis.Reader"], **changed)).role is Role.READER
        except NotAllowed:
            return False

    assert is_let_in(iss=v2) and is_let_in(iss=v1, ver="1.0", azp=None, appid="a")
    assert is_let_in(iss=v2.replace(TENANT, other), tid=other)
    for wrong in (v1[:-1], v2 + "/", v2[:-1], v2.upper(), v2.replace("https", "http"), v1 + v2, v2[:50], issuer.name):
        assert not is_let_in(iss=wrong), wrong
    assert not is_let_in(iss=v2, tid=other) and not is_let_in(iss=v2.replace(TENANT, other))
    assert not is_let_in(iss=v2, ver="1.0") and not is_let_in(iss=v1, ver="2.0")


# --- every route


def every_route(app: FastAPI) -> list[GuardedRoute]:
    found = routes(app)
    assert len(found) > 30
    return found


def test_no_route_opens_for_any_forged_token(app, forged):
    guarded = [route for route in every_route(app) if need_of(route).role is not Role.NOBODY]
    assert {route.path for route in every_route(app)} - {route.path for route in guarded} == set(OPEN)

    async def knock() -> int:
        refused = 0
        for route in guarded:
            handle = route.get_route_handler()
            for token in forged.values():
                scope = {"type": "http", "method": "GET", "path": route.path, "query_string": b"", "app": app}
                scope["headers"] = [(b"authorization", f"Bearer {token}".encode())]
                with pytest.raises(NotAllowed):
                    await handle(Request(scope))
                refused += 1
        return refused

    assert asyncio.run(knock()) == len(guarded) * len(forged) > 3_000


def concrete(path: str) -> str:
    return path.replace("{", "").replace(":path}", "").replace("}", "")


def test_every_route_over_http_is_closed_to_who_brings_nothing_or_something_forged(app, forged):
    some = ["expired", "alg none", "for Graph", "a run's token with another key", "kid with a NUL"]
    clients = [Client(app, token=None), *(Client(app, token=forged[name]) for name in some)]
    for route in every_route(app):
        if route.path in OPEN:
            continue
        for method in route.methods:
            for client in clients:
                answer = client(method, f"http://test{concrete(path_of(route.path))}")
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_allowed"), (
                    method,
                    route.path,
                )
                assert answer.headers["www-authenticate"] == "Bearer"


def test_nothing_but_health_and_the_front_page_opens_whatever_the_path_and_the_method(app, address):
    known = {(method, path_of(route.path)) for route in every_route(app) for method in route.methods}
    is_open = {("GET", f"{PREFIX}/health"), ("GET", f"{PREFIX}/ready"), ("GET", "/")}
    assert is_open <= known
    odd = ["/docs", "/redoc", "/openapi.json", "/api/docs", "/metrics", "/static/x", "/admin", "/.well-known/x", "*",
           "/api", PREFIX, "/runs", "//", "/%2e%2e/", f"{PREFIX}/health/ready", f"{PREFIX}/runs/x/health",
           f"{PREFIX}/runs/health", f"{PREFIX}/runs/..%2fhealth", f"{PREFIX}/health/../runs", f"{PREFIX}/health;/runs",
           f"{PREFIX}/runs?x=/api/v1/health", f"{PREFIX}/%72uns", f"{PREFIX}/runs%2f", f"{PREFIX}/runs%00", "/./"]  # fmt: skip
    for path in {concrete(path) for _, path in known}:
        odd += [path + "/", path.upper(), path.replace("/", "//"), "/" + path, path + "/nothing", path + "%20", path]
    tried = 0
    for path in dict.fromkeys(odd):
        for method in ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
            if (method, path) not in is_open:
                status, headers, _ = ask(address, method, path)
                assert status in (400, 401, 404, 405), (method, path, status)
                assert "location" not in {name.lower() for name in headers}
                assert not any(name.lower().startswith("access-control") for name in headers)
                tried += 1
    assert tried > 1_500
    assert ask(address, "GET", f"{PREFIX}/health")[0] == ask(address, "GET", "/")[0] == 200


def test_what_a_front_end_or_the_host_says_of_the_caller_means_nothing(address, issuer):
    good = issuer.token(["Canalis.Reader"])
    principal = "eyJhdXRoX3R5cCI6ImFhZCIsImNsYWltcyI6W3sidHlwIjoicm9sZXMiLCJ2YWwiOiJDYW5hbGlzLkFkbWluIn1dfQ=="
    claimed = [
        ("X-MS-CLIENT-PRINCIPAL", principal),
        ("X-MS-CLIENT-PRINCIPAL-ID", "7"),
        ("X-MS-CLIENT-PRINCIPAL-NAME", "ann@example.com"),
        ("X-MS-CLIENT-PRINCIPAL-IDP", "aad"),
        ("X-MS-TOKEN-AAD-ACCESS-TOKEN", good),
        ("X-MS-TOKEN-AAD-ID-TOKEN", good),
        ("X-ZUMO-AUTH", good),
        ("x-functions-key", "master"),
        ("Cookie", f"AppServiceAuthSession={good}"),
        ("X-Original-URL", f"{PREFIX}/health"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-HTTP-Method-Override", "GET"),
    ]
    runs = f"{PREFIX}/runs"
    assert ask(address, "GET", runs, claimed)[0] == 401
    for query in (f"access_token={good}", "code=master", f"token={good}", f"authorization=Bearer%20{good}"):
        assert ask(address, "GET", f"{runs}?{query}", claimed)[0] == 401
    for odd in (f"Basic {good}", f"{good}", f"Bearer{good}", f"Bearer  Bearer {good}", f"Bearer {good}, Bearer {good}"):
        assert ask(address, "GET", runs, [("Authorization", odd)])[0] == 401, odd
    twice = [("Authorization", f"Bearer {good}"), ("Authorization", "Bearer x")]
    assert ask(address, "GET", runs, twice)[0] == ask(address, "GET", runs, twice[::-1])[0] == 401
    # Nor do they lift a role: what counts is the token.
    status, _, body = ask(address, "POST", runs, [*claimed, ("Authorization", f"bearer {good}")])
    assert (status, json.loads(body)["error"]["details"]) == (403, {"needs": "submitter", "has": ["reader"]})
    assert ask(address, "GET", runs, [("Authorization", f"bearer {good}")])[0] == 200


def test_no_token_and_no_secret_of_a_query_gets_into_a_log_or_an_answer(app, address, issuer, forged, caplog):
    caplog.set_level(logging.DEBUG)
    good = issuer.token(["Canalis.Admin"])
    mine = run_token.sign(RUN_KEY, OWNER, time.time() + 60)
    secrets = [good, mine, "s3cret-of-a-query", *(token for token in forged.values() if len(token) > 40)]
    for token in secrets:
        for method, path in (
            ("PUT", "/experiments/e"),
            ("GET", "/runs/nothing"),
            ("GET", "/health"),
            ("POST", "/runs"),
        ):
            headers = [("Authorization", f"Bearer {token}")]
            _, said, body = ask(address, method, f"{PREFIX}{path}?code=s3cret-of-a-query", headers)
            assert token not in str(said) + body.decode() and "s3cret" not in str(said) + body.decode()
    lines = "\n".join(record.getMessage() for record in caplog.records)
    assert "a token was refused: " in lines and '"event": "audit"' in lines
    for token in secrets:
        assert token not in lines and all(len(part) < 40 or part not in lines for part in token.split("."))


# --- the keys of an issuer


class Hands:
    """A clock whose hands are moved by the test."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own_issuer():
    with Issuer.start() as started:
        yield started


def test_a_new_key_is_found_while_the_old_one_is_still_good_and_a_withdrawn_one_is_not(own_issuer):
    hands = Hands()
    keys = KeySet(f"{own_issuer.url}/keys", hands)
    old = own_issuer.current
    assert keys.key(old) and own_issuer.asked == 1
    new = own_issuer.rotate()
    hands.now += REST_S
    assert keys.key(new) and keys.key(old) and own_issuer.asked == 2
    newest = own_issuer.rotate(keep=False)
    hands.now += REST_S
    assert keys.key(newest) and keys.key(old) is None and own_issuer.asked == 3


def test_a_flood_of_unknown_keys_is_one_fetch_in_half_a_minute(own_issuer):
    hands = Hands()
    keys = KeySet(f"{own_issuer.url}/keys", hands)
    found: list[object] = []
    flood = [threading.Thread(target=lambda n=n: found.append(keys.key(f"unknown-{n}"))) for n in range(40)]
    for thread in flood:
        thread.start()
    for thread in flood:
        thread.join()
    assert found == [None] * 40 and own_issuer.asked == 1
    hands.now += REST_S - 1
    assert keys.key("unknown") is None and own_issuer.asked == 1
    hands.now += 1
    assert keys.key("unknown") is None and own_issuer.asked == 2
    assert keys.key(own_issuer.current) and own_issuer.asked == 2


def test_many_who_come_first_share_one_fetch(own_issuer):
    guard = guard_of(own_issuer)
    token, roles = own_issuer.token(["Canalis.Reader"]), []
    crowd = [threading.Thread(target=lambda: roles.append(guard.identify(token).role)) for _ in range(20)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert roles == [Role.READER] * 20 and own_issuer.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 404, "body": b'{"keys": []}'},
        {"status": 302, "Location": "http://127.0.0.1:1/keys"},
        {"status": 200, "body": b"<html>"},
        {"status": 200, "body": b'{"keys": []}'},
        {"status": 200, "body": b'{"keys": {"kid": 1}}'},
        {"status": 200, "body": b"[" * 100_000},
    ],
    ids=lambda answer: str(answer)[:40],
)
def test_an_issuer_that_misbehaves_takes_no_key_away_and_is_told_in_health(own_issuer, answer):
    hands = Hands()
    keys = KeySet(f"{own_issuer.url}/keys", hands)
    known = own_issuer.current
    assert keys.key(known) and keys.trouble == ""
    own_issuer.misbehave(**answer)
    hands.now += REST_S
    with pytest.raises(StoreUnavailable, match="try again"):
        keys.key("unknown")
    assert keys.key(known) and "127.0.0.1 cannot be fetched" in keys.trouble and own_issuer.asked == 2
    own_issuer.behave()
    hands.now += REST_S
    assert keys.key("unknown") is None and keys.key(known) and keys.trouble == ""


def test_keys_are_not_taken_from_who_sends_too_much_or_takes_too_long(own_issuer, monkeypatch):
    monkeypatch.setattr(keyset, "FETCH_S", 0.5)
    body = json.dumps(own_issuer.jwks()).encode()
    for answer, said in (
        ({"body": body + b" " * BYTES_MAX}, "more than 524288 bytes"),
        ({"body": body + b" " * 20 * 1024, "pause_s": 0.1}, "takes longer"),
        ({"body": body, "pause_s": 2.0}, "timed out"),
    ):
        own_issuer.misbehave(200, **answer)
        with pytest.raises((ValueError, OSError), match=said):
            keyset.fetch(f"{own_issuer.url}/keys")
    own_issuer.misbehave(200, body)
    assert list(read_keys(keyset.fetch(f"{own_issuer.url}/keys"))) == [own_issuer.current]


def test_old_keys_are_fetched_again_without_anybody_waiting(own_issuer):
    hands = Hands()
    keys = KeySet(f"{own_issuer.url}/keys", hands)
    known = own_issuer.current
    keys.key(known)
    own_issuer.misbehave(200, b"x" * 4_096, pause_s=0.5)
    hands.now += keyset.STALE_S + 1
    begun = time.monotonic()
    assert keys.key(known) and time.monotonic() - begun < 1.5
    assert not threading.Event().wait(0.1) and own_issuer.asked == 2


def test_nobody_waits_long_for_an_issuer_that_sends_drop_by_drop(own_issuer, monkeypatch):
    monkeypatch.setattr(keyset, "FETCH_S", 0.5)
    own_issuer.misbehave(200, b" " * 100 * 1024, pause_s=0.1)
    keys, begun = KeySet(f"{own_issuer.url}/keys"), time.monotonic()
    with pytest.raises(StoreUnavailable):
        keys.key("any")
    assert time.monotonic() - begun < 5
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        keys.key("any")
    assert time.monotonic() - begun < 5 and own_issuer.asked == 1


def test_an_issuer_that_is_not_there_is_a_matter_of_time_and_not_of_the_caller(own_issuer):
    guard = guard_of(own_issuer)
    token = own_issuer.token(["Canalis.Reader"])
    own_issuer.misbehave(503)
    with pytest.raises(StoreUnavailable):
        guard.identify(token)
    assert "answers with 503" in guard.trouble()


def test_only_keys_that_fit_are_taken(own_issuer):
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    (good,) = own_issuer.jwks()["keys"]
    private = RSAAlgorithm.to_jwk(own_issuer.keys[own_issuer.current], as_dict=True)
    short = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    curve = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    bad = [
        short | {"kid": "short"},
        curve | {"kid": "curve"},
        private | {"kid": "private"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        good | {"kid": "for encryption", "use": "enc"},
        good | {"kid": "other", "alg": "RS512"},
        good | {"kid": "k" * 257},
        good | {"kid": ""},
        good | {"kid": 7},
        good | {"kid": "no modulus", "n": None},
        good | {"kid": "odd modulus", "n": "!!"},
    ]
    assert list(read_keys(json.dumps({"keys": [*bad, good]}).encode())) == [own_issuer.current]
    with pytest.raises(ValueError):
        read_keys(json.dumps({"keys": bad}).encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://login.microsoftonline.com/keys",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "",
        "x",
        "https://user@host/keys",
        "http://127.0.0.1.evil.example/",
        "https://host/keys#x",
    ],
)
def test_keys_come_over_https_or_from_this_machine(url):
    with pytest.raises(SettingInvalid, match="cannot be the address of an issuer"):
        KeySet(url)


# --- settings


def test_settings_that_cannot_be_are_all_told_at_once():
    with pytest.raises(SettingInvalid) as told:
        issuers = {"http://evil.example/": "https://evil.example/keys", "https://a.example/": ""}
        guard_from(["common", "x"], " ", issuers, [b"short"])
    for part in ("'common'", "'x'", "CANALIS_AUDIENCE", "http://evil.example/", "CANALIS_ISSUERS: ''", "5 bytes"):
        assert part in told.value.message, (part, told.value.message)
    with pytest.raises(SettingInvalid, match="names no tenant"):
        guard_from([], AUDIENCE)
    assert guard_from([TENANT], f"api://{AUDIENCE}").trouble() == "", "nothing is fetched before it is needed"


def test_libraries_that_take_long_to_load_are_loaded_with_the_first_token():
    code = "import api.entra, sys; print([name for name in ('jwt', 'cryptography', 'ssl') if name in sys.modules])"
    plain = "import fastapi, sys; print([name for name in ('jwt', 'cryptography', 'ssl') if name in sys.modules])"
    found, before = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
        for text in (code, plain)
    )
    assert found == before and "jwt" not in found


# --- tokens of runs


def test_a_runs_token_says_whose_it_is_until_it_expires():
    for owner in (OWNER, StepRunId("a-run", "train", 3)):
        token = run_token.sign(RUN_KEY, owner, 100.0)
        assert run_token.read(RUN_KEY, token, 99.0) == owner and token.isascii() and " " not in token
        assert run_token.read(RUN_KEY, token, 100.0) is None
    assert run_token.sign(RUN_KEY, OWNER, 100.0) == run_token.sign(RUN_KEY, OWNER, 100.0)


def test_every_letter_of_a_runs_token_counts():
    token = run_token.sign(RUN_KEY, OWNER, 100.0)
    for place, letter in enumerate(token):
        for other in "Aa9-_.":
            changed = token[:place] + other + token[place + 1 :]
            assert letter == other or run_token.read(RUN_KEY, changed, 1.0) is None, changed
    for changed in (
        token + "=",
        token + "A",
        token[:-1],
        " " + token,
        token + "\n",
        token.replace(".", ".."),
        "é" + token,
    ):
        assert run_token.read(RUN_KEY, changed, 1.0) is None


def test_keys_of_runs_are_changed_with_both_good_for_a_while():
    old, new = b"o" * 32, b"n" * 32
    token = run_token.sign(old, OWNER, 100.0)
    assert run_token.read([new, old], token, 1.0) == run_token.read([old], token, 1.0) == OWNER
    assert run_token.read([new], token, 1.0) is None and run_token.read([], token, 1.0) is None
    with pytest.raises(SettingInvalid, match="31 bytes"):
        run_token.sign(b"x" * 31, OWNER, 100.0)


def test_a_seal_over_something_that_is_no_payload_of_ours_opens_nothing():
    from canalis.contract.signed import _seal
    from tests.api.forged import letters

    for payload in ("[]", "{}", '{"run": 1}', "x", '{"attempt":1,"expires_at":"9","node":"a","run":"a-run"}',
                    '{"attempt":1,"expires_at":9e9,"node":"a","run":"../x"}',
                    '{"attempt":0.5,"expires_at":9e9,"node":"a","run":"a-run"}'):  # fmt: skip
        signed = run_token.PREFIX + letters(payload.encode())
        assert run_token.read(RUN_KEY, f"{signed}.{_seal(RUN_KEY, signed)}", 1.0) is None, payload
