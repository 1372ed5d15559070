"""Both simulators, an installation between them with something of everything, and the console that is served beside its jobs."""

import json
import os
import re
import subprocess
import urllib.parse

from checks import expect, wait_until
from processes import Process, Simulator
from systems import BusinessCentral, Dataverse

# What customers depend on, and they themselves; the demonstration company has more.
JOBS = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "CUSTOMER", "VENDOR"]

SETTINGS = """\
company = "{company}"
data = "data"

[business_central]
url = "{bc_url}"
environment = "{environment}"
authority = "{bc_authority}"
tenant = "{bc_tenant}"
client_id = "{bc_client}"
client_secret = "{bc_secret}"

[dataverse]
url = "{dv_url}"
authority = "{dv_authority}"
tenant = "{dv_tenant}"
client_id = "{dv_client}"
client_secret = "{dv_secret}"

[cloud]
# One attempt, so that a dead letter is made at once.
max_receives = 1

[switches]
ownership = "person"
unit_groups = false
"""


def origin(address):
    """The beginning of an address: scheme, host and port."""
    parts = urllib.parse.urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class World:
    """Systems, installation and console."""

    def __init__(self, programs, folder):
        self.folder = folder
        self.couplet = programs / "couplet"
        self.processes = []
        business_central = self._start("business-central", programs, ["--demo", "--items", "12", "--customers", "16"])
        self.business_central = BusinessCentral(business_central.facts)
        company = ["--company-id", business_central.facts["company"]]
        dataverse = self._start("dataverse", programs, ["--demo", *company])
        self.dataverse = Dataverse(dataverse.facts)
        settings = folder / "couplet.toml"
        settings.write_text(self._settings())
        settings.chmod(0o600)
        self.entrance = None

    def _start(self, name, programs, arguments):
        simulator = Simulator(name, str(programs / f"{name}-simulator"), arguments, self.folder)
        self.processes.append(simulator)
        return simulator

    def _settings(self):
        bc, dv = self.business_central, self.dataverse
        return SETTINGS.format(
            company=bc.company,
            bc_url=bc.url,
            environment=bc.url.rsplit("/", 1)[-1],
            bc_authority=bc.authority,
            bc_tenant=bc.tenant,
            bc_client=bc.client,
            bc_secret=bc.secret,
            dv_url=dv.url,
            dv_authority=dv.authority,
            dv_tenant=dv.tenant,
            dv_client=dv.client,
            dv_secret=dv.secret,
        )

    def _environment(self):
        return {name: value for name, value in os.environ.items() if not name.startswith(("COUPLET_", "AWS_"))}

    def command(self, *arguments, codes=(0,)):
        """Calls the command; gives what it printed."""
        called = subprocess.run(
            [self.couplet, *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        expect(called.returncode in codes, f"couplet {arguments} ended with {called.returncode}: {called.stderr[-600:]}")
        return called.stdout

    def fill(self):
        """Synchronizes, and lets people do what leads to a conflict, a failure, a wait and a skipped record."""
        for job in JOBS:
            self.command("run", job, "--full")
        pairs = json.loads(self.command("couplings", "CUSTOMER", "--json"))["couplings"]
        self.accounts = {pair["key"]: pair["dataverse"] for pair in pairs}
        numbers = self.numbers = sorted(self.accounts)
        for number in numbers[:3]:
            self.change_customer(number, displayName=f"{number} as Finance calls it")
            self.change_account(number, name=f"{number} as Sales calls it")
        self.change_customer(numbers[0], phoneNumber="030 1111")
        self.change_account(numbers[0], telephone1="030 2222")
        self.command("skip", "CUSTOMER", "--bc", numbers[3])
        for number in numbers[4:7]:
            self.change_customer(number, displayName=f"{number} & Sons <Trade>")
        # Three conflicts and a refused record fail.
        self.dataverse.refuse("account", "Unwanted")
        self.change_customer(numbers[7], displayName="Unwanted in Sales")
        self.command("run", "CUSTOMER", codes=(0, 1))
        self.dataverse.refuse("account", None)

    def serve(self):
        """Starts the jobs and the console; gives the address that was printed."""
        self.entrance = self._console("couplet", "serve", "--console", "0")
        self.console = origin(self.entrance)
        return self.entrance

    def demonstrate(self):
        """Starts the demonstration with its console; gives the address that was printed."""
        return self._console("demonstration", "demo", "--console", "0")

    def _console(self, name, *arguments):
        process = Process(name, [str(self.couplet), *arguments], self.folder, self._environment())
        self.processes.append(process)

        def printed():
            process.expect_alive()
            return re.search(r"^console: (http\S+)", process.output(), re.MULTILINE)

        return wait_until(f"the console of {name} is served", printed, 45, every=0.1).group(1)

    def customer(self, number):
        """A customer by its number."""
        return next(row for row in self.business_central.rows("Customer") if row["number"] == number)

    def account(self, number):
        """The account of a customer."""
        return next(row for row in self.dataverse.rows("account") if row["accountid"] == self.accounts[number])

    def change_customer(self, number, **values):
        """Changes a customer as a person in Business Central."""
        self.business_central.change("Customer", self.customer(number)["id"], values)

    def change_account(self, number, **values):
        """Changes an account as a person in Sales."""
        self.dataverse.change("accounts", self.accounts[number], values)

    def stop(self):
        """Ends everything that was started, the last first."""
        for process in reversed(self.processes):
            process.stop()
