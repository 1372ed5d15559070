"""Proves the Dataverse simulator with Microsoft's Python SDK, PowerPlatform-Dataverse-Client, unchanged.

Tokens come through azure-identity and MSAL; the SDK insists on HTTPS and gets it.
"""

import sys
import warnings
from enum import IntEnum
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from checks import Proof, equal, given, refusal
from redirect import to_loopback
from simulator import simulate

to_loopback({})

import pandas
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.config import DataverseConfig
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError, ValidationError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.query_builder import ExpandOption
from PowerPlatform.Dataverse.models.upsert import UpsertItem

URL = given("DATAVERSE_URL")
NOWHERE = "11111111-2222-4333-8444-555555555555"

check = Proof("PowerPlatform-Dataverse-Client")


def credential(secret):
    return ClientSecretCredential(
        given("DATAVERSE_TENANT"),
        given("DATAVERSE_CLIENT"),
        secret,
        authority=urlsplit(URL).netloc,
        disable_instance_discovery=True,
    )


def accounts(client, filter, **options):
    options.setdefault("select", ["name"])
    return list(client.records.list("account", filter=filter, **options))


@check
def a_wrong_secret_is_refused_with_the_message_of_the_identity_platform(client):
    with DataverseClient(URL, credential("wrong")) as stranger:
        error = refusal(ClientAuthenticationError, lambda: stranger.tables.get("account"))
    assert "AADSTS7000215" in error.message, error.message


@check
def a_record_is_created_retrieved_updated_and_deleted(client):
    key = client.records.create("account", {"Name": "Contoso", "revenue": 1000.25})
    record = client.records.retrieve("account", key, select=["name", "revenue"])
    equal((record["name"], record["revenue"]), ("Contoso", 1000.25))
    assert record.etag.startswith('W/"'), record.etag
    client.records.update("account", key, {"telephone1": "555-0199", "revenue": None})
    record = client.records.retrieve("account", key, select=["telephone1", "revenue"])
    equal((record["telephone1"], record["revenue"]), ("555-0199", None))
    client.records.delete("account", key)
    equal(client.records.retrieve("account", key, select=["name"]), None)
    error = refusal(HttpError, lambda: client.records.update("account", key, {"name": "Gone"}))
    equal((error.status_code, error.details["service_error_code"]), (404, "0x80040217"))


@check
def labels_of_choices_are_translated_and_formatted_values_are_annotated(client):
    key = client.records.create("account", {"name": "Labels", "customertypecode": "Customer"})
    record = client.records.retrieve("account", key, select=["customertypecode"], include_annotations="*")
    equal(record["customertypecode"], 3)
    equal(record["customertypecode@OData.Community.Display.V1.FormattedValue"], "Customer")


@check
def lookups_are_bound_and_expanded(client):
    contact = client.records.create("contact", {"firstname": "Ada", "lastname": "Bound"})
    key = client.records.create("account", {"name": "Binds", "primarycontactid@odata.bind": f"/contacts({contact})"})
    record = client.records.retrieve("account", key, select=["name"], expand=["primarycontactid($select=fullname)"])
    equal(record["primarycontactid"]["fullname"], "Ada Bound")
    client.records.update("contact", contact, {"parentcustomerid_account@odata.bind": f"/accounts({key})"})
    query = client.query.builder("account").select("name").where(col("accountid") == key)
    found = query.expand(ExpandOption("contact_customer_accounts").select("lastname").order_by("lastname").top(5)).execute()
    equal([person["lastname"] for person in found.first()["contact_customer_accounts"]], ["Bound"])


