// Proves the batches of both simulators with @odata/client, unchanged: multipart, and for Business Central JSON as well.

const { OData } = require("@odata/client");
const { assert, given, proof, token } = require("../checks.js");

const check = proof("@odata/client");
const dataverse = given("DATAVERSE_URL");
const businessCentral = given("BUSINESS_CENTRAL_URL");
const company = `companies(${given("BUSINESS_CENTRAL_COMPANY")})`;

/** A client of a service root. */
async function connect(kind, root, scope) {
  const access = await token(new URL(root).origin, given(`${kind}_TENANT`), given(`${kind}_CLIENT`), given(`${kind}_SECRET`), scope);
  return OData.New4({
    serviceEndpoint: `${root}/`,
    commonHeaders: { Authorization: `Bearer ${access}`, Accept: "application/json", "Content-Type": "application/json" },
  });
}
const sales = () => connect("DATAVERSE", `${dataverse}/api/data/v9.2`, `${dataverse}/.default`);
const standard = () => connect("BUSINESS_CENTRAL", `${businessCentral}/api/v2.0`, "https://api.businesscentral.dynamics.com/.default");
const statuses = (answers) => answers.map((answer) => answer.status);

check("a Dataverse batch mixes queries and change sets", async () => {
  const client = await sales();
  const answers = await client.execBatchRequests([
    client.newBatchRequest({ collection: "accounts", method: "POST", entity: { name: "In a batch" } }),
    client.newBatchRequest({ collection: "contacts", method: "POST", entity: { lastname: "In a batch" } }),
    client.newBatchRequest({ collection: "accounts", params: client.newOptions().filter("name eq 'In a batch'").select("name") }),
  ]);
  assert.deepEqual(statuses(answers), [204, 204, 200]);
  assert.deepEqual((await answers[2].json()).value.map((row) => row.name), ["In a batch"]);
});

check("a multipart batch of Business Central creates and reads", async () => {
  const client = await standard();
  const answers = await client.execBatchRequests([
    client.newBatchRequest({ collection: `${company}/items`, method: "POST", entity: { displayName: "In a multipart batch" } }),
    client.newBatchRequest({ collection: `${company}/items`, params: client.newOptions().filter("displayName eq 'In a multipart batch'").select("number") }),
  ]);
  assert.deepEqual(statuses(answers), [201, 200]);
  const made = await answers[0].json();
  assert.deepEqual((await answers[1].json()).value.map((row) => row.number), [made.number]);
});

check("a JSON batch of Business Central answers each request under its id", async () => {
  const client = await standard();
  const answers = await client.execBatchRequestsJson([
    client.newBatchRequest({ requestId: "make", collection: `${company}/items`, method: "POST", entity: { displayName: "In a JSON batch" } }),
    client.newBatchRequest({ requestId: "wrong", collection: `${company}/items`, method: "POST", entity: { displayName: "x".repeat(101) } }),
    client.newBatchRequest({ requestId: "read", collection: `${company}/items`, params: client.newOptions().filter("displayName eq 'In a JSON batch'") }),
  ]);
  const byId = Object.fromEntries(answers.map((answer) => [answer.raw.id, answer]));
  assert.deepEqual([byId.make.status, byId.wrong.status], [201, 400]);
  assert.match((await byId.wrong.json()).error.code, /^Application_StringExceededLength$/);
  assert.equal(byId.make.headers.location !== undefined || byId.make.headers.Location !== undefined, true);
  return byId;
});

check("a JSON batch of Business Central changes many records with their versions", async () => {
  const client = await standard();
  const page = await client.requestUri(`${businessCentral}/api/v2.0/${company}/items?$top=40&$select=id,unitPrice&$orderby=number`);
  const before = page.value;
  const patch = (item, etag) =>
    client.newBatchRequest({ collection: `${company}/items(${item.id})`, method: "PATCH", entity: { unitPrice: item.unitPrice + 1 } }).then((request) => {
      request.init.headers = { ...request.init.headers, "If-Match": etag };
      return request;
    });
  const changed = await client.execBatchRequestsJson(before.map((item) => patch(item, item["@odata.etag"])));
  assert.deepEqual(new Set(statuses(changed)), new Set([200]));
  assert.equal(changed.length, 40);
  const stale = await client.execBatchRequestsJson([patch(before[0], before[0]["@odata.etag"])]);
  assert.deepEqual(statuses(stale), [409]);
});

check.run();
