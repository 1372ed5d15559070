"""Proves the Business Central simulator with bc-cli from PyPI, unchanged.

The client's address is fixed to api.businesscentral.dynamics.com, its tokens come from login.microsoftonline.com through
MSAL. Both names are resolved to the simulator, over HTTPS.
"""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from checks import Proof, equal, given
from redirect import to_loopback
from simulator import simulate

SERVICE = urlsplit(given("BUSINESS_CENTRAL_URL"))
ORIGIN = f"{SERVICE.scheme}://{SERVICE.netloc}"
to_loopback({"api.businesscentral.dynamics.com": SERVICE.port, "login.microsoftonline.com": SERVICE.port})

from bcli import (
    AsyncBCClient,
    AuthError,
    BCLIError,
    NotFoundError,
    Query,
    SafetyError,
    ThrottledError,
    ValidationError,
)
from bcli.auth import _token_cache
from bcli.registry._importers import import_from_metadata
from typer.testing import CliRunner

COMPANY = given("BUSINESS_CENTRAL_COMPANY")
COMPANION = {"publisher": "couplet", "group": "sync", "version": "v1.0"}

check = Proof("bc-cli")


def connect(secret=None):
    return AsyncBCClient(
        tenant_id=given("BUSINESS_CENTRAL_TENANT"),
        client_id=given("BUSINESS_CENTRAL_CLIENT"),
        client_secret=secret or given("BUSINESS_CENTRAL_SECRET"),
        environment="Production",
        company_id=COMPANY,
    )


async def refused(kind, work):
    try:
        value = await work
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {value!r}")


async def made(client, entity_set, **values):
    return await client.post(entity_set, values)


@check
async def a_token_is_got_through_the_identity_library_and_companies_are_listed():
    async with connect() as client:
        assert await client.test_connection()
        equal([company["id"] for company in await client.list_companies()], [COMPANY])


@check
async def a_wrong_secret_is_refused_with_the_message_of_the_identity_platform():
    _token_cache.TokenCache().clear(given("BUSINESS_CENTRAL_TENANT"), given("BUSINESS_CENTRAL_CLIENT"))
    async with connect("wrong") as client:
        error = await refused(AuthError, client.list_companies())
        assert "AADSTS7000215" in str(error), error


@check
async def records_are_filtered_ordered_projected_and_counted():
    async with connect() as client:
        answer = await client.get(
            "items",
            query=Query().filter("blocked eq false").filter("unitPrice gt 0").select("number", "unitPrice").orderby("unitPrice desc").top(5).count(),
        )
        equal(len(answer), 5)
        assert answer.count > 5
        prices = [item["unitPrice"] for item in answer]
        equal(prices, sorted(prices, reverse=True))
        equal(set(answer[0]) - {"@odata.etag"}, {"number", "unitPrice"})
        found = await client.get("items", query=Query().filter(f"startswith(number,'{answer[0]['number'][:3]}') and number ge '1000'"))
        assert answer[0]["number"] in [item["number"] for item in found]
        second = await client.get("items", query=Query().orderby("number").top(3).skip(2).select("number"))
        first = await client.get("items", query=Query().orderby("number").top(3).select("number"))
        equal(first[2]["number"], second[0]["number"])


@check
async def next_links_are_followed_to_the_last_page():
    async with connect() as client:
        transport = client._ensure_transport()
        transport._client.headers["Prefer"] = "odata.maxpagesize=7"
        url = client._resolve_url("items")
        from bcli.odata._pagination import PageIterator

        pages = [page async for page in PageIterator(transport, url, {"$select": "number,id", "$filter": "type eq 'Inventory'"})]
        assert len(pages) > 10, len(pages)
        equal({len(page) for page in pages[:-1]}, {7})
        ids = [item["id"] for page in pages for item in page]
        equal(len(ids), len(set(ids)))
        del transport._client.headers["Prefer"]
        equal(len(ids), (await client.get("items", query=Query().filter("type eq 'Inventory'").top(1).count())).count)