@check
def many_records_are_created_updated_and_deleted_in_bulk(client):
    keys = client.records.create("account", [{"name": f"Many {at}", "revenue": at} for at in range(5)])
    equal(len(set(keys)), 5)
    client.records.update("account", keys, {"telephone1": "all"})
    client.records.update("account", keys[:2], [{"name": "Many first"}, {"name": "Many second"}])
    rows = accounts(client, "startswith(name,'Many ')", select=["name", "telephone1"], orderby=["revenue"])
    equal([row["name"] for row in rows], ["Many first", "Many second", "Many 2", "Many 3", "Many 4"])
    equal({row["telephone1"] for row in rows}, {"all"})
    error = refusal(HttpError, lambda: client.records.create("account", [{"name": "Many good"}, {"name": "x" * 161}]))
    equal(error.status_code, 400)
    equal(accounts(client, "name eq 'Many good'"), [])
    client.records.delete("account", keys[:2], use_bulk_delete=False)
    equal(len(accounts(client, "startswith(name,'Many ')")), 3)
    job = client.records.delete("account", keys[2:])
    assert job, "a bulk deletion is a job"
    equal(accounts(client, "startswith(name,'Many ')"), [])


@check
def alternate_keys_are_declared_used_for_upserts_and_removed(client):
    client.tables.create_alternate_key("account", "new_ByAccountNumber", ["accountnumber"])
    keys = {key.schema_name: key for key in client.tables.get_alternate_keys("account")}
    equal(keys["new_ByAccountNumber"].key_attributes, ["accountnumber"])

    def upsert(*numbered):
        items = [UpsertItem(alternate_key={"accountnumber": number}, record={"name": name}) for number, name in numbered]
        client.records.upsert("account", items)
        return {row["accountnumber"]: row["name"] for row in accounts(client, "startswith(accountnumber,'UP-')", select=["name", "accountnumber"])}

    equal(upsert(("UP-1", "One")), {"UP-1": "One"})
    equal(upsert(("UP-1", "One again")), {"UP-1": "One again"})
    equal(upsert(("UP-1", "Uno"), ("UP-2", "Dos"), ("UP-3", "Tres")), {"UP-1": "Uno", "UP-2": "Dos", "UP-3": "Tres"})
    error = refusal(HttpError, lambda: client.records.create("account", {"name": "Twice", "accountnumber": "UP-1"}))
    equal((error.status_code, error.details["service_error_code"]), (412, "0x80060892"))
    client.tables.delete_alternate_key("account", keys["new_ByAccountNumber"].metadata_id)
    assert "new_ByAccountNumber" not in {key.schema_name for key in client.tables.get_alternate_keys("account")}


@check
def five_thousand_two_hundred_rows_are_read_page_by_page(client):
    for _ in range(5):
        client.records.create("contact", [{"lastname": "Paged", "description": str(at)} for at in range(1040)])
    rows = client.records.list("contact", filter="lastname eq 'Paged'", select=["contactid"])
    equal(len({row["contactid"] for row in rows}), 5200)
    pages = list(client.records.list_pages("contact", filter="lastname eq 'Paged'", select=["contactid"], page_size=2000))
    equal([len(page) for page in pages], [2000, 2000, 1200])


@check
def queries_are_built_from_expressions(client):
    client.records.create("account", [{"name": f"Built {at}", "revenue": at * 100, "numberofemployees": at} for at in range(1, 7)])
    mine = col("name").startswith("Built")

    def names(expression):
        return [row["name"] for row in client.query.builder("account").select("name").where(mine).where(expression).order_by("revenue", descending=True).execute()]

    equal(names(col("revenue") > 450), ["Built 6", "Built 5"])
    equal(names((col("revenue") <= 100) | (col("revenue") == 600)), ["Built 6", "Built 1"])
    equal(names(col("numberofemployees").in_([2, 3])), ["Built 3", "Built 2"])
    equal(names(col("numberofemployees").between(4, 5)), ["Built 5", "Built 4"])
    equal(names(~(col("revenue") < 500)), ["Built 6", "Built 5"])
    equal(names(col("accountnumber").is_null() & col("name").endswith("1")), ["Built 1"])
    equal(names(col("name").contains("t 2")), ["Built 2"])
    few = client.query.builder("account").select("name").where(mine).order_by("name").top(2).count().include_formatted_values().execute()
    equal([row["name"] for row in few], ["Built 1", "Built 2"])


