from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.addresses import is_allowed, parse_networks

FORBIDDEN = """
    0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254
    172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1
    224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1
    100::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1
    3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo fec0::1 ff02::1
"""

ALLOWED = """
    1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.255
    2001:4860:4860::8888 2606:4700::1111 2a00:1450:4001::1 2003::1 3ffe::1
"""


@pytest.mark.parametrize("address", FORBIDDEN.split())
def test_address_that_leads_home_is_forbidden(address: str) -> None:
    assert not is_allowed(ip_address(address))


@pytest.mark.parametrize("address", ALLOWED.split())
def test_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address))


@given(st.ip_addresses())
def test_law_nothing_special_is_allowed(address: IPv4Address | IPv6Address) -> None:
    special = not address.is_global or address.is_multicast or address.is_reserved or address.is_private
    assert not (special and is_allowed(address))


@given(st.ip_addresses(v=4))
def test_law_no_ipv4_in_ipv6_clothing_is_allowed(address: IPv4Address) -> None:
    number = int(address)
    for prefix in (0, 0xFFFF << 32, 0x64FF9B << 96, 0x64FF9B0001 << 80):
        assert not is_allowed(IPv6Address(prefix | number))
    assert not is_allowed(IPv6Address(0x2002 << 112 | number << 80))
    assert not is_allowed(IPv6Address(0x20010000 << 96 | number << 64))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("192.168.1.7", True), ("192.168.2.7", False), ("fd00::1", True), ("127.0.0.1", False), ("8.8.8.8", True)],
)
def test_networks_may_be_allowed_by_name(address: str, allowed: bool) -> None:
    networks = parse_networks(["192.168.1.0/24", "fd00::/8"])
    assert is_allowed(ip_address(address), networks) is allowed


def test_allowing_loopback_does_not_allow_its_disguises() -> None:
    networks = parse_networks(["127.0.0.0/8"])
    assert not is_allowed(ip_address("::ffff:127.0.0.1"), networks)


@pytest.mark.parametrize("text", ["192.168.1.1/24", "home", ""])
def test_networks_must_be_networks(text: str) -> None:
    with pytest.raises(ValueError, match="host bits|not appear"):
        parse_networks([text])
