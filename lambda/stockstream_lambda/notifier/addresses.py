"""Where no alert may go: the addresses at which a cloud tells a machine its own credentials.

Held at the moment of connecting, so that neither a name that resolves to one, nor a redirect, nor a plugin of Apprise's
gets around it.
"""

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

# Beside link-local ones: of EC2 over IPv6, of Alibaba, of Azure.
_OTHERS: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_delivering: Final = threading.local()


@contextmanager
def guarded() -> Iterator[None]:
    """Within it this thread connects to no metadata service: the attempt is a PermissionError."""
    _delivering.on = True
    try:
        yield
    finally:
        _delivering.on = False


def is_forbidden(host: str) -> bool:
    """Tell whether an address is a metadata service's; a name that nobody resolved is taken for one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_link_local or address in _OTHERS


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and getattr(_delivering, "on", False):
        address = arguments[1]
        if isinstance(address, tuple) and is_forbidden(str(address[0])):
            raise PermissionError("an alert must not go to a metadata service")


# For as long as the process lives: an audit hook cannot be taken away.
sys.addaudithook(_on_event)