@check
def sql_selects_joins_groups_and_pages(client):
    contact = client.records.create("contact", {"firstname": "Sequel", "lastname": "Joined"})
    client.records.create("account", [{"name": f"Sql {at}", "revenue": at * 10, "numberofemployees": at % 2, "primarycontactid@odata.bind": f"/contacts({contact})"} for at in range(1, 5)])
    rows = client.query.sql("SELECT TOP 2 name, revenue FROM account WHERE name LIKE 'Sql %' AND revenue >= 20 ORDER BY revenue DESC")
    equal([(row["name"], row["revenue"]) for row in rows], [("Sql 4", 40), ("Sql 3", 30)])
    rows = client.query.sql("SELECT a.name, c.lastname AS person FROM account a INNER JOIN contact c ON a.primarycontactid = c.contactid WHERE a.name IN ('Sql 1', 'Sql 2') ORDER BY a.name")
    equal([(row["name"], row["person"]) for row in rows], [("Sql 1", "Joined"), ("Sql 2", "Joined")])
    rows = client.query.sql("SELECT numberofemployees, COUNT(*) AS n, SUM(revenue) AS total FROM account WHERE name LIKE 'Sql %' GROUP BY numberofemployees ORDER BY numberofemployees")
    equal([(row["numberofemployees"], row["n"], row["total"]) for row in rows], [(0, 2, 60), (1, 2, 40)])
    rows = client.query.sql("SELECT contactid FROM contact WHERE lastname = 'Paged'")
    equal(len({row["contactid"] for row in rows}), 5200)
    error = refusal(HttpError, lambda: client.query.sql("SELECT nosuchcolumn FROM account"))
    equal(error.status_code, 400)
    refusal(ValidationError, lambda: client.query.sql("DELETE FROM account"))


@check
def fetchxml_filters_joins_and_pages(client):
    def rows(xml):
        return list(client.query.fetchxml(xml).execute())

    joined = rows(
        """<fetch><entity name="account"><attribute name="name"/><order attribute="name"/>
        <filter><condition attribute="name" operator="like" value="Sql %"/></filter>
        <link-entity name="contact" from="contactid" to="primarycontactid" alias="c"><attribute name="lastname"/></link-entity>
        </entity></fetch>"""
    )
    equal([(row["name"], row["c.lastname"]) for row in joined], [(f"Sql {at}", "Joined") for at in range(1, 5)])
    paged = """<fetch count="2000"><entity name="contact"><attribute name="contactid"/><order attribute="contactid"/>
        <filter><condition attribute="lastname" operator="eq" value="Paged"/></filter></entity></fetch>"""
    pages = list(client.query.fetchxml(paged).execute_pages())
    equal([len(page) for page in pages], [2000, 2000, 1200])
    equal(len({row["contactid"] for page in pages for row in page}), 5200)
    error = refusal(HttpError, lambda: rows('<fetch><entity name="account"><attribute name="nosuchcolumn"/></entity></fetch>'))
    equal(error.status_code, 400)


@check
def a_batch_carries_operations_of_every_kind(client):
    existing = client.records.create("account", {"name": "Batched 0"})
    batch = client.batch.new()
    batch.records.create("account", {"name": "Batched 1"})
    batch.records.create("account", [{"name": "Batched 2"}, {"name": "Batched 3"}])
    batch.records.update("account", existing, {"telephone1": "batched"})
    batch.records.retrieve("account", existing, select=["name", "telephone1"])
    batch.records.list("account", filter="startswith(name,'Batched ')", select=["name"], orderby=["name"])
    batch.query.sql("SELECT name FROM account WHERE name = 'Batched 2'")
    batch.tables.get("account")
    batch.records.delete("account", existing)
    result = batch.execute()
    equal(result.has_errors, False)
    equal([answer.status_code for answer in result.responses], [204, 200, 204, 200, 200, 200, 200, 204])
    equal(len(result.responses[1].data["Ids"]), 2)
    equal(result.responses[3].data["telephone1"], "batched")
    equal([row["name"] for row in result.responses[4].data["value"]], [f"Batched {at}" for at in range(4)])
    equal([row["name"] for row in result.responses[5].data["value"]], ["Batched 2"])
    equal(result.responses[6].data["value"][0]["EntitySetName"], "accounts")
    equal(client.records.retrieve("account", existing, select=["name"]), None)