@check
async def a_record_is_created_read_changed_and_deleted():
    async with connect() as client:
        customer = await made(client, "customers", displayName="Trey Research", city="Atlanta", currencyCode="EUR")
        assert customer["number"], "the number series gives a number"
        equal((customer["displayName"], customer["currencyCode"]), ("Trey Research", "EUR"))
        key = customer["id"]
        read = await client.get("customers", key)
        equal(read.raw["@odata.etag"], customer["@odata.etag"])
        changed = await client.patch("customers", key, {"city": "Boston"}, etag=customer["@odata.etag"])
        equal(changed["city"], "Boston")
        assert changed["@odata.etag"] != customer["@odata.etag"]
        assert changed["lastModifiedDateTime"] >= customer["lastModifiedDateTime"]
        stale = await refused(BCLIError, client.patch("customers", key, {"city": "Chicago"}, etag=customer["@odata.etag"]))
        equal(stale.status_code, 409)
        assert "Another user has" in stale.bc_message, stale.bc_message
        await client.patch("customers", key, {"city": "Chicago"})
        equal((await client.get("customers", key)).raw["city"], "Chicago")
        await client.delete("customers", key)
        equal((await refused(NotFoundError, client.get("customers", key))).status_code, 404)


@check
async def a_record_takes_no_id_from_the_caller():
    async with connect() as client:
        key = "7c1f4b6e-2d3a-4f5b-9c8d-0e1f2a3b4c5d"
        answer = await refused(BCLIError, made(client, "vendors", id=key, displayName="Proseware"))
        equal(answer.status_code, 400)
        assert "read-only" in str(answer), answer
        equal((await refused(NotFoundError, client.get("vendors", key))).status_code, 404)


@check
async def changes_since_a_moment_are_found_by_the_modification_time():
    async with connect() as client:
        first = await made(client, "items", displayName="First")
        second = await made(client, "items", displayName="Second")

        async def since(comparison, moment):
            found = await client.get("items", query=Query().filter(f"lastModifiedDateTime {comparison} {moment}").orderby("lastModifiedDateTime"))
            return [row["id"] for row in found]

        equal(set(await since("ge", first["lastModifiedDateTime"])), {first["id"], second["id"]})
        equal(await since("gt", second["lastModifiedDateTime"]), [])
        for record in (first, second):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", record["lastModifiedDateTime"]), record["lastModifiedDateTime"]


@check
async def an_order_with_lines_is_created_at_once_read_with_its_lines_and_posted_by_an_action():
    async with connect() as client:
        customer = await made(client, "customers", displayName="Order Here")
        item = await made(client, "items", displayName="Ordered", baseUnitOfMeasureCode="PCS", unitPrice=12.5)
        order = await client.post(
            "salesOrders",
            {
                "customerId": customer["id"],
                "salesOrderLines": [{"lineType": "Item", "itemId": item["id"], "quantity": 4}],
            },
        )
        read = await client.get("salesOrders", order["id"], query=Query().expand("salesOrderLines", "customer"))
        lines = read.raw["salesOrderLines"]
        equal([(line["lineObjectNumber"], line["quantity"], line["unitPrice"]) for line in lines], [(item["number"], 4, 12.5)])
        equal(read.raw["customer"]["displayName"], "Order Here")
        equal(read.raw["totalAmountExcludingTax"], 50)
        await client.patch("salesOrderLines", lines[0]["id"], {"quantity": 6}, etag=lines[0]["@odata.etag"])
        equal((await client.get("salesOrders", order["id"])).raw["totalAmountExcludingTax"], 75)
        await client.post(f"salesOrders({order['id']})/Microsoft.NAV.shipAndInvoice", {})
        invoices = await client.get("salesInvoices", query=Query().filter(f"orderNumber eq '{order['number']}'").expand("salesInvoiceLines"))
        equal([invoice["totalAmountExcludingTax"] for invoice in invoices], [75])
        equal((await refused(NotFoundError, client.get("salesOrders", order["id"]))).status_code, 404)
        unknown = await refused(BCLIError, client.post(f"salesInvoices({invoices[0]['id']})/Microsoft.NAV.paint", {}))
        equal(unknown.status_code, 501)


@check
async def the_companion_app_is_discovered_from_its_metadata_and_shows_the_same_records():
    async with connect() as client:
        endpoints = await import_from_metadata(client._ensure_transport(), "Production", *COMPANION.values())
        sets = {endpoint.entity_set_name: endpoint for endpoint in endpoints}
        assert {"items", "customers"} <= set(sets), sorted(sets)
        assert "number" in sets["items"].field_names or "no" in sets["items"].field_names, sets["items"].field_names
        standard = await client.get("items", query=Query().orderby("number").top(3))
        for item in standard:
            other = await client.get("items", item["id"], **COMPANION)
            equal(other.raw["lastModifiedDateTime"], item["lastModifiedDateTime"])
        changed = await client.patch("items", standard[0]["id"], {"blocked": True}, **COMPANION)
        assert changed["lastModifiedDateTime"] >= standard[0]["lastModifiedDateTime"]
        equal((await client.get("items", standard[0]["id"])).raw["blocked"], True)
        await client.patch("items", standard[0]["id"], {"blocked": False}, **COMPANION)


