"""How a script states what it proves: one sentence per check, one line of output per check."""

import asyncio
import inspect
import os
import sys
import traceback


class Proof:
    """Collects the checks of one client and runs them in the order in which they were stated."""

    def __init__(self, client):
        self.client = client
        self.stated = []

    def __call__(self, body):
        """States a check; the sentence is the name of the function."""
        self.stated.append((body.__name__.replace("_", " "), body))
        return body

    def run(self, *arguments):
        failed = 0
        for sentence, body in self.stated:
            try:
                outcome = body(*arguments)
                if inspect.isawaitable(outcome):
                    asyncio.run(_finished(outcome))
                print(f"ok    {self.client}: {sentence}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL  {self.client}: {sentence}", flush=True)
                traceback.print_exc()
        sys.exit(1 if failed else 0)


async def _finished(outcome):
    return await outcome


def refusal(kind, work):
    """The error that `work` ends with; fails if it does not."""
    try:
        value = work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {value!r}")


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def given(name):
    """An address or a secret that `run` hands over."""
    value = os.environ.get(name)
    assert value, f"{name} is not set: start this script through tests/clients/run"
    return value
