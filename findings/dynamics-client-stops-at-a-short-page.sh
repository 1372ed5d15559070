#!/usr/bin/env bash
# Package:   dynamics-client 0.8.4 (PyPI), a Python client for the Dataverse Web API with paging.
# Behaviour: a page with fewer rows than the page size and a next link is taken for the last one: the link is dropped, the rows behind it
#            never come, and nothing tells. A page that is exactly full is followed. OData lets a service end a page where it likes; the link
#            alone says whether there is more.
# Matters:   the simulator must be able to give short pages with a link, and a client must go by the link.
# Fails if:  the client follows the link of the short page, or not that of the full one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dynamics-client==0.8.4 authlib==1.9.10 httpx==0.28.1

"$folder/venv/bin/python" -W ignore - <<'PY' | tee "$folder/seen.txt"
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dynamics import DynamicsClient


class Service(BaseHTTPRequestHandler):
    first = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"access_token": "token", "token_type": "Bearer", "expires_in": 3600})

    def do_GET(self):
        if "page=2" in self.path:
            return self.answer({"value": [{"name": "last"}]})
        rows = [{"name": f"row {number}"} for number in range(Service.first)]
        self.answer({"value": rows, "@odata.nextLink": f"{api}/accounts?page=2"})

    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}"
api = f"{url}/api/data/v9.2"
for Service.first in (3, 2):
    client = DynamicsClient(api, f"{url}/token", "client", "secret", f"{url}/.default", cache_token=False)
    client.table, client.pagesize = "accounts", 3
    found = client.get(pagination_rules={"pages": -1})
    print(f"{Service.first} of 3 rows and a next link, then 1 row -> {len(found.data)} rows, next link {found.next_link}")
PY

diff - "$folder/seen.txt" <<'SEEN'
3 of 3 rows and a next link, then 1 row -> 4 rows, next link None
2 of 3 rows and a next link, then 1 row -> 2 rows, next link None
SEEN
echo "as described"
