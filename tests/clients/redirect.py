"""Leads the public names of the services to this machine, and refuses every other name.

Clients with a fixed address stay unchanged: they ask for `api.businesscentral.dynamics.com:443` and reach a simulator.
"""

import socket

_resolve = socket.getaddrinfo
_connect = socket.socket.connect

HTTPS = 443


def to_loopback(ports_by_name):
    """Maps names to ports on 127.0.0.1. Every name gets a loopback address of its own, whose port 443 leads to that port."""
    addresses = {name: f"127.0.0.{number}" for number, name in enumerate(ports_by_name, start=101)}
    ports = {(addresses[name], HTTPS): port for name, port in ports_by_name.items()}

    def resolve(host, port, *arguments, **options):
        name = host.decode() if isinstance(host, bytes) else host
        name = addresses.get(name, name)
        if not name.startswith("127.0.0.") and name not in ("localhost", "::1"):
            raise OSError(f"these proofs stay on this machine, but {name} was asked for")
        return _resolve(name, port, *arguments, **options)

    def connect(self, address):
        if isinstance(address, tuple) and address[:2] in ports:
            address = ("127.0.0.1", ports[address[:2]])
        return _connect(self, address)

    socket.getaddrinfo = resolve
    socket.socket.connect = connect
