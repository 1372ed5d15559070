"""Steps: what sellers submit in Sales becomes work in Business Central, and comes back, by the timers of the deployed stack."""

from decimal import Decimal

from checks import equal, expect, wait_until
from comparison import number

# Jobs that run where orders travel one way, and those that run where they travel both ways.
ONE_WAY = {
    "Auto Create Sales Orders", "SALESORDER-ORDER", "Sales Order Notes", "Sales Order Status", "Sales Shipment Status",
    "Sales Invoice Status", "Auto Process Sales Quotes",
}  # fmt: skip
BOTH_WAYS = {
    "Auto Create Sales Orders", "SALESORDER-ORDER", "Sales Order Notes", "Archived Sales Orders", "Auto Process Sales Quotes",
}  # fmt: skip
ORDERS = "Sales Header"
LINES = "Sales Line"
# States of an order of Sales.
ACTIVE, SUBMITTED, FULFILLED, INVOICED = 0, 1, 3, 4
# Quantity and price of the lines of an order, in their order.
SOLD = [(2, Decimal("100")), (3, Decimal("19.99"))]
# Seconds within which a timer that runs every minute has done its work, and what follows from it.
BY_TIMER = 240


def orders_travel_one_way(world):
    """An order and a quote that are submitted in Sales are made in Business Central by the timers, once and to the cent;
    what becomes of the order is told back, until it is over."""
    prepare(world)
    begin(world, ONE_WAY, SalesOrders="legacy")
    order, quote = submit(world, "salesorder"), submit(world, "quote")
    write_note(world, order, "Ring twice")
    wait_until("the timers make the order and the quote", lambda: taken_over(world, order) and quoted(world, quote), BY_TIMER, 2)
    wait_until("the timers of orders have run", lambda: have_run(world, ONE_WAY), BY_TIMER, 2)
    here = order_of(world, order)
    equal(agree(world, order, here), [], "what differs between the order and what became of it")
    arrives(world, "the note", "Sales Order Notes", lambda: notes(world, here["id"]) == ["Ring twice"])

    world.business_central.act(ORDERS, here["id"], "release")
    arrives(world, "a post of the release", "Sales Order Status", lambda: len(posts(world, order)) == 1)
    world.business_central.act(ORDERS, here["id"], "shipAndInvoice")
    jobs = ["Sales Shipment Status", "Sales Invoice Status"]
    arrives(world, "posts of shipment and invoice", jobs, lambda: len(posts(world, order)) == 3)
    arrives(world, "the end of the order", "SALESORDER-ORDER", lambda: state(world, order) == INVOICED)
    over(world, order, here)


def orders_travel_both_ways(world):
    """Once no order is alive the way of orders can be changed; then what sellers and Business Central change of a submitted
    order reaches the other side, and the archive ends it."""
    begin(world, BOTH_WAYS, SalesOrders="bidirectional")
    order = submit(world, "salesorder")
    wait_until("the timers make the order", lambda: numbered(world, order), BY_TIMER, 2)
    wait_until("the timers of orders have run", lambda: have_run(world, BOTH_WAYS), BY_TIMER, 2)
    here = order_of(world, order)
    equal(agree(world, order, here), [], "what differs between the order and what became of it")

    # A seller corrects a line and submits the order again.
    move(world, "salesorders", order, ACTIVE)
    world.dataverse.change("salesorderdetails", details(world, order)[0]["salesorderdetailid"], {"quantity": 5})
    move(world, "salesorders", order, SUBMITTED)
    arrives(world, "the corrected line", "SALESORDER-ORDER", lambda: quantities(lines(world, here["id"])) == [5, 3])

    # Somebody in Business Central changes the other line.
    world.business_central.act(ORDERS, here["id"], "reopen")
    world.business_central.change(LINES, lines(world, here["id"])[1]["id"], {"quantity": 4})
    world.business_central.act(ORDERS, here["id"], "release")
    arrives(world, "the changed line", "SALESORDER-ORDER", lambda: quantities(details(world, order)) == [5, 4])
    arrives(world, "agreement", "SALESORDER-ORDER", lambda: agree(world, order, order_of(world, order)) == [])
    equal(state(world, order), SUBMITTED, "the order's state")

    world.business_central.act(ORDERS, here["id"], "ship")
    arrives(world, "the shipment", "SALESORDER-ORDER", lambda: state(world, order) == FULFILLED)
    world.business_central.act(ORDERS, here["id"], "invoice")
    jobs = ["SALESORDER-ORDER", "Archived Sales Orders"]
    arrives(world, "the end of the order", jobs, lambda: state(world, order) == INVOICED)
    over(world, order, here)
    equal(len(details(world, order)), len(SOLD), "lines of the order in Sales")