@check
def a_change_set_refers_to_its_own_records_and_is_all_or_nothing(client):
    batch = client.batch.new()
    with batch.changeset() as changes:
        person = changes.records.create("contact", {"lastname": "Change set"})
        company = changes.records.create("account", {"name": "Change set", "primarycontactid@odata.bind": person})
        changes.records.update("account", company, {"telephone1": "in the set"})
    result = batch.execute()
    equal(result.has_errors, False)
    row = accounts(client, "name eq 'Change set'", select=["telephone1", "_primarycontactid_value"])[0]
    equal((row["telephone1"], row["_primarycontactid_value"]), ("in the set", result.entity_ids[0]))

    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Rolled back"})
        changes.records.delete("account", NOWHERE)
    result = batch.execute(continue_on_error=True)
    equal([(answer.status_code, answer.error_code) for answer in result.failed], [(404, "0x80040217")])
    equal(accounts(client, "name eq 'Rolled back'"), [])


@check
def a_batch_stops_at_an_error_unless_told_to_go_on(client):
    def run(continue_on_error):
        batch = client.batch.new()
        batch.records.retrieve("account", NOWHERE, select=["name"])
        batch.records.list("account", select=["name"], top=1)
        return [answer.status_code for answer in batch.execute(continue_on_error=continue_on_error).responses]

    equal(refusal(HttpError, lambda: run(False)).status_code, 404)
    equal(run(True), [404, 200])


@check
def data_frames_go_out_and_come_back(client):
    ids = client.dataframe.create("account", pandas.DataFrame([{"name": "Frame 1", "revenue": 1.5}, {"name": "Frame 2", "revenue": 2.5}]))
    changes = pandas.DataFrame({"accountid": ids, "revenue": [10.5, 20.5]})
    client.dataframe.update("account", changes, id_column="accountid")
    frame = client.dataframe.sql("SELECT name, revenue FROM account WHERE name LIKE 'Frame %' ORDER BY name")
    equal(list(frame["revenue"]), [10.5, 20.5])


class Grade(IntEnum):
    LOW = 100000000
    HIGH = 100000001


@check
def a_table_of_its_own_is_made_changed_used_and_removed(client):
    table = client.tables.create(
        "new_Machine",
        {"new_Serial": "string", "new_Hours": "int", "new_Price": "decimal", "new_Running": "bool", "new_Bought": "datetime", "new_Grade": Grade},
        display_name="Machine",
    )
    equal((table.logical_name, table.primary_id_attribute, table.primary_name_attribute), ("new_machine", "new_machineid", "new_name"))
    equal(client.tables.get("new_machine").metadata_id, table.metadata_id)
    refusal(MetadataError, lambda: client.tables.create("new_Machine", {}))
    key = client.records.create(
        "new_Machine",
        {"new_Name": "Press", "new_Hours": 7, "new_Price": 12.34, "new_Running": True, "new_Bought": "2026-02-28", "new_Grade": "HIGH"},
    )
    record = client.records.retrieve("new_machine", key)
    equal(
        (record["new_name"], record["new_hours"], record["new_price"], record["new_running"], record["new_bought"], record["new_grade"]),
        ("Press", 7, 12.34, True, "2026-02-28T00:00:00Z", Grade.HIGH),
    )
    equal(client.tables.add_columns("new_Machine", {"new_Note": {"type": "memo", "max_length": 300}}), ["new_Note"])
    equal(client.tables.get_column("new_Machine", "new_Note", typed=True)["MaxLength"], 300)
    client.tables.update_column("new_Machine", "new_Serial", {"max_length": 12})
    typed = {column["LogicalName"]: column for column in client.tables.list_columns("new_Machine", typed=True)}
    equal((typed["new_serial"]["MaxLength"], typed["new_hours"]["MaxValue"]), (12, 2147483647))
    error = refusal(HttpError, lambda: client.records.update("new_Machine", key, {"new_Serial": "x" * 13}))
    equal(error.details["service_error_code"].lower(), "0x80044331")
    relation = client.tables.create_lookup_field("new_Machine", "new_OwnerAccount", "account")
    owner = client.records.create("account", {"name": "Owner"})
    client.records.update("new_Machine", key, {"new_OwnerAccount@odata.bind": f"/accounts({owner})"})
    equal(client.records.retrieve("new_Machine", key)["_new_owneraccount_value"], owner)
    client.tables.delete_relationship(relation.relationship_id)
    equal(client.tables.remove_columns("new_Machine", "new_Note"), ["new_Note"])
    client.tables.delete("new_Machine")
    equal(client.tables.get("new_Machine"), None)


