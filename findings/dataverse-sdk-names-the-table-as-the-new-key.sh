#!/usr/bin/env bash
# Package:   PowerPlatform-Dataverse-Client 1.1.0 (PyPI), Microsoft's Python SDK for Dataverse; answers by responses 0.26.3 (PyPI).
# Behaviour: `tables.create_alternate_key` gives back the first GUID in the address of the new key. Where the service writes the table by
#            its id, EntityDefinitions(<table>)/Keys(<key>), as the documents show it for columns, that is the id of the table. With the
#            table by its logical name the same call gives the id of the key.
# Matters:   `tables.delete_alternate_key` with that id names a key that does not exist. The proof with this client reads the id of a
#            new key from the list of keys.
# Fails if:  the client takes another GUID from one of the two addresses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check PowerPlatform-Dataverse-Client==1.1.0 responses==0.26.3

"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
import time

import responses
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient

TABLE = "aaaaaaaa-0000-4000-8000-000000000001"
KEY = "bbbbbbbb-0000-4000-8000-000000000002"
API = "https://organization.example/api/data/v9.2"


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken("token", int(time.time()) + 3600)


definition = {
    "MetadataId": TABLE,
    "LogicalName": "account",
    "SchemaName": "Account",
    "EntitySetName": "accounts",
    "PrimaryIdAttribute": "accountid",
    "PrimaryNameAttribute": "name",
}
for table in (TABLE, "LogicalName='account'"):
    with responses.RequestsMock() as service:
        service.get(f"{API}/EntityDefinitions", json={"value": [definition]})
        service.post(
            f"{API}/EntityDefinitions(LogicalName='account')/Keys",
            status=204,
            headers={"OData-EntityId": f"{API}/EntityDefinitions({table})/Keys({KEY})"},
        )
        client = DataverseClient("https://organization.example", Credential())
        key = client.tables.create_alternate_key("account", "new_number", ["accountnumber"])
        print(f"EntityDefinitions({table})/Keys({KEY}) ->", {TABLE: "the table", KEY: "the key"}[key.metadata_id])
PY

diff - "$folder/seen.txt" <<'SEEN'
EntityDefinitions(aaaaaaaa-0000-4000-8000-000000000001)/Keys(bbbbbbbb-0000-4000-8000-000000000002) -> the table
EntityDefinitions(LogicalName='account')/Keys(bbbbbbbb-0000-4000-8000-000000000002) -> the key
SEEN
echo "as described"
