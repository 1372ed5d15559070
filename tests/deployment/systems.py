"""Both simulators as a person sees them: rows as they are stored, changes made in the application, outages."""

import json
import urllib.error
import urllib.parse
import urllib.request

from checks import Failed


def request(method, url, body=None, headers=None, form=False):
    """One request; gives the JSON of the answer, or None."""
    data = None
    headers = dict(headers or {})
    if body is not None and form:
        data = urllib.parse.urlencode(body).encode()
    elif body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data, headers, method=method), timeout=60
        ) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{method} {url}: {error.code} {error.read()[:300]!r}") from error
    return json.loads(content) if content else None


class System:
    """One of the simulators, through what it offers below `/_simulator/`."""

    rows_path = ""

    def __init__(self, facts):
        self.url = facts["url"]
        self.tenant = facts["tenant"]
        self.client = facts["client"]
        self.secret = facts["secret"]
        parts = urllib.parse.urlsplit(self.url)
        self.authority = f"{parts.scheme}://{parts.netloc}"

    def _admin(self, method, path, body=None):
        return request(method, f"{self.authority}/_simulator/{urllib.parse.quote(path)}", body)

    def rows(self, table):
        """All records of a table, every column."""
        # A slash within a name, as in Salesperson/Purchaser, is no separator.
        return request("GET", f"{self.authority}/_simulator/{self.rows_path}/{urllib.parse.quote(table, safe='')}")

    def switch(self, **faults):
        """Makes the system misbehave, or stop misbehaving."""
        self._admin("POST", "faults", faults)

    def outage(self, on):
        """Takes the system down, or brings it back."""
        self.switch(outage=on)


class BusinessCentral(System):
    """The Business Central simulator."""

    rows_path = "tables"

    def __init__(self, facts):
        super().__init__(facts)
        self.company = facts["company"]

    def change(self, table, record, values):
        """Changes a record as a person in the application."""
        self._admin("PATCH", f"tables/{table}/{record}", values)

    def create(self, table, values):
        """Creates a record as a person in the application."""
        return self._admin("POST", f"tables/{table}", values)["id"]

    def act(self, table, record, action):
        """Does something with a document as a person in the application: `release`, `reopen`, `ship`, `invoice`."""
        return self._admin("POST", f"tables/{table}/{record}/actions/{action}")

    def move_stock(self, item_number, quantity):
        """Posts an item ledger entry; the item itself does not change."""
        self._admin("POST", "ledger-entries", {"itemNumber": item_number, "quantity": quantity})

    def rotate_secret(self, secret):
        """Gives tokens for this secret only, and takes none that was given before."""
        self.switch(clientSecret=secret, expireTokens=True)
        self.secret = secret

    def stamps(self):
        """When each item was last written."""
        return {row["id"]: row["lastModifiedDateTime"] for row in self.rows("Item")}

    def slow_down(self, milliseconds):
        """Every read takes so long."""
        self.switch(latency={"readMilliseconds": milliseconds, "writeMilliseconds": 0})


class Dataverse(System):
    """The Dataverse simulator."""

    rows_path = "rows"

    def __init__(self, facts):
        super().__init__(facts)
        self._person = None
        self._token = None

    def refuse(self, table, text):
        """Refuses rows of a table that hold this text; without a text takes all again."""
        self.switch(**({"poison": {"table": table, "text": text}} if text else {"clear_poison": True}))

    def versions(self, tables):
        """The version of every row of these tables: it moves with every write."""
        return {
            (table, row[f"{table}id"]): row["versionnumber"] for table in tables for row in self.rows(table)
        }

    def labels(self, table, column):
        """The labels of a choice column's options, in upper case."""
        attribute = f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='{column}')"
        kind = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
        url = f"{self.url}/api/data/v9.2/{attribute}/{kind}?$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
        answer = request("GET", url, headers=self._headers())
        options = (answer["OptionSet"] or answer["GlobalOptionSet"])["Options"]
        return {option["Label"]["UserLocalizedLabel"]["Label"].upper() for option in options}

    def change(self, entity_set, record, values):
        """Changes a row in the name of a person."""
        headers = {**self._headers(), "MSCRMCallerID": self._person, "If-Match": "*"}
        request("PATCH", f"{self.url}/api/data/v9.2/{entity_set}({record})", values, headers)

    def create(self, entity_set, key, values):
        """Creates a row in the name of a person; gives its id."""
        headers = {**self._headers(), "MSCRMCallerID": self._person, "Prefer": "return=representation"}
        return request("POST", f"{self.url}/api/data/v9.2/{entity_set}", values, headers)[key]

    def _headers(self):
        if self._token is None:
            answer = request(
                "POST",
                f"{self.authority}/{self.tenant}/oauth2/v2.0/token",
                {
                    "grant_type": "client_credentials",
                    "client_id": self.client,
                    "client_secret": self.secret,
                    "scope": f"{self.url}/.default",
                },
                form=True,
            )
            self._token = answer["access_token"]
            people = [row for row in self.rows("systemuser") if row.get("islicensed") and not row.get("isdisabled")]
            self._person = next(row for row in people if not row.get("isintegrationuser"))["systemuserid"]
        return {"Authorization": f"Bearer {self._token}"}
