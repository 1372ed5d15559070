"""The programs of the proof: the emulator and both simulators, on free ports of this machine."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from checks import Failed, expect, wait_until

REGION = "eu-west-1"

# What the simulators print when they are ready.
FACTS = {
    "url": r"^(?:URL|Dataverse simulator at)\s+(http\S+)",
    "company": r"^Company\s+(\S+)",
    "tenant": r"^tenant\s+(\S+)",
    "client": r"^client(?: id)?\s+(\S+)",
    "secret": r"^(?:client )?secret\s+(\S+)",
}


def free_port():
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program that runs until it is stopped; its output goes to a file."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.log = Path(folder) / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )

    def output(self):
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def expect_alive(self):
        """Fails when it has ended."""
        code = self.process.poll()
        expect(code is None, f"{self.name} ended with {code}: {self.output()[-600:]}")
        return True

    def stop(self):
        """Ends it and what it started."""
        for sign in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
            except ProcessLookupError:
                return
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                continue


class Emulator(Process):
    """The emulator, with its IAM switched on: what a policy does not allow is refused."""

    def __init__(self, python, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.url,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "false",
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "SFTP_ENABLED": "false",
            "TMPDIR": str(folder),
        }
        super().__init__("emulator", [python, str(Path(__file__).with_name("emulator.py"))], folder, environment)
        wait_until("the emulator answers", self._answers, 60)

    def _answers(self):
        self.expect_alive()
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError) as error:
            raise Failed(str(error)) from error


class Simulator(Process):
    """One of the simulators; it prints how to enter."""

    def __init__(self, name, program, arguments, folder):
        super().__init__(name, [program, "--port", str(free_port()), *arguments], folder)
        self.facts = wait_until(f"{name} starts", self._facts, 60)

    def _facts(self):
        self.expect_alive()
        facts = {
            fact: found.group(1)
            for fact, pattern in FACTS.items()
            if (found := re.search(pattern, self.output(), re.MULTILINE | re.IGNORECASE))
        }
        return facts if {"url", "tenant", "client", "secret"} <= facts.keys() else None
