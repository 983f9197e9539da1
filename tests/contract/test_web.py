"""Documents come to servers of somebody else's as they were sent, and to nobody who was not meant."""

from __future__ import annotations

import random
import socket
import threading
import time
import tracemalloc

import pytest

from adapters.web import BODY_BYTES_MAX, HEADERS_BYTES_MAX, TEXT_CHARACTERS, HttpWeb, Hurried, Until
from canalis.contract.errors import AddressRefused, BadRequest, TooLarge, Unreachable
from canalis.contract.ports import Answer, Web
from canalis.contract.version import VERSION
from tests.receivers import Authority, Receiver, Rude

NAME = "hooks.example.com"
BODY = b'{"type": "run.completed"}'
LIMIT_S = 0.6


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class Names:
    """What names stand for; asked again, the last answer stays. Counts the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int, **wanted: object) -> list[tuple]:
        self.asked.append((host, port))
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        families = {False: socket.AF_INET, True: socket.AF_INET6}
        return [(families[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port)) for ip in said.split()]


def web_for(authority: Authority | None = None, names: Names | None = None, **more: object) -> Web:
    """A web that may reach this machine, on which the receivers of these tests are."""
    tls = authority.believed() if authority else None
    resolver = {} if names is None else {"resolver": names}
    return HttpWeb(**{"hosts": ["*", NAME], "may_reach_this_machine": True, "tls": tls, **resolver, **more})


# What is sent and what is answered


def test_a_document_comes_as_it_was_sent():
    with Receiver() as receiver:
        answer = web_for().post(
            f"http://127.0.0.1:{receiver.port}/runs//a%20b?team=7",
            b"\x00\xff" + BODY,
            {"Content-Type": "application/json", "X-Latin": "é\tü"},
        )
    (came,) = receiver.came
    assert answer == Answer(200, "thanks")
    assert (came.target, came.body) == ("/runs//a%20b?team=7", b"\x00\xff" + BODY)
    assert came.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-length": str(len(BODY) + 2),
        "content-type": "application/json",
        "x-latin": "é\tü",
        "user-agent": f"canalis/{VERSION}",
        "accept-encoding": "identity",
        "connection": "close",
    }


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_document_goes_to_this_machine_where_that_was_asked_for_and_nowhere_else(host):
    with Receiver() as receiver:
        with pytest.raises(AddressRefused):
            HttpWeb(["*", host]).post(f"http://{host}:{receiver.port}/", BODY, {})
        assert not receiver.came
        web_for().post(f"http://{host}:{receiver.port}/", BODY, {})
    assert len(receiver.came) == 1


def test_a_document_goes_to_an_address_of_ipv6():
    try:
        receiver = Receiver(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with receiver:
        assert web_for().post(f"http://[::1]:{receiver.port}/", BODY, {}).status == 200
    assert receiver.came[0].headers["host"] == f"[::1]:{receiver.port}"


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 308, 400, 410, 429, 500, 503])
def test_whatever_the_status_is_it_is_told_and_nothing_is_followed(status):
    with Receiver() as elsewhere, Receiver() as receiver:
        receiver.answer = (status, {"Location": f"http://127.0.0.1:{elsewhere.port}/", "Retry-After": "1"}, b"")
        assert web_for().post(f"http://127.0.0.1:{receiver.port}/", BODY, {}) == Answer(status, "")
    assert len(receiver.came) == 1 and not elsewhere.came


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"x" * 10_000, "x" * TEXT_CHARACTERS),
        ("é".encode() * 499, "é" * 499),
        (("x" + "\U0001f600" * 600).encode(), "x" + "\U0001f600" * 499),
        (b"no \xff text", "no \ufffd text"),
    ],
    ids=["long", "short", "wide", "binary"],
)
def test_the_first_500_characters_of_an_answer_are_told(body, text):
    with Receiver() as receiver:
        receiver.answer = (200, {}, body)
        assert web_for().post(f"http://127.0.0.1:{receiver.port}/", BODY, {}).text == text


def test_a_document_of_256_kib_is_sent_and_a_larger_one_is_not(authority):
    with Receiver(authority.server("localhost")) as receiver:
        url = f"https://localhost:{receiver.port}/"
        web_for(authority).post(url, b"x" * BODY_BYTES_MAX, {})
        with pytest.raises(TooLarge):
            web_for(authority).post(url, b"x" * (BODY_BYTES_MAX + 1), {})
    assert [len(came.body) for came in receiver.came] == [256 * 1024]


BAD_HEADERS = {
    "a line end": {"X-A": "1\r\nX-B: 2"},
    "half a line end": {"X-A": "1\n"},
    "the other half": {"X-A": "1\r"},
    "a folded line": {"X-A": "1\r\n 2"},
    "a second request": {"X-A": "1\r\n\r\nPOST /other HTTP/1.1\r\nHost: a"},
    "a line end in a name": {"X-A: 1\r\nX-B": "2"},
    "a colon in a name": {"X-A:": "1"},
    "a blank in a name": {"X A": "1"},
    "a name that is empty": {"": "1"},
    "a name that is not ASCII": {"X-Ä": "1"},
    "a NUL": {"X-A": "1\x00"},
    "a line end of Unicode": {"X-A": "1\u2028"},
    "a line end of Latin-1": {"X-A": "1\x85"},
    "what is not Latin-1": {"X-A": "✓"},
    "half of a pair": {"X-A": "\ud800"},
    "what turns into a line end": {"X-A": "1\u560d\u560a"},
    "another host": {"HOST": "internal"},
    "another length": {"Content-length": "0"},
    "another end": {"Transfer-Encoding": "chunked"},
    "a connection that stays": {"Connection": "keep-alive"},
    "another protocol": {"Upgrade": "websocket"},
    "a question": {"Expect": "100-continue"},
    "a password for a proxy": {"Proxy-Authorization": "x"},
    "an answer that is packed": {"Accept-Encoding": "gzip"},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_would_be_another_or_several_is_refused_and_nothing_is_sent(headers):
    with Receiver() as receiver, pytest.raises(BadRequest):
        web_for().post(f"http://127.0.0.1:{receiver.port}/", BODY, {"X-Good": "1", **headers})
    assert not receiver.came


def test_what_a_header_says_stays_out_of_the_error():
    with pytest.raises(BadRequest) as refused:
        web_for().post("http://127.0.0.1:8080/", BODY, {"Authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(refused.value) and "Authorization" in str(refused.value)
    with pytest.raises(TooLarge):
        web_for().post("http://127.0.0.1:8080/", BODY, {"X-A": "x" * HEADERS_BYTES_MAX})


# Who is meant


def test_a_server_is_asked_for_by_its_name_and_believed_with_a_certificate_of_that_name(authority):
    names = Names("127.0.0.1")
    with Receiver(authority.server(NAME)) as receiver:
        answer = web_for(authority, names).post(f"https://{NAME}:{receiver.port}/", BODY, {})
    assert answer.status == 200 and receiver.names == [NAME]
    assert receiver.came[0].headers["host"] == f"{NAME}:{receiver.port}"
    assert names.asked == [(NAME, receiver.port)]


@pytest.mark.parametrize(
    ("names", "days"),
    [(["other.example.com"], 1), (["127.0.0.1"], 1), (["*.com", "example.com"], 1), ([NAME], -1)],
    ids=["another name", "its address", "too wide", "expired"],
)
def test_a_server_with_another_certificate_gets_nothing(authority, names, days):
    with Receiver(authority.server(*names, days=days)) as receiver, pytest.raises(Unreachable):
        web_for(authority, Names("127.0.0.1")).post(f"https://{NAME}:{receiver.port}/", BODY, {})
    assert not receiver.came


def test_a_server_whose_certificate_nobody_knows_gets_nothing(authority, tmp_path):
    with Receiver(Authority(tmp_path).server("localhost")) as receiver:
        url = f"https://localhost:{receiver.port}/"
        with pytest.raises(Unreachable, match=r"localhost.*cannot be reached: .*certificate"):
            web_for(authority).post(url, BODY, {})
        with pytest.raises(Unreachable):  # with what the system believes, as it is when nobody says otherwise
            web_for().post(url, BODY, {})
    assert not receiver.came


def test_a_server_that_speaks_no_tls_gets_nothing(authority):
    with Receiver() as receiver, pytest.raises(Unreachable):
        web_for(authority).post(f"https://localhost:{receiver.port}/", BODY, {})
    assert not receiver.came


def test_an_address_of_ip_needs_a_certificate_of_that_address(authority):
    with Receiver(authority.server("127.0.0.1")) as receiver:
        web_for(authority).post(f"https://127.0.0.1:{receiver.port}/", BODY, {})
        with pytest.raises(Unreachable):
            web_for(authority).post(f"https://127.0.0.2:{receiver.port}/", BODY, {})
    assert len(receiver.came) == 1


def test_no_proxy_of_the_environment_is_used(monkeypatch):
    with Receiver() as receiver, Rude(lambda connection, leaving: None) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        web_for().post(f"http://127.0.0.1:{receiver.port}/", BODY, {})
    assert len(receiver.came) == 1 and proxy.seen == 0


# What a name stands for


@pytest.mark.parametrize("later", ["127.0.0.2", "169.254.169.254", "10.0.0.1"])
def test_a_name_is_asked_once_and_what_it_stands_for_later_is_never_connected_to(authority, later):
    """DNS rebinding: the first answer is judged, so the connection must go to the first answer."""
    names = Names("127.0.0.1", later)
    tls = authority.server(NAME)
    with Receiver(tls) as receiver, Receiver(tls, host="127.0.0.2", port=receiver.port) as rebound:
        assert web_for(authority, names).post(f"https://{NAME}:{receiver.port}/", BODY, {}).status == 200
    assert len(names.asked) == 1
    assert len(receiver.came) == 1 and not rebound.came


LEADS_INSIDE = [
    "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
    "169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1",
    "2001:0:7f00:1::", "224.0.0.1", "ff02::1", "255.255.255.255", "192.0.2.1",
    "8.8.8.8 127.0.0.1", "8.8.8.8 2606:4700::1111 10.0.0.1", "2606:4700::1111 ::1",
]  # fmt: skip


@pytest.mark.parametrize("found", LEADS_INSIDE)
def test_a_name_that_leads_inside_with_any_of_its_addresses_is_not_sent_to(found):
    names = Names(found)
    with Receiver() as receiver:
        with pytest.raises(AddressRefused, match="leads to what is not public") as refused:
            HttpWeb(resolver=names).post(f"https://trap.example.com:{receiver.port}/", BODY, {})
        assert not any(ip in str(refused.value) for ip in found.split()), "names of our network are not the author's"
        with pytest.raises(AddressRefused):  # nor where this machine may be reached: the name does not say that
            web_for(names=names).post(f"https://trap.example.com:{receiver.port}/", BODY, {})
    assert len(names.asked) == 2 and not receiver.came


def test_localhost_that_does_not_lead_here_is_not_sent_to():
    with pytest.raises(AddressRefused):
        web_for(names=Names("8.8.8.8")).post("http://localhost:8080/", BODY, {})


@pytest.mark.parametrize("url", ["https://169.254.169.254/", "https://2130706433/", "http://hooks.example.com/", "x"])
def test_an_address_that_can_never_be_sent_to_is_refused_at_the_desk_and_nobody_is_asked(url):
    names = Names("8.8.8.8")
    web = HttpWeb(resolver=names)
    for call in (lambda: web.check(url), lambda: web.post(url, BODY, {})):
        with pytest.raises(AddressRefused):
            call()
    assert web.check("HTTPS://Hooks.example.com") == "https://hooks.example.com/"
    assert names.asked == []


def test_of_several_addresses_the_next_is_tried_when_one_does_not_answer(authority):
    names = Names("127.0.0.3 127.0.0.1")
    with Receiver(authority.server(NAME)) as receiver:
        assert web_for(authority, names).post(f"https://{NAME}:{receiver.port}/", BODY, {}).status == 200


def test_a_name_that_nobody_has_is_unreachable():
    def nobody(*asked: object, **wanted: object) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unreachable, match=r"hooks\.example\.com cannot be reached: Name or service not known"):
        HttpWeb(resolver=nobody).post(f"https://{NAME}/secret-path", BODY, {})
    with pytest.raises(Unreachable):
        HttpWeb(resolver=lambda *asked, **wanted: []).post(f"https://{NAME}/", BODY, {})


# Those who take their time


def drips(data: bytes, each_s: float = 0.02, at_once: bytes = b""):
    def treat(connection: socket.socket, leaving: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(at_once)
        for byte in data:
            connection.sendall(bytes([byte]))
            if leaving.wait(each_s):
                return

    return treat


def silent(connection: socket.socket, leaving: threading.Event) -> None:
    leaving.wait(10)


SLOW = {
    "says nothing": silent,
    "drips its status": drips(b"HTTP/1.1 " + b" " * 1000),
    "drips its headers": drips(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 1000),
    "drips one header": drips(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000),
    "asks to wait for ever": drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, each_s=0.001),
}


@pytest.mark.parametrize("treat", SLOW.values(), ids=SLOW)
def test_a_slow_server_is_given_up_in_time(treat):
    with Rude(treat) as server:
        web = web_for(limit_s=LIMIT_S)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{server.port} has not answered within 0\.6 s"):
            web.post(f"http://127.0.0.1:{server.port}/", BODY, {})
        assert time.monotonic() - began < LIMIT_S + 1


def test_a_server_that_begins_no_tls_is_given_up_in_time(authority):
    with Rude(silent) as server, pytest.raises(Unreachable, match="has not answered within"):
        web_for(authority, limit_s=LIMIT_S).post(f"https://localhost:{server.port}/", BODY, {})


def test_a_server_that_drips_its_tls_is_given_up_in_time(authority):
    hello = b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + b"\x03" * 0x3FFC
    with Rude(drips(hello)) as server:
        web, url = web_for(authority, limit_s=LIMIT_S), f"https://localhost:{server.port}/"
        began = time.monotonic()
        with pytest.raises(Unreachable):
            web.post(url, BODY, {})
        assert time.monotonic() - began < LIMIT_S + 1


def reads(each_s: float):
    def treat(connection: socket.socket, leaving: threading.Event) -> None:
        while not leaving.wait(each_s) and connection.recv(1024):
            pass

    return treat


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("each_s", [60, 0.02], ids=["never", "slowly"])
def test_a_server_that_does_not_read_is_given_up_in_time(authority, each_s, is_secure):
    with Rude(reads(each_s), authority.server("localhost") if is_secure else None) as server:
        url = f"http{'s' if is_secure else ''}://localhost:{server.port}/"
        web, began = web_for(authority, limit_s=LIMIT_S), time.monotonic()
        with pytest.raises(Unreachable, match="has not answered within"):
            web.post(url, b"x" * BODY_BYTES_MAX, {})
        assert time.monotonic() - began < LIMIT_S + 1


def test_what_is_sent_is_given_up_in_time_also_while_some_of_it_is_taken():
    """By itself: between programs of one machine, the system takes whole documents before the other side reads."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    leaving = threading.Event()
    thread = threading.Thread(target=reads(0.02), args=(theirs, leaving))
    thread.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        Hurried(ours, Until(began + LIMIT_S)).sendall(b"x" * BODY_BYTES_MAX)
    assert time.monotonic() - began < LIMIT_S + 1
    leaving.set()
    thread.join()
    ours.close(), theirs.close()


