#!/usr/bin/env bash
# Package:   dataverse-api 1.4.3 (PyPI), typed access to Dataverse tables and definitions; answers by responses 0.26.3 (PyPI).
# Behaviour: `remove_alternate_key` sends its deletion to the table's Attributes, where columns are, and not to its Keys. Called with an id it
#            sends a second deletion for a column named None. `add_alternate_key` sends nothing: it raises while it writes the list of
#            columns, which are texts.
# Matters:   with the name of a key that is also the name of a column, the column would be deleted. The proof with this client leaves
#            alternate keys to other clients.
# Fails if:  one of the three calls sends something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dataverse-api==1.4.3 responses==0.26.3

"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
import re

import requests
import responses
from dataverse_api import DataverseClient

API = "https://organization.example/api/data/v9.2/"
KEY = "bbbbbbbb-0000-4000-8000-000000000002"
with responses.RequestsMock(assert_all_requests_are_fired=False) as service:
    definition = {"EntitySetName": "accounts", "PrimaryIdAttribute": "accountid", "PrimaryImageAttribute": None}
    service.get(re.compile(r".*EntityDefinitions\(LogicalName='account'\)(\?.*)?$"), json=definition)
    service.get(re.compile(".*"), json={"value": []})
    service.post(re.compile(".*"), status=204)
    service.delete(re.compile(".*"), status=204)
    account = DataverseClient(session=requests.Session(), environment_url="https://organization.example").entity("account")
    calls = {
        "remove_alternate_key by name": lambda: account.remove_alternate_key(logical_name="new_number"),
        "remove_alternate_key by id": lambda: account.remove_alternate_key(altkey_id=KEY),
        "add_alternate_key": lambda: account.add_alternate_key("new_number", "Number", ["accountnumber"]),
    }
    for name, call in calls.items():
        before = len(service.calls)
        try:
            call()
            outcome = "returned"
        except Exception as error:
            outcome = type(error).__name__
        requested = [done.request for done in list(service.calls)[before:] if done.request.method != "GET"]
        print(f"{name}: {outcome}")
        for request in requested:
            print("   ", request.method, request.url.removeprefix(API))
PY

diff - "$folder/seen.txt" <<'SEEN'
remove_alternate_key by name: returned
    DELETE EntityDefinitions(LogicalName='account')/Attributes(LogicalName='new_number')
remove_alternate_key by id: returned
    DELETE EntityDefinitions(LogicalName='account')/Attributes(bbbbbbbb-0000-4000-8000-000000000002)
    DELETE EntityDefinitions(LogicalName='account')/Attributes(LogicalName='None')
add_alternate_key: AttributeError
SEEN
echo "as described"
