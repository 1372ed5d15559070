"""Steps: what the stack is for, at work by its timers and in large."""

import concurrent.futures

from checks import equal, expect, wait_until
from measurements import BATCH, BATCH_MEMORY_MB, PAGE, PAGE_MEMORY_MB
from telemetry import fields
from world import ACCOUNTS, CUSTOMERS, ITEMS, JOBS

# Milliseconds a read takes during the first load: each of its invocations is over after a few pages.
SLOW_READ = 300


def timers_synchronize_the_company(world):
    """The timers alone couple and synchronize everything."""

    def done():
        stored = world.stack.jobs()
        missing = {job for job in JOBS if not stored.get(job, {}).get("last_success")}
        reasons = {stored.get(job, {}).get("message", "")[:200] for job in missing}
        expect(not missing, f"no successful run of {sorted(missing)}: {reasons}")
        return world.agrees()

    world.business_central.slow_down(SLOW_READ)
    try:
        wait_until("the company is synchronized", done, 420, every=2)
    finally:
        world.business_central.slow_down(0)
    couplings = {mapping: len(pairs) for mapping, pairs in sorted(world.stack.couplings().items())}
    print(f"        coupled: {couplings}")
    expect(couplings["ITEM-PRODUCT"] >= ITEMS, "every item is coupled")
    expect(couplings["CUSTOMER"] >= CUSTOMERS + ACCOUNTS, "every customer and every account is coupled")


def the_first_load_took_several_invocations(world):
    """The first run that found the items was handed over by its timer's invocation, went on from the tasks queue,
    invocation by invocation, and ended well."""
    began = [line for line in fields(world.stack.log_lines("run-job")) if line.get("job") == "ITEM-PRODUCT"]
    first = next(line for line in began if line["message"] in ("run goes on", "run ended"))
    equal(first["message"], "run goes on", "what the timer's invocation said of the run")
    said = [
        line for line in fields(world.stack.log_lines("run-task"))
        if line.get("run") == first["run"] and line["message"] in ("run goes on", "run ended")
    ]  # fmt: skip
    # Lines bear their time to the microsecond: two that are equal are one that the emulator gave twice.
    went_on = list({line["timestamp"]: line for line in said}.values())
    expect(went_on, f"the run {first['run']} never went on")
    numbers = [line["invocation"] for line in went_on]
    equal(numbers, list(range(1, len(went_on) + 1)), "the invocations, in their order")
    *between, last = went_on
    equal({line["message"] for line in between} | {"run goes on"}, {"run goes on"}, "what those between said")
    equal((last["message"], last["outcome"], last["function"]), ("run ended", "done", "run-task"), "the last invocation")
    expect(last["enqueued"] >= ITEMS, f"the run found {last['enqueued']} of {ITEMS} items")
    expect(first["enqueued"] < last["enqueued"], "the first invocation had found everything")
    equal(world.stack.depth("TasksDeadLettersUrl"), {"waiting": 0, "under way": 0}, "tasks given up")
    print(f"        {last['enqueued']} records in {len(went_on) + 1} invocations, {first['enqueued']} in the first")


def timers_carry_changes_both_ways(world):
    """What people change on either side arrives on the other by itself, stock too."""
    # The deployment may have ended a full run under way, which the next one makes up for; there Business Central wins.
    wait_until("no full synchronization is owed", lambda: nothing_is_owed(world), 300, every=2)
    items = world.items_by_number()
    world.rename(items[:5], "Renamed")
    world.business_central.change("Item", items[5]["id"], {"unitPrice": 4321.5})
    world.business_central.move_stock(items[6]["number"], 777)
    customer, account = world.stack.couplings()["CUSTOMER"][0]
    world.dataverse.change("accounts", account, {"address1_city": "Kolding"})

    def done():
        rows = world.business_central.rows("Customer")
        city = next(row for row in rows if row["id"] == customer)["city"]
        equal(city, "Kolding", "the customer's city")
        stock = world.product_of(items[6])["quantityonhand"]
        expect(stock >= 777, f"the product's stock is {stock}")
        return world.agrees()

    wait_until("the changes arrive", done, 240, every=2)
    world.expect_names(items[:5], "Renamed")


def nothing_is_owed(world):
    """Every full synchronization that was begun has ended well."""
    owed = [job for job, stored in world.stack.jobs().items() if stored.get("full_since")]
    expect(not owed, f"owed by {owed}")
    return True


def two_runs_of_one_job(world):
    """Of two runs of one job at the same time one works, the other leaves."""
    wait_until("no job runs", world.nobody_runs, 60)
    world.business_central.slow_down(1500)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            answers = list(both.map(world.stack.run_job, ["ITEM-PRODUCT", "ITEM-PRODUCT"]))
    finally:
        world.business_central.slow_down(0)
    equal(sorted(answer["outcome"] for answer in answers), ["already_running", "done"], "the outcomes")
    equal(len({answer["run"] for answer in answers}), 1, "the run both name")


def a_full_batch(world):
    """A thousand records in one batch need little memory."""
    items = world.items_by_number()[:BATCH]
    world.enqueue(items, "In one batch")
    messages = world.stack.take_all("RecordsQueueUrl", len(items))
    seconds = world.measurements.batch(messages)
    print(f"        {len(items)} records took {seconds:.1f} s")
    wait_until("both systems agree", world.agrees, 30)
    world.stack.process_records(True)
    peak = world.measurements.memory["SyncRecord"]
    expect(peak < BATCH_MEMORY_MB, f"the batch needed {peak:.1f} MB, over {BATCH_MEMORY_MB} MB")


def a_full_page(world):
    """A run whose feed fills the largest page needs no more memory than the least a timer's function can have."""
    changed = world.another_company(PAGE)
    answer, seconds = world.measurements.page({"job": "CUSTOMER", "trigger": "manual"}, changed)
    equal((answer["outcome"], answer["enqueued"]), ("done", 0), "the run that reads, and couples nothing")
    judged = answer["judged"]["ignored"]
    expect(judged >= PAGE, f"only {judged} of {PAGE} customers were read")
    peak = world.measurements.memory["RunJob"]
    print(f"        {judged} records took {seconds:.1f} s and {peak:.0f} MB")
    expect(peak < PAGE_MEMORY_MB, f"the page needed {peak:.1f} MB, over {PAGE_MEMORY_MB} MB")