def test_who_resolves_names_is_given_up_in_time():
    leaving = threading.Event()

    def slow(*asked: object, **wanted: object) -> list:
        leaving.wait(10)
        return []

    began = time.monotonic()
    with pytest.raises(Unreachable, match="has not answered within"):
        HttpWeb(resolver=slow, limit_s=LIMIT_S).post(f"https://{NAME}/", BODY, {})
    assert time.monotonic() - began < LIMIT_S + 1
    leaving.set()


def test_of_an_answer_whose_status_has_come_that_is_told_with_what_there_is_of_it():
    """It was received: to call it unreachable would have it sent again."""
    head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 9999\r\n\r\nsoon ."
    with Rude(drips(b"." * 5000, each_s=0.005, at_once=head)) as server:
        began = time.monotonic()
        answer = web_for(limit_s=LIMIT_S).post(f"http://127.0.0.1:{server.port}/", BODY, {})
        assert time.monotonic() - began < LIMIT_S + 1
    assert answer.status == 202 and answer.text.startswith("soon .") and len(answer.text) < TEXT_CHARACTERS


# Those who answer with what is none


def says(answer: bytes, times: int = 1):
    def treat(connection: socket.socket, leaving: threading.Event) -> None:
        connection.recv(65_536)
        for _ in range(times):
            connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65_536)

    return treat


