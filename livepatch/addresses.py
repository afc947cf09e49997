"""How an address of a host and a port is written, for everything that prints one."""

from __future__ import annotations

# A server that listens everywhere is reached at the machine itself.
_REACHABLE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def endpoint_text(host: str, port: object) -> str:
    """Host and port in one word; a host with colons is an IPv6 address and stands in brackets.

    Args:
        host: a name or address, with or without brackets; empty or a wildcard is this machine.
        port: the port.

    Example:
        >>> endpoint_text("::1", 8188), endpoint_text("0.0.0.0", 80)
        ('[::1]:8188', '127.0.0.1:80')
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bare = _REACHABLE.get(bare, bare)
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def url_text(host: str, port: object, scheme: str = "http") -> str:
    """The URL of a server.

    Args:
        host: as in `endpoint_text`.
        port: the port.
        scheme: ``http`` or ``https``.
    """
    return f"{scheme}://{endpoint_text(host, port)}"
