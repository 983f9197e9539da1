"""Addresses of the web that somebody else has chosen: what they may look like, and where they may lead. Pure.

    address = read("https://Hooks.Example.com/run?team=7")   what it says, or why it is refused
    reach.check(address)                                     whether it can be sent to at all; asks nobody
    reach.may_lead_to(address, ip)                           whether what its name stands for just now will do

Our machine asks for it, from within our network. So it must not lead to what answers whoever is inside: services of
this machine, the private network, the cloud's own service of credentials.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from canalis.contract.errors import AddressRefused, SettingInvalid

CHARACTERS_MAX = 2_048
ANY = "*"
_PORTS = {"https": 443, "http": 80}
_PORT_MIN, _PORT_MAX = 1_024, 65_535  # below are the services of systems; of those, only 443 takes documents

_NO_HOST = "The address has no host, or one that is neither a name nor an IP address"

_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")  # RFC 3986, section 2
_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9a-f]*:[0-9a-f:.]*)\]|(?P<host>[a-z0-9.-]+))(?::(?P<port>[0-9]{0,5}))?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
# Who resolves names takes what ends so for a number of IPv4: 127.1, 0x7f000001, 017700000001, 1.2.3.0x4.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
# Nobody has a name below these on the public net. Source: IANA, Special-Use Domain Names; ICANN for "internal".
_NEVER_PUBLIC = ("alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test")

Ip = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def _networks(text: str) -> Networks:
    return tuple(map(ip_network, text.split()))


# What is not public, written out: Python 3.11's `is_global` takes multicast, fec0::/10, 6to4 and NAT64 for public.
# Source: IANA, IPv4 and IPv6 Special-Purpose Address Registries.
_NOT_PUBLIC = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
    "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
    # Of IPv6 all but 2000::/3; in that, what protocols have been assigned (Teredo), documentation and 6to4.
    "::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: its last 32 bits are the address of IPv4 that it leads to
_PRIVATE = _networks("10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7")
# What clouds tell their machines, credentials too, under numbers that would be public or private: Azure's wire server,
# Alibaba's, and those of AWS and Google under IPv6. 169.254.169.254 is neither by its number.
_OF_CLOUDS = _networks("168.63.129.16/32 100.100.100.200/32 fd00:ec2::/32 fd20:ce::254/128")


@dataclass(frozen=True, slots=True)
class Address:
    """An address, taken apart; as a text it is normalised.

    host     in lower case; an address of IPv6 without its brackets
    ip       the host, where that is an address and no name
    target   path and query, as the server is asked for them
    """

    scheme: str
    host: str
    ip: Ip | None
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as a URL has them, the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it says itself that it is one of this machine. What a name turns out to be is another matter."""
        return self.host == "localhost" if self.ip is None else _is_loopback(self.ip)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def read(url: str) -> Address:
    """What an address says. Raises AddressRefused with what is wrong with it, without repeating it: it may be secret.

    >>> str(read("HTTPS://Hooks.Example.com:443?a=b"))
    'https://hooks.example.com/?a=b'
    """
    if len(url) > CHARACTERS_MAX:
        raise AddressRefused(f"The address has {len(url)} characters; it can have {CHARACTERS_MAX}")
    if not _CHARACTERS.fullmatch(url):
        raise AddressRefused(
            "The address has a character that none can have: write it percent-encoded, and a host in its ASCII form"
        )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressRefused(_NO_HOST) from None
    if parts.scheme not in _PORTS:
        raise AddressRefused("The address must begin with https://")
    if "@" in parts.netloc:
        raise AddressRefused("The address must have no user or password in it: send a header in their place")
    if "#" in url:
        raise AddressRefused("The address must have no fragment: what follows a # is never sent")
    # By ourselves: what urlsplit takes for the host of `[v1.fe]` or `[::1]x` is another one than others would.
    authority = _AUTHORITY.fullmatch(parts.netloc.lower())
    if authority is None:
        raise AddressRefused(_NO_HOST)
    if parts.scheme == "http" and not authority["port"]:
        raise AddressRefused(
            f"The address must begin with https://; http:// is for this machine alone, with a port from {_PORT_MIN} on"
        )
    port = int(authority["port"] or _PORTS[parts.scheme])
    if port != _PORTS["https"] and not _PORT_MIN <= port <= _PORT_MAX:
        raise AddressRefused(f"The address has port {port}: it can be 443, or {_PORT_MIN} to {_PORT_MAX}")
    ip = _ip(authority["ipv6"] or authority["host"])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, authority["host"] if ip is None else str(ip), ip, port, target)