def prepare(world):
    """Has Business Central keep the orders that are over."""
    setup = "Sales & Receivables Setup"
    (row,) = world.business_central.rows(setup) or [None]
    if row:
        world.business_central.change(setup, row["id"], {"archiveOrders": True})
    else:
        world.business_central.create(setup, {"archiveOrders": True})


def begin(world, jobs, **parameters):
    """Deploys with the timers on, and looks at the alarms of the jobs that run now."""
    world.deploy(Schedules="ENABLED", **parameters)
    alarms = world.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    watched = {dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"] if dimension["Name"] == "Job"}
    expect(jobs <= watched, f"jobs without an alarm: {jobs - watched}")


def have_run(world, jobs):
    """Every job had a run that ended well, started by its timer."""
    stored = world.stack.jobs()
    missing = {job: stored.get(job, {}).get("message") for job in jobs if not stored.get(job, {}).get("last_success")}
    expect(not missing, f"no successful run of {missing}")
    return True


def arrives(world, what, jobs, condition):
    """Runs jobs until something is there; a run may leave because its timer's run is under way."""

    def there():
        for job in [jobs] if isinstance(jobs, str) else jobs:
            world.stack.run_job(job)
        wait_until(what, condition, 8)
        return True

    wait_until(what, there, 120)


# -- What a seller does

def submit(world, table):
    """Enters an order or a quote with two lines, and submits or activates it; gives its id."""
    pairs = world.stack.couplings()
    _, account = pairs["CUSTOMER"][0]
    products = {item: product for item, product in pairs["ITEM-PRODUCT"]}
    rows = {row["productid"]: row for row in world.dataverse.rows("product")}
    items = world.items_by_number()[60 : 60 + len(SOLD)]
    values = {"name": "For the hall", "customerid_account@odata.bind": f"/accounts({account})"}
    document = world.dataverse.create(f"{table}s", f"{table}id", values)
    for place, (item, (quantity, price)) in enumerate(zip(items, SOLD, strict=True), 1):
        product = rows[products[item["id"]]]
        line = {
            f"{table}id@odata.bind": f"/{table}s({document})",
            "productid@odata.bind": f"/products({product['productid']})",
            "uomid@odata.bind": f"/uoms({product['_defaultuomid_value']})",
            "quantity": quantity, "ispriceoverridden": True, "priceperunit": float(price), "sequencenumber": place,
        }  # fmt: skip
        world.dataverse.create(f"{table}details", f"{table}detailid", line)
    move(world, f"{table}s", document, SUBMITTED)
    return document


def write_note(world, order, text):
    """Writes a note on an order."""
    note = {"objectid_salesorder@odata.bind": f"/salesorders({order})", "subject": "Delivery", "notetext": text}
    world.dataverse.create("annotations", "annotationid", note)


def move(world, entity_set, document, to):
    """Submits an order, activates a quote, or opens an order again."""
    status = {("salesorders", SUBMITTED): 3, ("quotes", SUBMITTED): 2}.get((entity_set, to), 1)
    world.dataverse.change(entity_set, document, {"statecode": to, "statuscode": status})


# -- What is there

def of_sales(world, table, document):
    """An order or a quote of Sales."""
    return next(row for row in world.dataverse.rows(table) if row[f"{table}id"] == document)


def state(world, order):
    """The state of an order of Sales."""
    return of_sales(world, "salesorder", order)["statecode"]


def named(world, table, reference):
    """The one document of Business Central that bears the number of one of Sales."""
    rows = [row for row in world.business_central.rows(table) if row["yourReference"] == reference]
    equal(len(rows), 1, f"documents of {table} that name {reference}")
    return rows[0]


def order_of(world, order):
    """The order of Business Central that an order of Sales became."""
    return named(world, ORDERS, of_sales(world, "salesorder", order)["ordernumber"])


def taken_over(world, order):
    """The order is made, and marked in Sales as taken over."""
    order_of(world, order)
    expect(of_sales(world, "salesorder", order).get("lastbackofficesubmit"), "the order is not marked")
    return True


def numbered(world, order):
    """The order is made, and Sales knows its number."""
    here = order_of(world, order)
    equal(of_sales(world, "salesorder", order).get("bcbi_businesscentralordernumber"), here["number"], "its number in Sales")
    return True


def quoted(world, quote):
    """The quote is made, with all its lines."""
    here = named(world, "Sales Header (Quote)", of_sales(world, "quote", quote)["quotenumber"])
    rows = [row for row in world.business_central.rows("Sales Line (Quote)") if row["documentId"] == here["id"]]
    equal(quantities(in_order(rows, "sequence")), [quantity for quantity, _ in SOLD], "the quote's lines")
    return True


def lines(world, order):
    """The lines of an order of Business Central, in their order."""
    rows = [row for row in world.business_central.rows(LINES) if row["documentId"] == order]
    return in_order(rows, "sequence")


def details(world, order):
    """The lines of an order of Sales, in their order."""
    rows = [row for row in world.dataverse.rows("salesorderdetail") if row["_salesorderid_value"] == order]
    return in_order(rows, "sequencenumber")


def in_order(rows, by):
    return sorted(rows, key=lambda row: row.get(by) or 0)


def quantities(rows):
    """The quantities of lines."""
    return [number(row["quantity"]) for row in rows]


def notes(world, order):
    """The notes on an order of Business Central."""
    return [row["text"] for row in world.business_central.rows("Record Link") if row["documentId"] == order]


def posts(world, order):
    """The posts on an order of Sales."""
    return [row["text"] for row in world.dataverse.rows("post") if row["_regardingobjectid_value"] == order]


def agree(world, order, here):
    """What differs between an order of Sales and the order of Business Central: lines, and sums to the cent."""
    there = of_sales(world, "salesorder", order)
    pairs = [
        ("sum before tax", here["totalAmountExcludingTax"], there["totalamountlessfreight"]),
        ("sum", here["totalAmountIncludingTax"], there["totalamount"]),
    ]
    ours, theirs = lines(world, here["id"]), details(world, order)
    pairs.append(("lines", len(ours), len(theirs)))
    for place, (our, their) in enumerate(zip(ours, theirs), 1):
        pairs += [
            (f"quantity of line {place}", our["quantity"], their["quantity"]),
            (f"price of line {place}", our["unitPrice"], their["priceperunit"]),
        ]
    return [f"{what} is {left} here and {right} there" for what, left, right in pairs if number(left) != number(right)]


def over(world, order, here):
    """The order is over: it left Business Central, nothing came twice, nothing failed, and nothing is under way."""
    rows = [row for row in world.business_central.rows(ORDERS) if row["id"] == here["id"]]
    equal(rows, [], "orders left in Business Central")
    invoices = [row for row in world.business_central.rows("Sales Invoice Header") if row.get("orderNumber") == here["number"]]
    equal(len(invoices), 1, "invoices of the order")
    equal(number(invoices[0]["totalAmountExcludingTax"]), number(here_sum(world, order)), "what was invoiced")
    world.deploy(Schedules="DISABLED")
    wait_until("what had started is done", lambda: world.nobody_runs() and world.is_quiet(), 90)
    # What was shipped is not in stock any more, which the steps that follow compare.
    world.couplet.ask("run", "Item Availability")
    wait_until("the stock has arrived", world.agrees, 60)
    errors = [error for job in ("SALESORDER-ORDER", "Sales Order Notes") for error in world.couplet.ask("errors", job)["errors"]]
    equal([error["message"] for error in errors], [], "errors of orders and notes")


def here_sum(world, order):
    """The sum of an order in Sales without freight and tax."""
    return of_sales(world, "salesorder", order)["totalamountlessfreight"]
