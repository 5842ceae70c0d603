"""The server name in a ClientHello, as a middlebox reads it (RFC 8446 section 4.1.2, RFC 6066 section 3)."""

_HANDSHAKE = 0x16
_CLIENT_HELLO = 1
_SERVER_NAME = 0


class Unread(Exception):
    """The bytes end before the server name could be read."""


def server_name(data: bytes) -> str | None:
    """None where it is no ClientHello or names nobody. Raises Unread where more bytes are needed."""
    if data and data[0] != _HANDSHAKE:
        return None
    if len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5]):
        raise Unread
    body = data[5 : 5 + int.from_bytes(data[3:5])]
    if body[:1] != bytes([_CLIENT_HELLO]) or len(body) < 4 + int.from_bytes(body[1:4]):
        return None  # no hello, or one in several records, which such boxes do not put together
    try:
        return _name_in(_extensions(body))
    except IndexError:
        return None


def _extensions(hello: bytes) -> bytes:
    at = 4 + 2 + 32  # header, version, random
    at += 1 + hello[at]  # session id
    at += 2 + int.from_bytes(hello[at : at + 2])  # cipher suites
    at += 1 + hello[at]  # compression methods
    return hello[at + 2 :]


def _name_in(extensions: bytes) -> str | None:
    while len(extensions) >= 4:
        kind, size = int.from_bytes(extensions[:2]), int.from_bytes(extensions[2:4])
        if kind == _SERVER_NAME:
            return extensions[9 : 4 + size].decode("ascii", "replace").lower()
        extensions = extensions[4 + size :]
    return None


def host_header(data: bytes) -> str | None:
    """The Host of a plain HTTP/1.1 request, without its port. Raises Unread where the head is not complete."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        raise Unread
    for line in head.split(b"\r\n")[1:]:
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"host":
            return value.strip().decode("ascii", "replace").partition(":")[0].lower()
    return None


def matches(name: str | None, names: tuple[str, ...]) -> bool:
    """As in a recipe: one that begins with a dot holds for every name that contains it."""
    if name is None:
        return False
    return any(wanted in f".{name}" if wanted.startswith(".") else wanted == name for wanted in names)
