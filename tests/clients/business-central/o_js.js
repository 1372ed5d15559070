// Proves the Business Central simulator with o.js (`odata` on npm) and its query builder, unchanged.

const { o } = require("odata");
const buildQuery = require("odata-query").default;
const { assert, given, proof, refusal, token } = require("../checks.js");

const check = proof("o.js");
const service = given("BUSINESS_CENTRAL_URL");
const company = `companies(${given("BUSINESS_CENTRAL_COMPANY")})`;

let bearer;

/** A handler of the client for one of the APIs, below the company unless told otherwise. */
async function client(api = "v2.0", below = `${company}/`, headers = {}) {
  bearer ??= await token(
    new URL(service).origin,
    given("BUSINESS_CENTRAL_TENANT"),
    given("BUSINESS_CENTRAL_CLIENT"),
    given("BUSINESS_CENTRAL_SECRET"),
    "https://api.businesscentral.dynamics.com/.default",
  );
  return o("", {
    rootUrl: `${service}/api/${api}/${below}`,
    headers: new Headers({ "Content-Type": "application/json", Authorization: `Bearer ${bearer}`, ...headers }),
  });
}

const change = (row) => client("v2.0", `${company}/`, { "If-Match": row["@odata.etag"] });
const error = async (answer) => (await answer.json()).error.code;

check("companies are listed and counted, whatever the case of the environment's name", async () => {
  const companies = await (await client("v2.0", "")).get("companies").query();
  assert.deepEqual(companies.map((row) => `companies(${row.id})`), [company]);
  const elsewhere = await client("v2.0", "");
  elsewhere.config.rootUrl = new URL(String(elsewhere.config.rootUrl).replace(/Production/, "PRODUCTION"));
  const answer = await elsewhere.get("companies/$count").fetch();
  assert.equal(await answer.text(), "1");
});

check("the query builder's filters, order, projection and count mean what they say", async () => {
  const plain = buildQuery({ filter: [{ blocked: false }, { unitPrice: { gt: 0 } }], select: ["number", "unitPrice"], orderBy: ["unitPrice desc"], top: 5 });
  const items = await (await client()).get(`items${plain}`).query();
  assert.equal(items.length, 5);
  assert.deepEqual(Object.keys(items[0]).filter((name) => !name.includes("@")).sort(), ["number", "unitPrice"]);
  const prices = items.map((item) => item.unitPrice);
  assert.deepEqual(prices, [...prices].sort((one, other) => other - one));
  const either = buildQuery({ filter: { or: [{ number: items[0].number }, { number: items[1].number }] } });
  assert.equal((await (await client()).get(`items${either}`).query()).length, 2);
  const fields = buildQuery({ filter: { or: [{ number: items[0].number }, { displayName: "Nothing" }] } });
  assert.equal((await refusal((await client()).get(`items${fields}`).query())).status, 501, "as the service: no or over different fields");
});

check("a count is text that begins with a byte-order mark", async () => {
  const answer = await (await client()).get("items/$count").fetch();
  const bytes = new Uint8Array(await answer.arrayBuffer());
  assert.deepEqual([...bytes.slice(0, 3)], [0xef, 0xbb, 0xbf]);
  const counted = await (await client()).get("items").fetch({ $count: true, $top: 0 });
  assert.equal(Number(new TextDecoder().decode(bytes)), (await counted.json())["@odata.count"]);
});

check("a record is created, read, changed with its version and deleted", async () => {
  const made = await (await client()).post("customers", { displayName: "Fabrikam 🚲", city: "Oslo" }).query();
  assert.ok(made.number, "the number series gives a number");
  const read = await (await client()).get(`customers(${made.id})`).query();
  assert.equal(read.displayName, "Fabrikam 🚲");
  const changed = await (await change(read)).patch(`customers(${made.id})`, { city: "Bergen" }).query();
  assert.equal(changed.city, "Bergen");
  const stale = await refusal((await change(read)).patch(`customers(${made.id})`, { city: "Rome" }).query());
  assert.deepEqual([stale.status, await error(stale)], [409, "Request_EntityChanged"]);
  const gone = await (await change(changed)).delete(`customers(${made.id})`).fetch();
  assert.equal(gone.status, 204);
  assert.equal((await refusal((await client()).get(`customers(${made.id})`).query())).status, 404);
});

check("the service's refusals arrive with status and code", async () => {
  const refused = async (set, body) => {
    const answer = await refusal((await client()).post(set, body).query());
    return [answer.status, await error(answer)];
  };
  assert.deepEqual(await refused("items", { id: crypto.randomUUID(), displayName: "x" }), [400, "BadRequest_InvalidOperation"]);
  assert.deepEqual(await refused("items", { displayName: "x".repeat(101) }), [400, "Application_StringExceededLength"]);
  assert.deepEqual(await refused("customers", { displayName: "x", country: "Norway" }), [400, "Internal_InvalidTableRelation"]);
  assert.deepEqual(await refused("customers", { name: "x" }), [400, "BadRequest"]);
  const unversioned = await refusal((await client()).patch(`items(${(await (await client()).get("items").query({ $top: 1 }))[0].id})`, {}).query());
  assert.deepEqual([unversioned.status, await error(unversioned)], [400, "BadRequest_InvalidToken"]);
});

check("the companion API takes the id of a new record", async () => {
  const id = crypto.randomUUID();
  const made = await (await client("couplet/sync/v1.0")).post("customers", { id, displayName: "Under our id" }).query();
  assert.equal(made.id, id);
  assert.equal((await (await client()).get(`customers(${id})`).query()).displayName, "Under our id");
  const again = await refusal((await client("couplet/sync/v1.0")).post("customers", { id, displayName: "Again" }).query());
  assert.equal(await error(again), "Internal_EntityWithSameKeyExists");
});

check("expanded lines, a document made with its lines, and values of one navigation", async () => {
  const [customer] = await (await client()).get("customers").query({ $top: 1 });
  const [item] = await (await client()).get(`items${buildQuery({ filter: { blocked: false }, top: 1 })}`).query();
  const lines = [{ itemId: item.id, quantity: 2 }, { lineType: "Comment", description: "Handle with care" }];
  const order = await (await client()).post("salesOrders", { customerId: customer.id, salesOrderLines: lines }).query();
  const read = await (await client()).get(`salesOrders(${order.id})`).query({ $expand: "salesOrderLines,customer" });
  assert.deepEqual(read.salesOrderLines.map((line) => line.lineType), ["Item", "Comment"]);
  assert.equal(read.customer.number, customer.number);
  assert.ok(read.salesOrderLines[0].sequence < read.salesOrderLines[1].sequence);
});

check("several requests of one handler, and a batch with a change set", async () => {
  const handler = await client();
  const [items, customers] = await handler.get("items").get("customers").query({ $top: 2, $select: "id" });
  assert.deepEqual([items.length, customers.length], [2, 2]);
  const root = await client("v2.0", "");
  root.config.batch.headers = new Headers({ Authorization: `Bearer ${bearer}` });
  root.config.batch.useChangset = true;
  const made = await root.post(`${company}/items`, { displayName: "Of a change set" }).post(`${company}/items`, { displayName: "Of the same" }).batch();
  assert.deepEqual(made.map((answer) => [answer.contentId, answer.status]), [[1, 201], [2, 201]]);
  const found = await (await client()).get(`items${buildQuery({ filter: { displayName: "Of the same" } })}`).query();
  assert.deepEqual(found.map((item) => item.number), [made[1].body.number]);
});

check.run();
