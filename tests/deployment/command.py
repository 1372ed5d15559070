"""The operator's command `couplet`, looking at the deployed stack from outside."""

import json
import subprocess

from checks import equal
from stack import NAME


class Command:
    """The command, with the environment of somebody who has credentials for the stack's account."""

    def __init__(self, program, environment):
        self.program = program
        # What it needs comes from the stack; settings of this machine must not help.
        self.environment = {name: value for name, value in environment.items() if not name.startswith("COUPLET_")}

    def text(self, *arguments, ends_with=0):
        """What it prints, given the exit code it has to end with."""
        done = subprocess.run(
            [self.program, "--profile", "aws", "--stack", NAME, *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        equal(done.returncode, ends_with, f"couplet {' '.join(arguments)} said {done.stderr[-600:]!r} and ended with")
        return done.stdout

    def ask(self, *arguments, ends_with=0):
        """The object it prints."""
        return json.loads(self.text(*arguments, "--json", ends_with=ends_with))

    def lines(self, *arguments):
        """The objects it prints line by line."""
        return [json.loads(line) for line in self.text(*arguments, "--json").splitlines()]
