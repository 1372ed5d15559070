"""The deployment proof: the real template and the real packages on a local AWS, between both simulators.

`run` prepares everything and starts this. Every step says what it found; the last line counts them.
"""

import argparse
import concurrent.futures
import json
import shutil
import sys
import time
from pathlib import Path

from checks import Checks, Failed, equal, expect, wait_until
from comparison import Comparison
from measurements import BATCH, BATCH_MEMORY_MB, Measurements
from processes import Emulator, Simulator
from stack import BUILT, Stack
from systems import BusinessCentral, Dataverse

# Items that qualify; as many as one full batch has.
ITEMS = BATCH
CUSTOMERS = 40
# Accounts that Sales knows and Business Central does not.
ACCOUNTS = 5
JOBS = {"SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE", "CUSTOMER", "ITEM-PRODUCT", "RESOURCE-PRODUCT", "Item Availability"}
# Timers that run every minute, everything there is: what the first synchronization of a company needs.
FIRST = {"Schedules": "ENABLED", "Frequency": "rate(1 minute)", "SynchronizationMode": "full"}
# Received so often, a message that cannot be processed becomes a dead letter.
RECEIVES = 5
# Tables that a synchronized item writes to.
PRODUCT_TABLES = ["product", "productpricelevel"]


class Proof:
    """What the steps share."""

    def __init__(self, project, tools, folder, simulators, bare):
        self.project = project
        self.folder = folder
        self.emulator = Emulator(str(tools / "emulator" / "bin" / "ministack"), folder)
        self.processes = [self.emulator]
        arguments = ["--demo", "--items", str(ITEMS), "--customers", str(CUSTOMERS)]
        business_central = Simulator("business-central", str(simulators / "business-central-simulator"), arguments, folder)
        self.processes.append(business_central)
        self.business_central = BusinessCentral(business_central.facts)
        arguments = ["--demo", "--accounts", str(ACCOUNTS), "--company-id", self.business_central.company]
        dataverse = Simulator("dataverse", str(simulators / "dataverse-simulator"), arguments, folder)
        self.processes.append(dataverse)
        self.dataverse = Dataverse(dataverse.facts)
        self.stack = Stack(str(tools / "venv" / "bin" / "sam"), project, self.emulator.url)
        self.comparison = Comparison(project, self.business_central, self.dataverse)
        secrets = {
            "COUPLET_ENTRA_CLIENT_SECRET": self.dataverse.secret,
            "COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET": self.business_central.secret,
        }
        self.measurements = Measurements(self.stack, (project / BUILT).parent, bare, folder, secrets)
        self.parameters = {}

    def stop(self):
        """Ends all programs."""
        for process in reversed(self.processes):
            process.stop()

    # -- Deploying

    def deploy(self, **changes):
        """Deploys with these parameters changed, the others as they were."""
        self.parameters.update(changes)
        started = time.monotonic()
        printed = self.stack.deploy(self.parameters)
        print(f"        sam deploy took {time.monotonic() - started:.1f} s")
        return printed

    def first_deployment(self):
        """One secret the stack keeps, one that somebody else put into Secrets Manager."""
        secret = self.stack.client("secretsmanager").create_secret(
            Name="business-central", SecretString=self.business_central.secret
        )
        self.deploy(
            CompanyId=self.business_central.company,
            BusinessCentralUrl=self.business_central.url,
            BusinessCentralTenant=self.business_central.tenant,
            BusinessCentralClientId=self.business_central.client,
            BusinessCentralClientSecretArn=secret["ARN"],
            BusinessCentralAuthority=self.business_central.authority,
            DataverseUrl=self.dataverse.url,
            EntraTenant=self.dataverse.tenant,
            EntraClientId=self.dataverse.client,
            ClientSecret=self.dataverse.secret,
            EntraAuthority=self.dataverse.authority,
            Ownership="person",
            BatchingWindowSeconds=1,
            FirstRetrySeconds=1,
            RecordsTimeout=60,
            LeaseMinutes=2,
            AlarmEmail="operations@example.com",
            **FIRST,
        )

    # -- What must hold

    def is_quiet(self):
        """Nothing is in any queue."""
        for output in ("RecordsQueueUrl", "RecordsDeadLettersUrl", "SchedulesDeadLettersUrl"):
            self.stack.expect_depth(output, 0)
        return True

    def agrees(self):
        """Both systems agree, pair by pair, and nothing is left to do."""
        self.is_quiet()
        problems = self.comparison.mismatches(self.stack.couplings())
        expect(not problems, f"{len(problems)} mismatches, such as {problems[:3]}")
        return True

    def items_by_number(self):
        """The items that are not blocked, in the order of their numbers."""
        rows = [row for row in self.business_central.rows("Item") if not row["blocked"]]
        return sorted(rows, key=lambda row: row["number"])

    def product_of(self, item):
        """The product an item is coupled to."""
        product = dict(self.stack.couplings()["ITEM-PRODUCT"])[item["id"]]
        return next(row for row in self.dataverse.rows("product") if row["productid"] == product)

    def rename(self, items, text):
        """Renames items as a person in Business Central."""
        for item in items:
            self.business_central.change("Item", item["id"], {"displayName": f"{text} {item['number']}"})

    def enqueue(self, items, text):
        """Renames items and lets the job put them into the queue, which is held."""
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

    # -- The steps

    def timers_synchronize_the_company(self):
        """The timers alone couple and synchronize everything."""

        def done():
            stored = self.stack.jobs()
            missing = {job for job in JOBS if not stored.get(job, {}).get("last_success")}
            reasons = {stored.get(job, {}).get("message", "")[:200] for job in missing}
            expect(not missing, f"no successful run of {sorted(missing)}: {reasons}")
            return self.agrees()

        wait_until("the company is synchronized", done, 300, every=2)
        couplings = {mapping: len(pairs) for mapping, pairs in sorted(self.stack.couplings().items())}
        print(f"        coupled: {couplings}")
        expect(couplings["ITEM-PRODUCT"] >= ITEMS, "every item is coupled")
        expect(couplings["CUSTOMER"] >= CUSTOMERS + ACCOUNTS, "every customer and every account is coupled")

    def a_second_deployment_updates_in_place(self):
        """A changed parameter changes the functions and the timers, and nothing that is remembered."""
        before, outputs = self.stack.couplings(), dict(self.stack.outputs)
        self.deploy(SynchronizationMode="modified", LogLevel="info,couplet_engine=debug")
        equal(self.stack.outputs, outputs, "the outputs")
        equal(self.stack.couplings(), before, "the couplings")
        configuration = self.stack.functions.get_function_configuration(FunctionName=outputs["RunJobFunction"])
        equal(configuration["Environment"]["Variables"]["COUPLET_LOG"], "info,couplet_engine=debug", "the log level")
        schedule = self.stack.client("scheduler").get_schedule(GroupName="couplet", Name="ItemProduct")
        equal(json.loads(schedule["Target"]["Input"])["mode"], "modified", "the timer's mode")

    def timers_carry_changes_both_ways(self):
        """What people change on either side arrives on the other by itself, stock too."""
        items = self.items_by_number()
        self.rename(items[:5], "Renamed")
        self.business_central.change("Item", items[5]["id"], {"unitPrice": 4321.5})
        self.business_central.move_stock(items[6]["number"], 777)
        customer, account = self.stack.couplings()["CUSTOMER"][0]
        self.dataverse.change("accounts", account, {"address1_city": "Kolding"})

        def done():
            rows = self.business_central.rows("Customer")
            city = next(row for row in rows if row["id"] == customer)["city"]
            equal(city, "Kolding", "the customer's city")
            stock = self.product_of(items[6])["quantityonhand"]
            expect(stock >= 777, f"the product's stock is {stock}")
            return self.agrees()

        wait_until("the changes arrive", done, 240, every=2)
        equal(self.product_of(items[0])["name"], f"Renamed {items[0]['number']}", "the product's name")

    def timers_can_be_switched_off(self):
        """One parameter stops all timers."""
        self.deploy(Schedules="DISABLED")
        scheduler = self.stack.client("scheduler")
        listed = scheduler.list_schedules(GroupName="couplet", MaxResults=100)["Schedules"]
        equal(len(listed), 27, "timers")
        equal({schedule["State"] for schedule in listed}, {"DISABLED"}, "their states")
        wait_until("what had started is done", self.is_quiet, 60)

    def two_runs_of_one_job(self):
        """Of two runs of one job at the same time one works, the other leaves."""

        def nobody_runs():
            running = [job for job, stored in self.stack.jobs().items() if stored.get("state") == "in_process"]
            expect(not running, f"still running: {running}")
            return True

        wait_until("no job runs", nobody_runs, 60)
        self.business_central.slow_down(1500)
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as both:
                answers = list(both.map(self.stack.run_job, ["ITEM-PRODUCT", "ITEM-PRODUCT"]))
        finally:
            self.business_central.slow_down(0)
        equal(sorted(answer["outcome"] for answer in answers), ["already_running", "done"], "the outcomes")
        equal(len({answer["run"] for answer in answers}), 1, "the run both name")

    def a_poison_message(self):
        """A message that cannot be read becomes a dead letter; its batch is synchronized."""
        items = self.items_by_number()[10:13]
        self.enqueue(items, "Beside poison")
        self.stack.send("RecordsQueueUrl", ["this is no message"])
        self.stack.process_records(True)

        def others_are_done():
            for item in items:
                equal(self.product_of(item)["name"], f"Beside poison {item['number']}", "the product's name")
            return True

        wait_until("the others are synchronized", others_are_done, 60)
        wait_until("the poison is a dead letter", lambda: self.stack.expect_depth("RecordsDeadLettersUrl", 1), 120)
        self.stack.expect_depth("RecordsQueueUrl", 0)
        (letter,) = self.stack.take_all("RecordsDeadLettersUrl", 1)
        equal(letter["Body"], "this is no message", "the dead letter")

    def an_outage_and_its_replay(self):
        """What Dataverse could not take lies among the dead letters, comes home once it is back, and comes home once."""
        items = self.items_by_number()[20:32]
        self.enqueue(items, "Through an outage")
        self.dataverse.outage(True)
        try:
            self.stack.process_records(True)
            wait_until(
                "all are dead letters", lambda: self.stack.expect_depth("RecordsDeadLettersUrl", len(items)), 180
            )
            self.stack.expect_depth("RecordsQueueUrl", 0)
        finally:
            self.dataverse.outage(False)
        names = {self.product_of(item)["name"] for item in items}
        expect(not any(name.startswith("Through") for name in names), "Dataverse took something while it was down")

        # As a redrive does, which the emulator does not know: out of one queue and into the other.
        letters = self.stack.take_all("RecordsDeadLettersUrl", len(items))
        bodies = [letter["Body"] for letter in letters]
        rows = {table: len(self.dataverse.rows(table)) for table in PRODUCT_TABLES}
        self.stack.send("RecordsQueueUrl", bodies)
        wait_until("the replay is home", self.agrees, 90, every=1)
        for item in items:
            equal(self.product_of(item)["name"], f"Through an outage {item['number']}", "the product's name")
        equal({table: len(self.dataverse.rows(table)) for table in PRODUCT_TABLES}, rows, "rows after the replay")

        versions = self.dataverse.versions(PRODUCT_TABLES)
        stamps = {row["id"]: row["lastModifiedDateTime"] for row in self.business_central.rows("Item")}
        self.stack.send("RecordsQueueUrl", bodies)
        wait_until("the second replay is done", self.is_quiet, 60)
        equal(self.dataverse.versions(PRODUCT_TABLES), versions, "Dataverse after the second replay")
        after = {row["id"]: row["lastModifiedDateTime"] for row in self.business_central.rows("Item")}
        equal(after, stamps, "Business Central after the second replay")

    def a_full_batch(self):
        """A thousand records in one batch need little memory."""
        items = self.items_by_number()[:BATCH]
        self.enqueue(items, "In one batch")
        messages = self.stack.take_all("RecordsQueueUrl", len(items))
        seconds = self.measurements.batch(messages)
        print(f"        {len(items)} records took {seconds:.1f} s")
        wait_until("both systems agree", self.agrees, 30)
        self.stack.process_records(True)
        peak = self.measurements.memory["SyncRecord"]
        expect(peak < BATCH_MEMORY_MB, f"the batch needed {peak:.1f} MB, over {BATCH_MEMORY_MB} MB")

    def what_the_functions_logged(self):
        """Every function has written to its own log group, and nothing was refused to it."""
        logs = self.stack.client("logs")
        refused = []
        for function in ("run-job", "refresh-availability", "sync-record"):
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/couplet/couplet/{function}")
            lines = [event["message"] for page in pages for event in page["events"]]
            expect(any('"level":"INFO"' in line for line in lines), f"{function} logged nothing")
            refused += [line for line in lines if "AccessDenied" in line or "not authorized" in line]
            for secret in (self.dataverse.secret, self.business_central.secret):
                expect(not any(secret in line for line in lines), f"{function} logged a secret")
        expect(not refused, f"the policies refuse something: {refused[:3]}")

    def the_alarms(self):
        """Everything that has to be seen has an alarm that tells somebody."""
        alarms = self.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
        names = {alarm["AlarmName"].removeprefix("couplet-") for alarm in alarms}
        functions = ("run-job", "refresh-availability", "sync-record")
        wanted = {f"{queue}-dead-letters" for queue in ("records", "tasks", "schedules")} | {"records-age", "tasks-age"}
        wanted |= {f"{function}-{what}" for function in functions for what in ("errors", "throttles")}
        wanted |= {f"no-successful-run-{job.lower().replace(' ', '-')}" for job in JOBS}
        equal(names, wanted, "the alarms")
        silent = [alarm["AlarmName"] for alarm in alarms if alarm["AlarmActions"] != [self.stack.outputs["AlarmTopic"]]]
        expect(not silent, f"alarms without anybody to tell: {silent}")

    def deleting_the_stack_keeps_the_table(self):
        """The stack goes, what Couplet remembers stays, and the events say so."""
        table, before = self.stack.outputs["TableName"], self.stack.couplings()
        described = self.stack.cloudformation.describe_stacks(StackName="couplet")["Stacks"][0]
        self.stack.delete()
        events = self.stack.cloudformation.describe_stack_events(StackName=described["StackId"])["StackEvents"]
        kept = {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "DELETE_SKIPPED"}
        equal(kept, {"Table"}, "what the events say was kept")
        equal(self.stack.couplings(), before, "the couplings")
        functions = [function["FunctionName"] for function in self.stack.functions.list_functions()["Functions"]]
        equal(functions, [], "functions left")
        return table

    def a_new_stack_goes_on_with_the_table(self, table):
        """A stack on the table that was left goes on where the old one ended."""
        self.deploy(ExistingTableName=table, Schedules="DISABLED")
        equal(self.stack.outputs["TableName"], table, "the table")
        item = self.items_by_number()[40]
        self.enqueue([item], "After the move")
        self.stack.process_records(True)
        wait_until("the change arrives", self.agrees, 60)
        equal(self.product_of(item)["name"], f"After the move {item['number']}", "the product's name")