@check
def tables_columns_and_relationships_are_described(client):
    tables = client.tables.list(filter="LogicalName eq 'product'", select=["LogicalName", "EntitySetName"])
    equal([table["EntitySetName"] for table in tables], ["products"])
    assert len(client.tables.list(select=["LogicalName"])) > 25
    texts = client.tables.list_columns("account", select=["LogicalName", "AttributeType"], filter="AttributeType eq 'String'")
    assert "name" in {column["LogicalName"] for column in texts}
    equal({column["AttributeType"] for column in texts}, {"String"})
    equal(client.tables.get_column("account", "name", typed=True)["MaxLength"], 160)
    equal(client.tables.get_column("account", "nosuchcolumn"), None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expands = {(way["nav_property"], way["target_entity_set"]) for way in client.query.odata_expands("account")}
        assert ("primarycontactid", "contacts") in expands, expands
        columns = {column["name"]: column for column in client.query.sql_columns("account")}
        assert columns["accountid"]["is_pk"] and columns["name"]["is_name"], columns["accountid"]
    names = {relation.get("SchemaName") for relation in client.tables.list_table_relationships("contact")}
    assert "contact_customer_accounts" in names, sorted(name for name in names if name)
    refusal(MetadataError, lambda: client.records.create("nosuchtable", {"name": "x"}))


@check
def refusals_carry_the_status_and_the_code_of_the_service(client):
    for data, code in [({"nosuchcolumn": 1}, "0x80060888"), ({"name": "x" * 161}, "0x80044331"), ({"customertypecode": 4711}, "0x8004431a")]:
        error = refusal(HttpError, lambda data=data: client.records.create("account", data))
        equal((error.status_code, error.details["service_error_code"].lower(), error.is_transient), (400, code, False))
        assert error.details["service_request_id"], error.details
    error = refusal(HttpError, lambda: accounts(client, "name eq"))
    equal((error.status_code, error.details["service_error_code"]), (400, "0x80060888"))


@check
def throttling_and_outages_are_told_apart_from_mistakes(client):
    simulate(URL, "faults", {"throttle_next": {"count": 1, "retry_after": 11}})
    error = refusal(HttpError, lambda: accounts(client, "name eq 'x'"))
    equal((error.status_code, error.is_transient, error.details["retry_after"]), (429, True, 11))
    equal(error.details["service_error_code"].lower(), "0x80072322")
    simulate(URL, "faults", {"fail_next": {"count": 1, "status": 503}})
    error = refusal(HttpError, lambda: accounts(client, "name eq 'x'"))
    equal((error.status_code, error.is_transient), (503, True))
    equal(accounts(client, "name eq 'x'"), [])


with DataverseClient(URL, credential(given("DATAVERSE_SECRET")), config=DataverseConfig(http_retries=1)) as connected:
    check.run(connected)
