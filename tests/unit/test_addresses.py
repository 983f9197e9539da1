"""Which addresses documents are sent to, and which never."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from adapters.addresses import CHARACTERS_MAX, Reach, is_public, read
from canalis.contract.errors import AddressRefused, SettingInvalid

NORMAL = {
    "https://hooks.example.com": "https://hooks.example.com/",
    "HTTPS://Hooks.EXAMPLE.com:443/Run?A=b": "https://hooks.example.com/Run?A=b",
    "https://hooks.example.com:8443?x": "https://hooks.example.com:8443/?x",
    "https://hooks.example.com:": "https://hooks.example.com/",
    "https://hooks.example.com/a/../b//c;d?": "https://hooks.example.com/a/../b//c;d",
    "https://hooks.example.com/%0d%0aX:%201": "https://hooks.example.com/%0d%0aX:%201",
    "https://xn--bcher-kva.example.com/": "https://xn--bcher-kva.example.com/",
    "https://4.example.com/@user": "https://4.example.com/@user",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://[2606:4700:0:0::1111]:8443/": "https://[2606:4700::1111]:8443/",
    f"https://{'a' * 63}.com/": f"https://{'a' * 63}.com/",
}

HOSTILE_HOSTS = [
    # this machine
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain.", "127.0.0.1", "127.255.255.254",
    "127.0.0.1.", "[::1]", "[0:0:0:0:0:0:0:1]", "0.0.0.0", "0", "[::]",
    # this machine, in what those who resolve names take for it
    "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1", "0x7f.1", "017700000001", "0177.0.0.1", "0177.1",
    "127.1", "127.0.1", "127.0.0.0x1", "00127.0.0.1", "127.0.0.01", "1", "0x", "127.0.0.1.0x7f", "0000000127.1",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]", "[2001:0:7f00:1::]", "[::ffff:0:127.0.0.1]", "[fe80::1%25eth0]", "[::1%251]",
    # private networks
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "192.0.0.1", "198.18.0.1",
    "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]",
    "167772161", "0xa000001", "0xa.1",
    # what clouds have for their own machines
    "169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "[fd20:ce::254]", "168.63.129.16", "[::ffff:168.63.129.16]", "[64:ff9b::a83f:8110]",
    "100.100.100.200", "192.0.0.192", "metadata.google.internal", "metadata", "instance-data.ec2.internal",
    # nobody
    "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[2001::1]", "[100::1]", "[5f00::1]", "[4000::1]",
    # no names of the public net
    "hooks", "kubernetes.default.svc.cluster.local", "printer.local", "nas.home.arpa", "a.onion", "a.test", "a.example",
    "a.invalid",
    # no hosts
    "", ".", "..", "-", "a..com", ".example.com", "example.com.", "-a.com", "a-.com", "a_b.com", "*.example.com",
    "exa%6dple.com", "ex%00ample.com", "a.com%2f.example.com", f"{'a' * 64}.com", f"{'a.' * 130}com", "[", "]", "[]",
    "[::1", "[g::1]", "[1.2.3.4.5]", "[::1]x", "a.com:80:443", "1.2.3.4.5", "256.1.1.1", "1.2.3", "[v1.fe]", "[hooks.example.com]", "[8.8.8.8]",
    "[2606:4700::1111]x", "x[2606:4700::1111]", "[2606:4700::1111%25eth0]", "2606:4700::1111",
]  # fmt: skip

HOSTILE_URLS = [
    "", "/", "//hooks.example.com/", "hooks.example.com", "hooks.example.com:443", "https:", "https:/", "https://",
    "https:///hooks", "https:hooks.example.com", "https:/hooks.example.com", "https://?a", "https://:443/",
    # other protocols
    "http://hooks.example.com/", "http://hooks.example.com:443/", "http://8.8.8.8:8080/", "file:///etc/passwd",
    "file://hooks.example.com/", "ftp://hooks.example.com/", "gopher://hooks.example.com:70/_x", "data:text/plain,x",
    "javascript:alert(1)", "ws://hooks.example.com", "unix:///var/run/docker.sock", "https+unix://a.com/",
    "jar:https://hooks.example.com/", "dict://hooks.example.com:11211/", "view-source:https://hooks.example.com/",
    # a host that is another one's user
    "https://user@hooks.example.com/", "https://user:password@hooks.example.com/", "https://@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/", "https://127.0.0.1@hooks.example.com/", "https://a:b@c@hooks.example.com/",
    "https://hooks.example.com#@127.0.0.1/", "https://hooks.example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/",
    "https://hooks.example.com/#", "https://hooks.example.com/#part",
    # ports
    "https://hooks.example.com:0/", "https://hooks.example.com:22/", "https://hooks.example.com:25/",
    "https://hooks.example.com:80/", "https://hooks.example.com:445/", "https://hooks.example.com:1023/",
    "https://hooks.example.com:65536/", "https://hooks.example.com:-1/", "https://hooks.example.com:+443/",
    "https://hooks.example.com:443x/", "https://hooks.example.com:0x1bb/", "https://hooks.example.com:4\u0664\u0663/",
    # characters
    " https://hooks.example.com/", "https://hooks.example.com/ ", "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nHost: internal", "https://hooks.example.com\r\n/", "https://hooks.example.com/\tx",
    "https://hooks.example.com/\x00", "https://hooks.\u200bexample.com/", "https://hooks.example\u3002com/",
    "https://\u24d7ooks.example.com/", "https://\u2460\u2461\u2466.0.0.1/", "https://b\u00fccher.example.com/",
    "https://hooks.example.com/\u00e9", "https://hooks.example.com/\ud800", "https://hooks.example.com/|",
    "https://hooks.example.com/<>", "htt\u200dps://hooks.example.com/", "https\x00://hooks.example.com/",
    "https://hooks.example.com/" + "a" * CHARACTERS_MAX,
]  # fmt: skip


@pytest.mark.parametrize(("url", "normal"), NORMAL.items())
def test_an_address_of_the_public_net_is_normalised(url, normal):
    address = read(url)
    Reach().check(address)
    assert str(address) == normal
    assert read(normal) == address


@pytest.mark.parametrize("url", [*(f"https://{host}/" for host in HOSTILE_HOSTS), *HOSTILE_URLS], ids=ascii)
def test_a_hostile_address_is_refused_before_anybody_is_asked(url):
    with pytest.raises(AddressRefused):
        Reach().check(read(url))


@pytest.mark.parametrize(
    "url",
    [url for url in HOSTILE_URLS if "localhost" not in url]
    + [f"https://{host}:8443/" for host in HOSTILE_HOSTS if host not in ("localhost", "LOCALHOST", "127.0.0.1")],
    ids=ascii,
)
def test_where_this_machine_may_be_reached_the_others_are_refused_all_the_same(url):
    reach = Reach(may_reach_this_machine=True)
    try:
        address = read(url)
        reach.check(address)
    except AddressRefused:
        return
    assert address.host in ("::1", "127.255.255.254")  # in full, and in no disguise


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://hooks.example.com/", "must begin with https://"),
        ("http://hooks.example.com/", "must begin with https://; http:// is for this machine alone"),
        ("http://hooks.example.com:8080/", "open to all on the way"),
        ("https://ann:secret@hooks.example.com/", "no user or password"),
        ("https://hooks.example.com/#part", "no fragment"),
        ("https://hooks.example.com:80/", "has port 80: it can be 443, or 1024 to 65535"),
        ("https://b\u00fccher.example.com/", "a host in its ASCII form"),
        ("https://0x7f.1/", "neither a name nor an IP address"),
        ("https://10.0.0.1/", "10.0.0.1 is no public address"),
        ("https://printer.local/", "printer.local is no name of the public net"),
        ("https://hooks.example.com/" + "a" * CHARACTERS_MAX, "it can have 2048"),
    ],
)
def test_an_author_is_told_what_is_wrong_with_an_address(url, said):
    with pytest.raises(AddressRefused) as refused:
        Reach().check(read(url))
    assert said in refused.value.message and "secret" not in refused.value.message


def test_what_is_refused_is_not_repeated():
    for url in (
        "https://hooks.example.com/secret path",
        "ftp://secret/",
        "https://hooks.example.com:secret/",
        "secret",
    ):
        with pytest.raises(AddressRefused) as refused:
            read(url)
        assert "secret" not in refused.value.message


HERE = [
    "http://localhost:8080/",
    "http://127.0.0.1:8080/",
    "http://[::1]:8080/",
    "https://localhost:8443/",
    "https://127.0.0.7/",
]


@pytest.mark.parametrize("url", HERE)
def test_this_machine_is_reached_only_where_that_was_asked_for(url):
    Reach(may_reach_this_machine=True).check(read(url))
    Reach(["hooks.example.com"], may_reach_this_machine=True).check(read(url))
    with pytest.raises(AddressRefused, match="service's own machine"):
        Reach().check(read(url))
    with pytest.raises(AddressRefused, match="service's own machine"):
        Reach(["localhost", "127.0.0.1", "::1", "127.0.0.7"]).check(read(url))


def leads(reach: Reach, url: str, ip: str) -> bool:
    address = read(url)
    reach.check(address)
    return reach.may_lead_to(address, ip_address(ip))


PUBLIC, PRIVATE = (
    ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"],
    ["10.1.2.3", "172.20.0.1", "192.168.1.1", "fd12::1"],
)
NEVER = [
    "127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254",
    "fd20:ce::254", "fe80::1", "224.0.0.1", "::ffff:10.0.0.1", "2002:a00:1::", "255.255.255.255", "192.0.0.192",
]  # fmt: skip


def test_a_name_leads_to_the_public_net_only():
    reach, here = Reach(), Reach(may_reach_this_machine=True)
    for ip in PUBLIC:
        assert leads(reach, "https://hooks.example.com/", ip)
    for ip in PRIVATE + NEVER:
        assert not leads(reach, "https://hooks.example.com/", ip)
        assert not leads(here, "https://hooks.example.com/", ip), "a name must not lead here by itself"


def test_localhost_leads_here_and_nowhere_else():
    reach = Reach(may_reach_this_machine=True)
    assert leads(reach, "http://localhost:8080/", "127.0.0.1") and leads(reach, "http://localhost:8080/", "::1")
    assert not any(leads(reach, "http://localhost:8080/", ip) for ip in PUBLIC + PRIVATE + NEVER[2:])


def test_a_host_that_the_operator_names_may_be_on_a_private_network():
    reach = Reach(["Hooks.Corp.Internal", "*.corp.example", "receiver", "10.1.2.3"])
    for url in (
        "https://hooks.corp.internal/",
        "https://a.b.corp.example/",
        "https://receiver:8443/",
        "https://10.1.2.3/",
    ):
        assert all(leads(reach, url, ip) for ip in PUBLIC + PRIVATE + ["100.64.0.1"])
        assert not any(leads(reach, url, ip) for ip in NEVER)


@pytest.mark.parametrize(
    "host",
    ["corp.example", "xcorp.example", "hooks.corp.internal.example.com", "a.hooks.corp.internal", "hooks.example.com"]
    + ["10.1.2.4", "8.8.8.8", "10.1.2.3.example.com", "a.corp.example.com"],
)
def test_a_list_of_hosts_keeps_all_others_out(host):
    reach = Reach(["hooks.corp.internal", "*.corp.example", "10.1.2.3"])
    with pytest.raises(AddressRefused, match="not among the hosts"):
        reach.check(read(f"https://{host}/"))


def test_beside_the_hosts_that_are_named_a_star_lets_in_all_that_are_public():
    reach = Reach(["*", "hooks.corp.internal"])
    assert leads(reach, "https://hooks.corp.internal/", "10.1.2.3")
    assert leads(reach, "https://hooks.example.com/", "8.8.8.8")
    assert not leads(reach, "https://hooks.example.com/", "10.1.2.3")
    with pytest.raises(AddressRefused):
        reach.check(read("https://other.corp.internal/"))


def test_where_this_machine_may_be_reached_a_host_that_is_named_may_be_here():
    reach = Reach(["hooks.example.com"], may_reach_this_machine=True)
    assert leads(reach, "https://hooks.example.com/", "127.0.0.1")
    with pytest.raises(AddressRefused):
        reach.check(read("http://hooks.example.com:8080/"))


def test_no_address_of_a_cloud_is_let_in_by_its_number():
    for ip in ("168.63.129.16", "169.254.169.254", "100.100.100.200", "fd00:ec2::254"):
        with pytest.raises(AddressRefused, match="no public address"):
            url = f"https://[{ip}]/" if ":" in ip else f"https://{ip}/"
            Reach([ip]).check(read(url))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "https://a.com",
        "a.com:443",
        "a.com/",
        "*.*",
        "*.",
        "**",
        "*com",
        "a.com\n",
        "*.10.0.0.1",
        "10.0.0.0/8",
        "*.1",
        "[::1]",
    ],
)
def test_a_host_that_is_none_is_refused_when_the_service_starts(host):
    with pytest.raises(SettingInvalid, match="is no host"):
        Reach([host])


def test_what_is_next_to_a_network_that_is_not_public_is_public():
    for ip in (
        "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
        "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
        "223.255.255.255", "168.63.129.15", "168.63.129.17", "2001:200::", "2003::", "2a00::1", "3ffe::1", "64:ff9b::1.1.1.1",
    ):  # fmt: skip
        assert is_public(ip_address(ip)), ip