def main():
    """Runs all steps; the exit code is 0 when all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--simulators", type=Path, required=True)
    parser.add_argument("--bare", type=Path, required=True)
    parser.add_argument("--passed", type=int, default=0, help="steps that have passed before")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)

    checks = Checks(arguments.passed)
    proof = None
    try:
        proof = Proof(arguments.project, arguments.tools, arguments.folder, arguments.simulators, str(arguments.bare))
        if not checks.step("the stack deploys", proof.first_deployment):
            raise Failed("nothing is deployed")
        checks.step("timers couple and synchronize the company by themselves", proof.timers_synchronize_the_company)
        checks.step("a second deployment updates in place and loses nothing", proof.a_second_deployment_updates_in_place)
        checks.step("timers carry changes both ways, and stock", proof.timers_carry_changes_both_ways)
        checks.step("the alarms are there and tell somebody", proof.the_alarms)
        checks.step("timers can be switched off", proof.timers_can_be_switched_off)
        checks.step("of two overlapping runs one works and one leaves", proof.two_runs_of_one_job)
        checks.step("a poison message does not take its batch along", proof.a_poison_message)
        checks.step("an outage loses nothing, and a replay brings it home exactly once", proof.an_outage_and_its_replay)
        checks.step("a batch of a thousand records stays within its memory", proof.a_full_batch)
        checks.step("packages are small", proof.measurements.package_sizes)
        checks.step("packages run on Lambda's C library", proof.measurements.c_library)
        checks.step("functions start quickly", proof.measurements.start_times)
        checks.step("policies allow what is needed, and logs hold no secret", proof.what_the_functions_logged)
        table = checks.step("deleting the stack keeps the table", proof.deleting_the_stack_keeps_the_table)
        if table:
            checks.step("a new stack goes on with the table", proof.a_new_stack_goes_on_with_the_table, table)
        print()
        proof.measurements.report()
    except Failed as error:
        checks.failed += 1
        print(f"FAILED  {error}")
    finally:
        if proof:
            proof.stop()
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
