"""Proves the Dataverse simulator with dynamics-client, unchanged: it names itself to the token endpoint by HTTP Basic, as OAuth 2.0 libraries
do, asks for representations of what it writes, and follows the links it is given."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from checks import Proof, equal, given, refusal
from redirect import to_loopback
from simulator import simulate

to_loopback({})

from authlib.integrations.base_client.errors import OAuthError
from dynamics import DynamicsClient, ftr
from dynamics.exceptions import APILimitsExceeded, NotFound, OperationNotImplemented, ParseError
from dynamics.fetchxml import FetchXMLBuilder

URL = given("DATAVERSE_URL")

check = Proof("dynamics-client")


def client(secret=None):
    return DynamicsClient(
        api_url=f"{URL}/api/data/v9.2",
        token_url=f"{URL}/{given('DATAVERSE_TENANT')}/oauth2/v2.0/token",
        client_id=given("DATAVERSE_CLIENT"),
        client_secret=secret or given("DATAVERSE_SECRET"),
        scope=f"{URL}/.default",
        cache_token=False,
    )


def asked(dynamics, table, **options):
    """Sets a query up from nothing."""
    dynamics.reset_query()
    dynamics.table = table
    for name, value in options.items():
        setattr(dynamics, name, value)
    return dynamics


@check
def a_token_is_given_for_http_basic_and_refused_for_a_wrong_secret(dynamics):
    equal(len(dynamics.functions.whoami().data[0]["UserId"]), 36)
    error = refusal(OAuthError, lambda: client("wrong").functions.whoami())
    equal(error.error, "invalid_client")


@check
def rows_are_created_changed_and_deleted_and_come_back_each_time(dynamics):
    made = asked(dynamics, "accounts", select=["name", "numberofemployees"]).post(
        data={"name": "Contoso", "numberofemployees": 5}
    )
    equal((made.data["name"], made.data["numberofemployees"]), ("Contoso", 5))
    key = made.data["accountid"]
    changed = asked(dynamics, "accounts", select=["name"], row_id=key).patch(data={"name": "Contoso Ltd"})
    equal(changed.data["name"], "Contoso Ltd")
    equal(asked(dynamics, "accounts", select=["name"], row_id=key).get().data[0]["name"], "Contoso Ltd")
    asked(dynamics, "accounts", row_id=key).delete()
    refusal(NotFound, asked(dynamics, "accounts", row_id=key).get)


@check
def pages_are_followed_by_their_links(dynamics):
    for number in range(12):
        asked(dynamics, "contacts", select=["fullname"]).post(data={"lastname": f"Page {number:02}"})
    query = asked(
        dynamics,
        "contacts",
        select=["fullname"],
        filter=[ftr.startswith("lastname", "Page ")],
        orderby={"lastname": "desc"},
        pagesize=5,
        count=True,
    )
    found = query.get(pagination_rules={"pages": -1})
    equal((len(found.data), found.count, found.data[0]["fullname"]), (12, 12, "Page 11"))
    dynamics.pagesize = 5000


@check
def query_functions_expansions_and_fetch_xml_find_rows(dynamics):
    account = asked(dynamics, "accounts", select=["name"]).post(data={"name": "Parent"}).data
    bound = f"/accounts({account['accountid']})"
    for first in ["Ada", "Grace"]:
        person = {"firstname": first, "lastname": "Descendant", "parentcustomerid_account@odata.bind": bound}
        asked(dynamics, "contacts").post(data=person)
    inside = asked(
        dynamics, "contacts", select=["firstname"], filter=[ftr.in_("firstname", ["Ada", "Nobody"]), ftr.eq("lastname", "Descendant")]
    )
    equal([row["firstname"] for row in inside.get().data], ["Ada"])
    expanded = asked(
        dynamics,
        "accounts",
        select=["name"],
        row_id=account["accountid"],
        expand={"contact_customer_accounts": {"select": ["firstname"], "orderby": {"firstname": "asc"}}},
    )
    rows = expanded.get().data[0]["contact_customer_accounts"]
    equal([row["firstname"] for row in rows], ["Ada", "Grace"])
    fetch = (
        FetchXMLBuilder(mapping="logical")
        .add_entity(name="contact")
        .add_attribute(name="firstname")
        .filter(type_="and")
        .add_condition(attribute="lastname", operator="eq", value="Descendant")
        .build()
    )
    equal(len(asked(dynamics, "contacts", fetch_xml=fetch).get().data), 2)


@check
def refusals_become_the_errors_of_the_client(dynamics):
    refusal(ParseError, asked(dynamics, "accounts", select=["nonsense"]).get)
    refusal(ParseError, asked(dynamics, "accounts", filter=['name eq "Contoso"']).get)
    refusal(OperationNotImplemented, lambda: dynamics.functions.format_address("1", "2", "3", "4", "5"))
    simulate(URL, "faults", {"throttle_next": {"count": 1, "retry_after": 1}})
    refusal(APILimitsExceeded, asked(dynamics, "accounts", select=["name"]).get)


check.run(client())
