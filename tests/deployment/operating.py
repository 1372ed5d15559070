"""Steps: what an operator does from outside with `couplet`, and a secret that is rotated."""

from checks import equal, expect, now, wait_until
from world import ITEMS, JOBS

# A name that Dataverse is told to refuse.
REFUSED = "Unacceptable"


def the_operator_sees_jobs_and_couplings(world):
    """The command shows what is stored."""
    jobs = {job["name"]: job for job in world.couplet.ask("jobs")["jobs"]}
    expect(jobs.keys() >= JOBS, f"jobs that are not listed: {JOBS - jobs.keys()}")
    for name in JOBS:
        job = jobs[name]
        expect(job["ready"] and job["last_run"], f"{name} is not ready, or never ran: {job}")
        expect(job["state"] not in ("error", "in_process"), f"{name} is in the state {job['state']}: {job['message']}")
        expect(job["last_run"]["finished"], f"the last run of {name} did not end")
    listed = world.couplet.ask("couplings", "ITEM-PRODUCT", "--limit", "5")
    expect(listed["total"] >= ITEMS, f"{listed['total']} couplings of at least {ITEMS}")
    equal(len(listed["couplings"]), 5, "couplings listed")
    stored = set(world.stack.couplings()["ITEM-PRODUCT"])
    shown = {(coupling["business_central"], coupling["dataverse"]) for coupling in listed["couplings"]}
    expect(shown <= stored, f"couplings that are not there: {shown - stored}")


def the_operator_runs_a_job_and_finds_what_failed(world):
    """A run that was asked for is followed to its end; what it could not do is among the errors; its log can be read."""
    wait_until("no job runs", world.nobody_runs, 60)
    *good, bad = world.items_by_number()[50:53]
    began = now().isoformat()
    world.dataverse.refuse("product", REFUSED)
    world.rename(good, "Asked for")
    world.rename([bad], REFUSED)
    run = world.couplet.ask("run", "ITEM-PRODUCT", ends_with=1)["run"]
    counted = (run["enqueued"], run["processed"], run["counters"]["modified"], run["counters"]["failed"])
    equal(counted, (3, 3, 2, 1), "what the run found, processed, modified, and what failed")
    errors = [error for error in world.couplet.ask("errors", "ITEM-PRODUCT")["errors"] if error["run"] == run["id"]]
    equal([error["record"] for error in errors], [bad["id"]], "the records in its errors")
    expect(errors[0]["message"], "the error says nothing")

    lines = [entry for entry in world.couplet.lines("logs", "--run", run["id"], "--since", began)]
    equal({entry["function"] for entry in lines}, {"run-job", "sync-record"}, "the functions that tell of the run")
    messages = [entry["line"] for entry in lines if "message" in entry["line"]]
    (ended,) = [line for line in messages if line["message"] == "run ended"]
    equal((ended["run"], ended["enqueued"], ended["outcome"]), (run["id"], 3, "done"), "how the run ended")
    written = {line["record"] for line in messages if line["message"] == "record synchronized"}
    equal(written, {item["id"] for item in good}, "the records that were written")

    world.dataverse.refuse("product", None)
    world.rename([bad], "Asked for")
    run = world.couplet.ask("run", "ITEM-PRODUCT")["run"]
    equal((run["counters"]["modified"], run["counters"]["failed"]), (1, 0), "modified and failed once it is accepted")
    wait_until("both systems agree", world.agrees, 30)
    world.expect_names([*good, bad], "Asked for")


def the_operator_acts_on_chosen_records(world):
    """What is asked for with chosen records goes through the tasks queue and a run of its own, by number and by name."""
    item = world.items_by_number()[55]
    number, product = item["number"], world.product_of(item)

    def done(command, *arguments):
        counters = world.couplet.ask(command, "ITEM-PRODUCT", *arguments)["run"]["counters"]
        return {name: count for name, count in counters.items() if count}

    world.rename([item], "Chosen")
    equal(done("sync", "--bc", number, "--direction", "to-dataverse"), {"modified": 1}, "what was synchronized")
    world.expect_names([item], "Chosen")
    equal(done("skip", "--dataverse", f"Chosen {number}"), {"skipped": 1}, "what was skipped")
    world.rename([item], "Meanwhile")
    world.couplet.ask("run", "ITEM-PRODUCT")
    world.expect_names([item], "Chosen")
    equal(done("unskip", "--bc", number), {"modified": 1, "unchanged": 1}, "what was brought back")
    world.expect_names([item], "Meanwhile")
    equal(done("uncouple", "--bc", number), {"uncoupled": 1}, "what was uncoupled")
    expect(item["id"] not in dict(world.stack.couplings()["ITEM-PRODUCT"]), "the item is still coupled")
    done("couple", "--bc", number, "--dataverse", product["productid"])
    equal(world.product_of(item)["productid"], product["productid"], "the product the item is coupled to again")
    wait_until("both systems agree", world.agrees, 30)


def a_rotated_secret(world):
    """Functions that run go on when their secret is rotated, and say so."""
    world.stack.run_job("CUSTOMER")
    wait_until("nothing is under way", world.is_quiet, 60)
    rotated = f"rotated-{world.business_central.secret}"
    world.secrets.add(rotated)
    world.business_central.rotate_secret(rotated)
    world.stack.client("secretsmanager").put_secret_value(SecretId="business-central", SecretString=rotated)

    customer, account = world.stack.couplings()["CUSTOMER"][0]
    world.dataverse.change("accounts", account, {"address1_city": "Ribe"})
    equal(world.stack.run_job("CUSTOMER")["outcome"], "done", "the run after the rotation")
    wait_until("the change arrives", world.agrees, 60)
    city = next(row for row in world.business_central.rows("Customer") if row["id"] == customer)["city"]
    equal(city, "Ribe", "the customer's city")
    said = [line for line in world.stack.log_lines("run-job") if "which was changed: the new one is used" in line]
    equal(len(said), 1, "how often run-job took up the new secret")
