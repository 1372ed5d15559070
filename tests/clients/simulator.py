"""Turns the switches of a simulator."""

import json
import urllib.request


def simulate(origin, path, body):
    """Posts to the simulator's own interface."""
    request = urllib.request.Request(f"{origin}/_simulator/{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        answer.read()
