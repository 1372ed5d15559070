"""Proves the Dataverse simulator with dataverse-api, unchanged: it asks for the definitions of a table before it does anything with its
rows, and makes tables, columns and relationships from typed definitions."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

# The package has the name of this script; it is looked for where packages are, not beside the script.
sys.path[0] = str(Path(__file__).parent.parent)

from checks import Proof, equal, given, refusal
from redirect import to_loopback
from simulator import simulate

to_loopback({})

import requests
from azure.identity import ClientSecretCredential
from dataverse_api import DataverseClient
from dataverse_api.errors import DataverseAPIError
from dataverse_api.metadata.attributes import IntegerAttributeMetadata, StringAttributeMetadata
from dataverse_api.metadata.entity import define_entity
from dataverse_api.metadata.enums import OwnershipType
from dataverse_api.metadata.helpers import Publisher
from dataverse_api.metadata.relationships import define_relationship
from dataverse_api.utils.batching import BatchCommand, RequestMethod
from dataverse_api.utils.labels import define_label

URL = given("DATAVERSE_URL") + "/"

check = Proof("dataverse-api")


class Signed(requests.auth.AuthBase):
    """Signs every request with a token of azure-identity, as the library expects of its session."""

    def __init__(self):
        self.credential = ClientSecretCredential(
            given("DATAVERSE_TENANT"),
            given("DATAVERSE_CLIENT"),
            given("DATAVERSE_SECRET"),
            authority=urlsplit(URL).netloc,
            disable_instance_discovery=True,
        )

    def __call__(self, request):
        token = self.credential.get_token(URL + ".default").token
        request.headers["Authorization"] = f"Bearer {token}"
        return request


def named(schema_name, **more):
    return StringAttributeMetadata(schema_name=schema_name, display_name=define_label(schema_name), **more)


@check
def a_table_is_known_by_its_definition(client):
    account = client.entity(logical_name="account")
    equal((account.entity_set_name, account.primary_id_attr, account.primary_img_attr), ("accounts", "accountid", None))
    equal((account.supports_create_multiple, account.supports_update_multiple), (True, True))
    assert "primarycontactid" in account.relationships.single_valued, account.relationships.single_valued
    collections = account.relationships.collection_valued
    assert {"contact_customer_accounts", "order_customer_accounts"} <= set(collections), collections
    definition = client.get_entity_definition("account")
    equal((definition.schema_name, definition.has_notes, definition.has_activities), ("Account", True, True))
    equal(client.get_language_codes(), [1033])


@check
def rows_are_created_one_by_one_in_bulk_and_in_batches_and_read_in_pages(client):
    account = client.entity(logical_name="account")
    rows = [{"name": f"One by one {number}", "accountcategorycode": 2} for number in range(3)]
    equal([answer.status_code for answer in account.create(rows, mode="individual")], [204] * 3)
    rows = [{"name": f"In bulk {number}", "accountcategorycode": 2} for number in range(7)]
    equal([answer.status_code for answer in account.create(rows, mode="multiple", batch_size=4)], [200, 200])
    rows = [{"name": f"In a batch {number}", "accountcategorycode": 2} for number in range(5)]
    equal([answer.status_code for answer in account.create(rows, mode="batch", batch_size=3)], [200, 200])
    pages = account.read(select=["name"], filter="accountcategorycode eq 2", page_size=6, return_responses=True)
    equal([len(page.json()["value"]) for page in pages], [6, 6, 3])
    root = f"{URL}api/data/v9.2/"
    assert pages[0].json()["@odata.nextLink"].startswith(root), pages[0].json()["@odata.nextLink"]
    found = account.read(select=["name"], filter="accountcategorycode eq 2", order_by="name desc", top=1)
    equal([row["name"] for row in found], ["One by one 2"])
    shown = account.read(select=["accountcategorycode"], filter="name eq 'In bulk 0'", return_formatted_values=True)
    equal(shown[0]["accountcategorycode@OData.Community.Display.V1.FormattedValue"], "Standard")


@check
def columns_are_emptied_and_rows_deleted_by_a_filter(client):
    account = client.entity(logical_name="account")
    category = "accountcategorycode eq 2"
    account.create([{"name": "Has a number", "telephone1": "1", "accountcategorycode": 2}])
    account.delete_columns(["telephone1"], filter="name eq 'Has a number'")
    equal(account.read(select=["telephone1"], filter="name eq 'Has a number'")[0]["telephone1"], None)
    account.delete(mode="batch", filter=category)
    equal(account.read(select=["name"], filter=category), [])


@check
def rows_are_upserted_by_their_id(client):
    contact = client.entity(logical_name="contact")
    key = "7f1b7c0e-54d1-4a8e-9f1c-2f1d7a550001"
    for lastname in ["Lovelace", "Byron"]:
        contact.upsert([{"contactid": key, "firstname": "Ada", "lastname": lastname}])
        found = contact.read(select=["fullname"], filter=f"contactid eq {key}")
        equal([row["fullname"] for row in found], [f"Ada {lastname}"])
    contact.upsert([{"contactid": key, "lastname": "King"}], mode="batch")
    equal(contact.read(select=["fullname"], filter=f"contactid eq {key}")[0]["fullname"], "Ada King")


@check
def a_batch_of_ones_own_reaches_the_rows(client):
    commands = [BatchCommand("contacts", RequestMethod.POST, data={"lastname": f"Batch {number}"}) for number in range(4)]
    equal([answer.status_code for answer in client.submit_batch(commands, batch_size=2)], [200, 200])
    contact = client.entity(logical_name="contact")
    equal(len(contact.read(select=["fullname"], filter="startswith(lastname,'Batch ')")), 4)


@check
def tables_columns_and_relationships_are_made_shown_changed_and_removed(client):
    definition = define_entity(
        "new_Machine",
        [named("new_Name", is_primary_name=True)],
        ownership_type=OwnershipType.USER_OWNED,
        has_notes=True,
    )
    made = client.create_entity(definition, return_representation=True)
    equal((made.status_code, made.json()["LogicalName"], made.json()["HasNotes"]), (201, "new_machine", True))
    machine = client.entity(logical_name="new_machine")
    code = machine.add_attribute(named("new_Code", max_length=20), return_representation=True)
    equal((code.status_code, code.json()["MaxLength"]), (201, 20))
    weight = IntegerAttributeMetadata(schema_name="new_Weight", min_value=0, max_value=100)
    equal(machine.add_attribute(weight).status_code, 204)
    relationship = define_relationship("new_account_machine", "new_machine", "account", "new_AccountId")
    made = client.create_relationship(relationship, return_representation=True)
    equal((made.status_code, made.json()["ReferencedEntity"]), (201, "account"))
    equal(client.get_relationship_definition("new_account_machine").schema_name, "new_account_machine")
    known = client.get_entity_definition("new_machine")
    known.display_name = define_label("Apparatus")
    changed = client.update_entity(known, return_representation=True)
    equal((changed.status_code, changed.json()["DisplayName"]["UserLocalizedLabel"]["Label"]), (200, "Apparatus"))
    machine.create([{"new_name": "Lathe", "new_code": "L", "new_weight": 5}], mode="multiple")
    equal(machine.read(select=["new_weight"])[0]["new_weight"], 5)
    equal(machine.remove_attribute(logical_name="new_code").status_code, 204)
    refused = refusal(DataverseAPIError, lambda: machine.read(select=["new_code"]))
    equal(refused.response.status_code, 400)
    equal(client.delete_entity("new_machine").status_code, 204)


@check
def a_publisher_is_made_with_its_ordinary_columns(client):
    made = client.create_publisher(Publisher("Contoso", "contoso", "Makes things", "con", 45_000))
    equal(made.status_code, 204)
    publisher = client.entity(logical_name="publisher")
    found = publisher.read(select=["friendlyname", "description", "createdon"], filter="uniquename eq 'contoso'")
    equal((found[0]["friendlyname"], found[0]["description"]), ("Contoso", "Makes things"))
    assert found[0]["createdon"], found


@check
def refusals_carry_the_words_of_the_service(client):
    account = client.entity(logical_name="account")
    unknown = refusal(DataverseAPIError, lambda: account.read(select=["nonsense"]))
    equal(unknown.response.status_code, 400)
    assert "Could not find a property named 'nonsense'" in str(unknown), unknown
    decimal = account.create([{"name": "A", "numberofemployees": 5.0}])[0]
    equal((decimal.status_code, decimal.json()["error"]["code"]), (400, "0x80048d19"))
    missing = refusal(DataverseAPIError, lambda: client.entity(logical_name="nothing"))
    equal(missing.response.status_code, 404)
    simulate(given("DATAVERSE_URL"), "faults", {"throttle_next": {"count": 1, "retry_after": 7}})
    throttled = refusal(DataverseAPIError, lambda: account.read(select=["name"]))
    equal((throttled.response.status_code, throttled.response.headers["Retry-After"]), (429, "7"))


session = requests.Session()
session.auth = Signed()
check.run(DataverseClient(session=session, environment_url=URL))
