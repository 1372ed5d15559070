"""A person at a terminal, by script: sets Couplet up between both simulators, and looks whether they agree afterwards."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

PROGRAMS = Path(sys.argv[1])
# From the first question to both systems in step.
BUDGET_SECONDS = 120
LONGEST_WAIT_SECONDS = 90
INTERRUPT = "\x03"


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, folder, environment, *arguments):
        self.said = ""
        self.read_up_to = 0
        self.process, self.master = pty.fork()
        if self.process == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.chdir(folder)
            os.execve(PROGRAMS / "couplet", ["couplet", *arguments], environment)

    def wait_for(self, words):
        """Reads until these words stand behind what was read before."""
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while (at := self.said.find(words, self.read_up_to)) < 0:
            if time.monotonic() > ends or not self.read():
                raise AssertionError(f"{words!r} was not said:\n{self.said[-3000:]}")
        self.read_up_to = at + len(words)

    def read(self):
        """Reads what is there, for a second at most; false once the command has ended."""
        if not select.select([self.master], [], [], 1)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.said += data.decode(errors="replace")
        return bool(data)

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def wait_until_hidden(self):
        ends = time.monotonic() + 10
        while self.echoes():
            assert time.monotonic() < ends, "what is typed is shown"
            time.sleep(0.01)

    def type(self, text):
        os.write(self.master, text.encode())

    def ends(self):
        """Reads to the end; the exit code."""
        ends = time.monotonic() + LONGEST_WAIT_SECONDS
        while self.read():
            assert time.monotonic() < ends, f"it does not end:\n{self.said[-3000:]}"
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def simulator(name, folder, *arguments):
    """Starts a simulator, and gives what it says of itself."""
    output = folder / f"{name}.out"
    with output.open("w") as out, (folder / f"{name}.err").open("w") as err:
        process = subprocess.Popen([PROGRAMS / f"{name}-simulator", "--demo", "--port", "0", *arguments], stdout=out, stderr=err)
    for _ in range(300):
        text = output.read_text()
        if "curl" in text:
            return process, text
        time.sleep(0.1)
    raise AssertionError(f"the {name} simulator does not start: {(folder / f'{name}.err').read_text()}")


def found(pattern, text):
    return re.search(pattern, text, re.MULTILINE).group(1)


def main():
    results = []

    def check(what, is_good):
        print(f"{'ok  ' if is_good else 'FAIL'}  {what}", flush=True)
        results.append(is_good)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        place = folder / "installation"
        place.mkdir()
        running = []
        try:
            erp, text = simulator("business-central", folder, "--items", "20", "--customers", "5", "--salesperson-codes")
            running.append(erp)
            erp_url = found(r"^URL +(\S+)", text)
            company, company_name = re.search(r"^Company +(\S+) +(.+)$", text, re.MULTILINE).groups()
            erp_tenant, erp_client, erp_secret = (found(rf"^{name} +(\S+)", text) for name in ("Tenant", "Client", "Secret"))
            origin = "/".join(erp_url.split("/")[:3])
            crm, text = simulator("dataverse", folder, "--company-id", company)
            running.append(crm)
            crm_url = found(r"simulator at (\S+)", text)
            tenant, client, secret = (found(rf"^{name} (\S+)", text) for name in ("tenant", "client id", "client secret"))

            environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUPLET_", "AWS_"))}
            environment["TERM"] = "xterm"
            secrets = [secret, erp_secret]
            begin = time.monotonic()

            terminal = Terminal(place, environment, "setup")
            for question, answer in [
                ("Address of the Dataverse environment", f"{crm_url}/main.aspx"),
                ("Entra ID tenant", tenant),
                ("Address that gives tokens", crm_url),
                ("Client id", client),
                ("proves itself by", "1"),
                ("The secret is kept in", ""),
            ]:
                terminal.wait_for(question)
                terminal.type(f"{answer}\r")
            terminal.wait_for("The secret (it is not shown)")
            terminal.wait_until_hidden()
            terminal.type(INTERRUPT)
            check("leaving while a secret is asked for ends with 130", terminal.ends() == 130)
            check("and says that it goes on", "couplet setup goes on here" in terminal.said)
            kept = (place / "couplet.setup.toml").read_text()
            check("what was answered is kept", client in kept and tenant in kept)
            check("nothing else is written", [path.name for path in place.iterdir()] == ["couplet.setup.toml"])

            terminal = Terminal(place, environment, "setup")
            terminal.wait_for("going on with the answers in")
            for answer in ("Wr0ng", secret):
                terminal.wait_for("The secret (it is not shown)")
                terminal.wait_until_hidden()
                terminal.type(f"{answer}\r")
            for question, answer in [
                ("Address of Business Central", origin),
                ("Does the same application", "no"),
                ("Tenant of Business Central", erp_tenant),
                ("tokens for Business Central", origin),
                ("Client id", erp_client),
            ]:
                terminal.wait_for(question)
                terminal.type(f"{answer}\r")
            terminal.wait_for("Secret of that application")
            terminal.wait_until_hidden()
            terminal.type(f"{erp_secret}\r")
            for question, answer in [
                ("Environment of Business Central", erp_url.split("/")[-1]),
                ("Company: its number", "1"),
                ("Is the companion app", ""),
                ("New records in Dataverse belong to", "person"),
                ("A unit group with all its units", ""),
                ("newer price lists", ""),
                ("Does stock travel", ""),
                ("Sales orders are", "off"),
                ("Begin the full synchronization now", "yes"),
                ("Fields by which they are coupled first", ""),
            ]:
                terminal.wait_for(question)
                terminal.type(f"{answer}\r")
            code = terminal.ends()
            seconds = time.monotonic() - begin
            check(f"the set-up ends well (exit code {code})", code == 0)
            if code:
                print(terminal.said[-4000:], file=sys.stderr)
            check(f"in {seconds:.0f} of {BUDGET_SECONDS} seconds", seconds < BUDGET_SECONDS)
            check("the wrong secret was explained", "AADSTS7000215" in terminal.said)
            check(f"the company {company_name.strip()} was offered", f"1  {company_name.strip()}" in terminal.said)
            check("no secret was shown", not any(text in terminal.said for text in [*secrets, "Wr0ng"]))
            written = [path for path in place.rglob("*") if path.is_file()]
            check("no secret is in a file", not any(text.encode() in path.read_bytes() for path in written for text in secrets))
            check("nothing is left of the way", not (place / "couplet.setup.toml").exists())
            mode = (place / "couplet.toml").stat().st_mode & 0o777
            check(f"couplet.toml is for its owner alone (mode {mode:o})", mode == 0o600)

            environment["COUPLET_ENTRA_CLIENT_SECRET"] = secret
            environment["COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET"] = erp_secret

            def answered(*arguments):
                ended = subprocess.run(
                    [PROGRAMS / "couplet", *arguments, "--json"], cwd=place, env=environment, capture_output=True, check=False
                )
                return json.loads(ended.stdout)

            check("couplet check finds everything good", answered("check")["good"])
            status = answered("full-sync", "status")
            check("the full synchronization has ended", status["finished"])
            failed = [line["mapping"] for line in status["lines"] if line["to_dataverse"]["failed"] + line["from_dataverse"]["failed"]]
            check(f"no record failed {failed or ''}", not failed)
            # Accounts get their primary contacts once those have travelled as well; after that nothing is left.
            answered("run", "CUSTOMER")
            again = answered("run", "CUSTOMER")
            check(f"nothing is left to write ({json.dumps(counted(again))})", not written_by(again))
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
                process.wait()

    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


def counted(run):
    """What became of the records of a run, by direction."""
    return {side: run["run"][side] for side in ("to_dataverse", "from_dataverse")}


def written_by(run):
    return sum(side.get(what, 0) for side in counted(run).values() for what in ("inserted", "modified", "failed"))


sys.exit(main())
