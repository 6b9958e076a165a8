"""Which addresses an outgoing call may reach: those of the public internet, and networks allowed by name.

The lists stand here in full, because `ipaddress.is_global` differs between the versions of Python and calls some
addresses global through which one gets home: 64:ff9b::7f00:1 and 2002:7f00:1:: are both 127.0.0.1.
Sources: the IANA special-purpose address registries (RFC 6890) and the global unicast assignments (RFC 4291).
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORBIDDEN_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by a provider's customers; a cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # public by number, but Azure's own control channel
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""The only part of IPv6 with global unicast. Outside are loopback, IPv4-mapped and IPv4-compatible addresses,
NAT64 (64:ff9b::/96, 64:ff9b:1::/48), segment routing (5f00::/16), unique local, link-local and multicast."""

_FORBIDDEN_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


def parse_networks(networks: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of their texts, `192.168.1.0/24` or `fd00::/8`.

    Raises:
        ValueError: a text is no network, or its host bits are set.
    """
    return tuple(ip_network(network) for network in networks)


def is_allowed(address: Address, networks: Iterable[Network] = ()) -> bool:
    """Tell whether `address` is public, or lies in one of the allowed networks."""
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _FORBIDDEN_V6)
