"""What the steps share: the programs, the stack between both systems, and what a person would look at and do there."""

import json
import time

from checks import Failed, equal, expect
from command import Command
from comparison import Comparison
from measurements import BATCH, Measurements
from processes import Emulator, Simulator
from stack import BUILT, Stack
from systems import BusinessCentral, Dataverse

# Items that qualify; as many as one full batch has.
ITEMS = BATCH
CUSTOMERS = 40
# Accounts that Sales knows and Business Central does not.
ACCOUNTS = 5
JOBS = {
    "SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "UNIT GROUP", "ITEM UOM", "RESOURCE UOM",
    "CUSTOMER", "VENDOR", "CONTACT", "ITEM-PRODUCT", "RESOURCE-PRODUCT", "PLHEADER-PRICE",
    "PLLINE-PRODPRICE", "POSTEDSALESINV-INV", "Customer Statistics", "Item Availability",
}  # fmt: skip
# Tables that a synchronized item writes to.
PRODUCT_TABLES = ["product", "productpricelevel"]


class World:
    """Everything there is, while the proof lasts."""

    def __init__(self, project, tools, folder, programs, bare):
        self.emulator = Emulator(str(tools / "emulator" / "bin" / "python"), folder)
        self.processes = [self.emulator]
        arguments = ["--demo", "--items", str(ITEMS), "--customers", str(CUSTOMERS)]
        business_central = Simulator("business-central", str(programs / "business-central-simulator"), arguments, folder)
        self.processes.append(business_central)
        self.business_central = BusinessCentral(business_central.facts)
        arguments = ["--demo", "--accounts", str(ACCOUNTS), "--company-id", self.business_central.company]
        dataverse = Simulator("dataverse", str(programs / "dataverse-simulator"), arguments, folder)
        self.processes.append(dataverse)
        self.dataverse = Dataverse(dataverse.facts)
        self.secrets = {self.business_central.secret, self.dataverse.secret}
        self.start_business_central = lambda name, *arguments: Simulator(
            name, str(programs / "business-central-simulator"), ["--demo", *arguments], folder
        )
        self.stack = Stack(str(tools / "venv" / "bin" / "sam"), project, self.emulator.url)
        self.couplet = Command(str(programs / "couplet"), self.stack.environment)
        self.comparison = Comparison(project, self.business_central, self.dataverse)
        self.measurements = Measurements(self.stack, (project / BUILT).parent, bare, folder)
        self.parameters = {}

    def stop(self):
        """Ends all programs."""
        for process in reversed(self.processes):
            process.stop()

    def deploy(self, **changes):
        """Deploys with these parameters changed, the others as they were."""
        self.parameters.update(changes)
        started = time.monotonic()
        printed = self.stack.deploy(self.parameters)
        print(f"        sam deploy took {time.monotonic() - started:.1f} s")
        return printed

    def another_company(self, customers):
        """A company of its own with so many customers and a table of its own; gives the variables that lead there."""
        started = self.start_business_central("large-business-central", "--items", "1", "--customers", str(customers))
        self.processes.append(started)
        large = BusinessCentral(started.facts)
        self.secrets.add(large.secret)
        secret = self.stack.client("secretsmanager").create_secret(Name="large", SecretString=large.secret)
        keys = [("pk", "HASH"), ("sk", "RANGE")]
        self.stack.dynamodb.create_table(
            TableName="large",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        )
        return {
            "COUPLET_COMPANY": large.company,
            "COUPLET_BUSINESS_CENTRAL_URL": large.url,
            "COUPLET_BUSINESS_CENTRAL_TENANT": large.tenant,
            "COUPLET_BUSINESS_CENTRAL_CLIENT_ID": large.client,
            "COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET_ARN": secret["ARN"],
            "COUPLET_BUSINESS_CENTRAL_AUTHORITY": large.authority,
            "COUPLET_CLOUD_TABLE": "large",
        }

    # -- What must hold

    def is_quiet(self):
        """Nothing is in any queue."""
        for queue in ("RecordsQueue", "RecordsDeadLetters", "TasksQueue", "TasksDeadLetters", "SchedulesDeadLetters"):
            self.stack.expect_depth(f"{queue}Url", 0)
        return True

    def agrees(self):
        """Both systems agree, pair by pair, and nothing is left to do."""
        self.is_quiet()
        problems = self.comparison.mismatches(self.stack.couplings())
        expect(not problems, f"{len(problems)} mismatches, such as {problems[:3]}")
        return True

    def nobody_runs(self):
        """No job is under way."""
        running = [job for job, stored in self.stack.jobs().items() if stored.get("state") == "in_process"]
        expect(not running, f"still running: {running}")
        return True

    # -- What a person does and sees

    def items_by_number(self):
        """The items that are not blocked, in the order of their numbers."""
        rows = [row for row in self.business_central.rows("Item") if not row["blocked"]]
        return sorted(rows, key=lambda row: row["number"])

    def product_of(self, item):
        """The product an item is coupled to."""
        product = dict(self.stack.couplings()["ITEM-PRODUCT"])[item["id"]]
        return next(row for row in self.dataverse.rows("product") if row["productid"] == product)

    def expect_names(self, items, text):
        """Fails unless the products have the names that `rename` gave to their items."""
        products = dict(self.stack.couplings()["ITEM-PRODUCT"])
        names = {row["productid"]: row["name"] for row in self.dataverse.rows("product")}
        for item in items:
            equal(names[products[item["id"]]], f"{text} {item['number']}", "the product's name")
        return True

    def rename(self, items, text):
        """Renames items as a person in Business Central."""
        for item in items:
            self.business_central.change("Item", item["id"], {"displayName": f"{text} {item['number']}"})

    def enqueue(self, items, text):
        """Renames items and lets the job put them into the queue, which is held; gives the run."""
        self.stack.process_records(False)
        self.rename(items, text)
        answer = self.stack.run_job("ITEM-PRODUCT")
        equal(answer["outcome"], "done", "the run")
        if answer["enqueued"] != len(items):
            messages = self.stack.take_all("RecordsQueueUrl", answer["enqueued"])
            bodies = [json.loads(message["Body"]) for message in messages]
            found = [(body["direction"], body["record"]) for body in bodies if body["record"] not in {i["id"] for i in items}]
            raise Failed(f"{answer['enqueued']} records were enqueued instead of {len(items)}, beside them {found[:5]}")
        self.stack.expect_depth("RecordsQueueUrl", len(items))
        return answer["run"]

    def rows(self):
        """How many rows there are in the tables a synchronized item writes to."""
        return {table: len(self.dataverse.rows(table)) for table in PRODUCT_TABLES}

    def versions(self):
        """Versions of everything a synchronized item may write to, on both sides."""
        return self.dataverse.versions(PRODUCT_TABLES), self.business_central.stamps()