@check
async def refusals_carry_the_status_and_the_words_of_the_service():
    async with connect() as client:
        unknown = await refused(ValidationError, client.get("items", query=Query().filter("nosuchfield eq 1")))
        assert "Could not find a property named 'nosuchfield' on type 'Microsoft.NAV.item'" in unknown.bc_message, unknown.bc_message
        assert "bcli endpoint fields items" in str(unknown), "the client knows the service by these words"
        assert "CorrelationId:" in unknown.bc_message
        too_long = await refused(ValidationError, made(client, "items", displayName="x" * 101))
        assert "100" in too_long.bc_message, too_long.bc_message
        equal((await refused(ValidationError, made(client, "customers", displayName="No such terms", currencyCode="NOSUCH"))).status_code, 400)
        distinct = await refused(BCLIError, client.get("items", query=Query().filter("number eq 'A' or displayName eq 'B'")))
        equal(distinct.status_code, 501)
        assert "The 'OR' operator is not supported on distinct fields" in distinct.bc_message, distinct.bc_message
        equal((await refused(ValidationError, made(client, "items", nosuchfield=1))).status_code, 400)
        without = await client._ensure_transport()._client.patch(
            client._resolve_url("items", record_id=(await client.get("items", query=Query().top(1)))[0]["id"]),
            json={"displayName": "No version"},
            headers=await client._ensure_transport()._inject_auth(),
        )
        equal(without.status_code, 400)


@check
async def reads_are_repeated_after_throttling_and_writes_are_not():
    async with connect() as client:
        await client.list_companies()
        simulate(ORIGIN, "faults", {"throttleNext": 2, "retryAfterSeconds": 0})
        client._ensure_transport()._max_retries = 2
        from bcli.client import _transport

        _transport.INITIAL_BACKOFF = 0.01
        equal(len(await client.list_companies()), 1)
        simulate(ORIGIN, "faults", {"throttleNext": 1, "retryAfterSeconds": 9})
        error = await refused(ThrottledError, made(client, "items", displayName="Throttled"))
        equal((error.status_code, error.retry_after), (429, 9.0))
        simulate(ORIGIN, "faults", {"failNext": {"count": 1, "status": 503}})
        equal(len(await client.list_companies()), 1)


@check
async def the_safety_gate_writes_to_the_company_it_names():
    async with connect() as client:
        try:
            client.safe_write("Production", COMPANY)
            raise AssertionError("production needs a confirmation")
        except SafetyError:
            pass
        async with client.safe_write("Production", COMPANY, confirm_production=True) as gate:
            contact = await gate.post("contacts", {"displayName": "Through the gate"})
            await gate.delete("contacts", contact["id"])


@check
def the_command_runs_a_batch_of_steps():
    from bcli_cli.app import app

    home = Path.home()
    (home / ".config" / "bcli").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "bcli" / "config.toml").write_text(
        f"""[defaults]
profile = "simulator"
[profiles.simulator]
tenant_id = "{given("BUSINESS_CENTRAL_TENANT")}"
client_id = "{given("BUSINESS_CENTRAL_CLIENT")}"
environment = "Production"
company_id = "{COMPANY}"
auth_method = "client_credentials"
"""
    )
    steps = home / "steps.yaml"
    steps.write_text(
        """name: proof
steps:
  - name: create
    action: post
    endpoint: items
    data: {displayName: "From a batch", unitPrice: 3}
  - name: change
    action: patch
    endpoint: items
    id: "${{ steps.create.id }}"
    data: {unitPrice: 4}
  - name: read
    action: get
    endpoint: items
    params: {filter: "displayName eq 'From a batch'", select: "number,unitPrice"}
"""
    )
    runner = CliRunner(env={"BCLI_CLIENT_SECRET": given("BUSINESS_CENTRAL_SECRET")})
    ran = runner.invoke(app, ["batch", "run", str(steps), "--yes"])
    assert ran.exit_code == 0, ran.output
    listed = runner.invoke(app, ["--format", "json", "get", "items", "--filter", "displayName eq 'From a batch'", "--select", "unitPrice"])
    assert '"unitPrice": 4' in listed.output, listed.output


check.run()
