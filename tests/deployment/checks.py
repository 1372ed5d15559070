"""What was found true or not, and waiting for it within bounds."""

import sys
import time
import traceback
from datetime import datetime, timezone


class Failed(AssertionError):
    """Something is not as it has to be."""


class Checks:
    """Counts what passed and what failed, and says so as it happens."""

    def __init__(self, passed=0):
        self.passed = passed
        self.failed = 0

    def step(self, title, work, *arguments):
        """Does one step of the proof; what it returns, or None when it failed."""
        print(f"\n== {title}", flush=True)
        started = time.monotonic()
        try:
            result = work(*arguments)
        except Exception as error:  # a step that breaks must not hide the others
            self.failed += 1
            print(f"FAILED  {title}: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
            return None
        self.passed += 1
        print(f"passed  {title} ({time.monotonic() - started:.1f} s)", flush=True)
        return True if result is None else result

    def close(self):
        """The closing line."""
        print(f"\n{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 else 1


def expect(condition, message):
    """Fails with the message when the condition does not hold."""
    if not condition:
        raise Failed(message)


def equal(found, wanted, what):
    """Fails when the two differ."""
    if found != wanted:
        raise Failed(f"{what}: {repr(found)[:1000]} instead of {repr(wanted)[:1000]}")


def now():
    """This second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def moment(text):
    """The second of a time in UTC as the programs write it."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)


def wait_until(what, condition, seconds, every=0.5):
    """Asks until the condition gives something true, and gives it; fails after so many seconds with the last problem.

    A condition may raise Failed to say what is still missing.
    """
    end = time.monotonic() + seconds
    problem = "not yet"
    while time.monotonic() < end:
        try:
            result = condition()
            if result:
                return result
        except Failed as error:
            problem = str(error)
        time.sleep(every)
    raise Failed(f"{what}: not within {seconds} s; {problem}")
