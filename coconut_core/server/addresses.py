"""Which addresses only this machine can reach."""

import ipaddress


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server bound to this host."""
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