class Reach:
    """How far our documents go.

    hosts   "*" for all that are public; a name, "*.<suffix>" for all names below one, or an IP address for a host that
            the operator wants to be sent to, on the private network as well. A host that fits none is refused
    may_reach_this_machine   whether localhost, 127.0.0.0/8 and ::1 may be written, and what is in `hosts` may be here
    Raises  SettingInvalid for a host that is none
    """

    def __init__(self, hosts: Sequence[str] = (ANY,), may_reach_this_machine: bool = False) -> None:
        self._hosts = [_listed(host) for host in hosts]
        self._is_here_allowed = may_reach_this_machine

    def check(self, address: Address) -> None:
        """Raises AddressRefused for one that can never be sent to, whatever its name stands for."""
        if address.is_here:
            if not self._is_here_allowed:
                raise AddressRefused("The address is one of the service's own machine")
            return
        if address.scheme != "https":
            raise AddressRefused("The address must begin with https://: what is sent would be open to all on the way")
        is_listed = self._is_listed(address.host)
        if not is_listed and ANY not in self._hosts:
            raise AddressRefused(f"{address.host} is not among the hosts that this service sends to", host=address.host)
        if address.ip is not None:
            if not self.may_lead_to(address, address.ip):
                raise AddressRefused(f"{address.host} is no public address", host=address.host)
        elif not is_listed and ("." not in address.host or address.host.rpartition(".")[2] in _NEVER_PUBLIC):
            raise AddressRefused(f"{address.host} is no name of the public net", host=address.host)

    def may_lead_to(self, address: Address, ip: Ip) -> bool:
        """Whether an address that was checked may be sent to, when its name stands for this one."""
        if address.is_here:
            return _is_loopback(ip)
        if is_public(ip):
            return True
        if not self._is_listed(address.host):
            return False
        return _is_private(ip) or (self._is_here_allowed and _is_loopback(ip))

    def _is_listed(self, host: str) -> bool:
        return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in self._hosts)


def is_public(ip: Ip) -> bool:
    """Whether it is one machine's on the public net, and none that a cloud has for its own."""
    if ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFF_FFFF)
    return not _is_in(ip, _NOT_PUBLIC) and not _is_in(ip, _OF_CLOUDS)


def _is_private(ip: Ip) -> bool:
    return _is_in(ip, _PRIVATE) and not _is_in(ip, _OF_CLOUDS)


def _is_loopback(ip: Ip) -> bool:
    return ip == IPv6Address(1) or (isinstance(ip, IPv4Address) and ip.is_loopback)


def _is_in(ip: Ip, networks: Networks) -> bool:
    return any(ip in network for network in networks)


def _ip(host: str) -> Ip | None:
    """The address that a host is; None for a name. Raises AddressRefused for what is neither."""
    try:
        return ip_address(host)
    except ValueError:
        if _NAME.fullmatch(host) and not _NUMBER.fullmatch(host):
            return None
        raise AddressRefused(_NO_HOST) from None


def _listed(host: str) -> str:
    if host == ANY:
        return host
    try:
        wildcard, below = ("*.", host[2:]) if host.startswith("*.") else ("", host)
        ip = _ip(below.lower())
        if ip is None or not wildcard:
            return wildcard + (below.lower() if ip is None else str(ip))
    except AddressRefused:
        pass
    raise SettingInvalid(f"'{host[:80]}' is no host: write hooks.example.com, *.example.com, 10.1.2.3 or *")
