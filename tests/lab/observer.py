"""A client of its own for the lab's tests: one plain exchange, and what was seen as one JSON object.

Runs inside a namespace (`python observer.py dns 1.1.1.1 x.com`), on sockets alone: nothing of the product
measures here.
"""

import argparse
import json
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
from cryptography import x509

IP_RECVTTL = 12
PATIENCE = 1.5
FIRST_REPLY = 2.0
FURTHER_REPLIES = 0.3


def ask_udp(resolver: str, name: str, qtype: str, edns: bool) -> dict[str, Any]:
    """Every reply within the time that a forged and the real one need."""
    query = dns.message.make_query(name, qtype, use_edns=edns)
    with socket.socket(family(resolver), socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        sock.connect((resolver, 53))
        sock.send(query.to_wire())
        return {"replies": list(replies(sock))}


def replies(sock: socket.socket) -> Iterator[dict[str, Any]]:
    until = time.monotonic() + FIRST_REPLY
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, ancillary, _, _ = sock.recvmsg(4096, 256)
        except TimeoutError:
            return
        except ConnectionRefusedError:
            yield {"refused": True}  # which the kernel tells ahead of a reply that is already here
            until = time.monotonic() + FURTHER_REPLIES
            continue
        until = time.monotonic() + FURTHER_REPLIES
        ttl = next((int.from_bytes(value[:4], sys.byteorder) for _, kind, value in ancillary if kind == 2), None)
        yield {**reply(dns.message.from_wire(data)), "ip_ttl": ttl}


def ask_tcp(resolver: str, name: str, qtype: str) -> dict[str, Any]:
    query = dns.message.make_query(name, qtype).to_wire()
    with socket.create_connection((resolver, 53), PATIENCE) as sock:
        sock.sendall(len(query).to_bytes(2) + query)
        stream = sock.makefile("rb")
        return {"replies": [reply(dns.message.from_wire(stream.read(int.from_bytes(stream.read(2)))))]}


def reply(message: dns.message.Message) -> dict[str, Any]:
    records = [record.to_text() for rrset in message.answer for record in rrset]
    return {"rcode": dns.rcode.to_text(message.rcode()), "records": records, "truncated": bool(message.flags & 0x0200)}


def connect(address: str, port: int) -> dict[str, Any]:
    try:
        with socket.create_connection((address, port), PATIENCE):
            return {"seen": "connected"}
    except OSError as error:
        return {"seen": seen(error)}


def handshake(address: str, port: int, name: str | None, split: int, alpn: list[str]) -> dict[str, Any]:
    """`split`: so many bytes of the ClientHello go ahead in a segment of their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        with socket.create_connection((address, port), PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            shake(sock, tls, incoming, outgoing, split)
            return {"seen": "handshake", "alpn": tls.selected_alpn_protocol(), **certificate(tls)}
    except (OSError, EOFError) as error:
        return {"seen": seen(error)}


def shake(
    sock: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, split: int
) -> None:
    while True:
        done = False
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        data = outgoing.read()
        if split and data:
            sock.sendall(data[:split])
            time.sleep(0.05)
            data, split = data[split:], 0
        sock.sendall(data)
        if done:
            return
        received = sock.recv(65536)
        if not received:
            raise EOFError
        incoming.write(received)


def certificate(tls: ssl.SSLObject) -> dict[str, Any]:
    der = tls.getpeercert(binary_form=True)
    assert der is not None
    leaf = x509.load_der_x509_certificate(der)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    return {"names": names, "issuer": leaf.issuer.rfc4514_string(), "ends": leaf.not_valid_after_utc.isoformat()}


def get(address: str, host: str, *, tls: bool, path: str, patience: float) -> dict[str, Any]:
    """HTTP/1.1, read until the connection ends or patience does."""
    try:
        with socket.create_connection((address, 443 if tls else 80), PATIENCE) as plain:
            sock = client_context().wrap_socket(plain, server_hostname=host) if tls else plain
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            data, ending = read(sock, patience)
    except OSError as error:
        return {"seen": seen(error), "bytes": 0}
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if len(lines[0].split()) > 1 else None
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    text = body[:400].decode("utf-8", "replace")
    return {"seen": ending, "status": status, "headers": headers, "text": text, "body": len(body), "bytes": len(data)}


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def read(sock: socket.socket, patience: float) -> tuple[bytes, str]:
    data = bytearray()
    until = time.monotonic() + patience
    try:
        while (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            if not (piece := sock.recv(1 << 20)):
                return bytes(data), "eof"
            data += piece
    except OSError as error:
        return bytes(data), seen(error)
    return bytes(data), "silence"


def seen(error: Exception) -> str:
    names: dict[type[Exception], str] = {
        ConnectionResetError: "reset",
        ConnectionRefusedError: "refused",
        TimeoutError: "silence",
        EOFError: "eof",
    }
    return names.get(type(error)) or getattr(error, "strerror", None) or type(error).__name__


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in {
        "dns": ["resolver", "name"],
        "tcp": ["address"],
        "tls": ["address", "sni"],
        "http": ["address", "host"],
    }.items():
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument)
        command.add_argument("--qtype", default="A")
        command.add_argument("--stream", action="store_true")
        command.add_argument("--edns", action="store_true")
        command.add_argument("--port", type=int, default=443)
        command.add_argument("--split", type=int, default=0)
        command.add_argument("--alpn", default="h2,http/1.1")
        command.add_argument("--tls", action="store_true")
        command.add_argument("--path", default="/")
        command.add_argument("--patience", type=float, default=PATIENCE)
    print(json.dumps(observe(parser.parse_args())))


def observe(options: argparse.Namespace) -> dict[str, Any]:
    match options.command:
        case "dns" if options.stream:
            return ask_tcp(options.resolver, options.name, options.qtype)
        case "dns":
            return ask_udp(options.resolver, options.name, options.qtype, options.edns)
        case "tcp":
            return connect(options.address, options.port)
        case "tls":
            alpn = options.alpn.split(",")
            return handshake(options.address, options.port, options.sni or None, options.split, alpn)
        case _:
            return get(options.address, options.host, tls=options.tls, path=options.path, patience=options.patience)


if __name__ == "__main__":
    main()