GARBAGE = {
    "nothing": b"",
    "a page without a status": b"<html>",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "Redis": b"-ERR unknown command\r\n",
    "a status that is no number": b"HTTP/1.1 two OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "NULs": b"\x00" * 1000,
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_who_is_no_web_server_is_unreachable(answer):
    with Rude(says(answer)) as server, pytest.raises(Unreachable):
        web_for(limit_s=5).post(f"http://127.0.0.1:{server.port}/", BODY, {})


HALF = {
    "no body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", ""),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "half"),
    "a length that is none": (b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nbody", "body"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody", "body"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body"),
    "half of the chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", "body"),
    "a chunk that is none": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nbody", ""),
    "no headers": (b"HTTP/1.1 200\r\n\r\nbody", "body"),
    "only a status": (b"HTTP/1.1 200 OK", ""),
    "an old server": (b"HTTP/1.0 200 OK\r\n\r\nbody", "body"),
}


@pytest.mark.parametrize(("answer", "text"), HALF.values(), ids=HALF)
def test_of_an_answer_that_ends_early_what_there_is_is_told(answer, text):
    with Rude(says(answer)) as server:
        assert web_for(limit_s=5).post(f"http://127.0.0.1:{server.port}/", BODY, {}) == Answer(200, text)


ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**20),
    "chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", b"x" * 2**20),
    "status": (b"HTTP/1.1 200 ", b"x" * 2**20),
    "header": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 2**20),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n" * 2**17),
    "waits": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2**15),
}


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("beginning", "rest"), ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_costs_neither_memory_nor_time(authority, beginning, rest, is_secure):
    def floods(connection: socket.socket, leaving: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(beginning)
        while not leaving.is_set():
            connection.sendall(rest)

    web = web_for(authority, limit_s=5)
    with Rude(floods, authority.server("localhost") if is_secure else None) as server:
        tracemalloc.start()
        try:
            web.post(f"http{'s' if is_secure else ''}://localhost:{server.port}/", BODY, {})
        except Unreachable as error:
            assert "does not answer as a web server does" in str(error)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 2**20


def test_whatever_a_server_answers_it_is_an_answer_or_unreachable():
    chance = random.Random(7)
    pieces = [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ", b"200", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Content-Length: ", b"-5", b"5",
        b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\n", b"0\r\n", b"-1\r\n", b"; x=y", b": ", b"\x00", b"\xff",
        b"HTTP/1.1 100 Continue\r\n\r\n", b"Connection: keep-alive\r\n", b"Content-Type: text/plain; charset=\xff\r\n", b" ",
    ]  # fmt: skip
    answers = [b"".join(chance.choices(pieces, k=chance.randrange(1, 12))) for _ in range(300)]
    answers += [b"HTTP/1.1 200 OK\r\n" + answer for answer in answers]
    waiting = iter(answers)

    def treat(connection: socket.socket, leaving: threading.Event) -> None:
        says(next(waiting))(connection, leaving)

    with Rude(treat) as server:
        web, told = web_for(limit_s=5), 0
        for answer in answers:
            try:
                told += web.post(f"http://127.0.0.1:{server.port}/", BODY, {}).status > 0
            except Unreachable:
                assert not answer.startswith(b"HTTP/1.1 200 OK\r\n\r\n"), answer
    assert told > 100
