// Proves both simulators with odata2ts: it parses each service's $metadata into a client, and the client is used as it comes.

const { execFile } = require("node:child_process");
const { mkdir, rm, writeFile } = require("node:fs/promises");
const { join } = require("node:path");
const { promisify } = require("node:util");
const { FetchClient } = require("@odata2ts/http-client-fetch");
const { assert, given, proof, refusal, token } = require("../checks.js");

const run = promisify(execFile);
const check = proof("odata2ts");
const dataverse = given("DATAVERSE_URL");
const businessCentral = given("BUSINESS_CENTRAL_URL");
const company = given("BUSINESS_CENTRAL_COMPANY");

async function bearer(kind, origin, scope) {
  const access = await token(origin, given(`${kind}_TENANT`), given(`${kind}_CLIENT`), given(`${kind}_SECRET`), scope);
  return { Authorization: `Bearer ${access}` };
}

/** The client that odata2ts makes of what a service says about itself, and the names of the entity sets it lists. */
async function generated(name, root, headers) {
  const folder = join(given("CLIENTS_GENERATED"), name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const metadata = await fetch(`${root}/$metadata`, { headers: { ...headers, Accept: "application/xml" } });
  assert.equal(metadata.status, 200);
  assert.match(metadata.headers.get("content-type"), /^application\/xml/);
  await writeFile(join(folder, "metadata.xml"), await metadata.text());
  const generator = require.resolve("@odata2ts/odata2ts/lib/run-cli.js");
  const options = ["--source", join(folder, "metadata.xml"), "--output", folder, "--service-name", name, "--mode", "service", "--emit-mode", "js"];
  // Types that refer to each other in long chains are more than the compiler inside the generator has room for.
  await run(process.execPath, ["--stack-size=6000", generator, ...options, "--tsconfig", join(__dirname, "..", "tsconfig.json")]);
  const Service = require(join(folder, `${name}Service.js`))[`${name}Service`];
  const document = await (await fetch(`${root}/`, { headers })).json();
  return {
    service: new Service(new FetchClient({ headers }), root),
    sets: document.value.filter((entry) => (entry.kind ?? "EntitySet") === "EntitySet").map((entry) => entry.url),
  };
}

let sales;
let standard;
let companion;

check("the metadata of Dataverse and of both APIs of Business Central becomes clients", async () => {
  const ofDataverse = await bearer("DATAVERSE", dataverse, `${dataverse}/.default`);
  const ofCompany = await bearer("BUSINESS_CENTRAL", new URL(businessCentral).origin, "https://api.businesscentral.dynamics.com/.default");
  [sales, standard, companion] = await Promise.all([
    generated("Sales", `${dataverse}/api/data/v9.2`, ofDataverse),
    generated("Standard", `${businessCentral}/api/v2.0`, ofCompany),
    generated("Companion", `${businessCentral}/api/couplet/sync/v1.0`, ofCompany),
  ]);
  for (const { service, sets } of [sales, standard, companion]) {
    assert.ok(sets.length > 10);
    assert.deepEqual(sets.filter((set) => typeof service[set] !== "function"), [], "entity sets that the metadata does not know");
  }
});

/** Reads a little of a collection; fails on a property that the metadata does not declare. */
async function readsAsDeclared(set, collection) {
  const rows = await collection.query((builder) => builder.top(2));
  const declared = new Set(Object.values(collection.__base.qModel).map((property) => property?.getPath?.()));
  for (const row of rows.data.value) {
    const undeclared = Object.keys(row).filter((name) => !name.includes("@") && !declared.has(name));
    assert.deepEqual(undeclared, [], `properties of ${set} that the metadata does not know`);
  }
  return rows.data.value.length;
}

check("every entity set of Dataverse is read with the columns that its metadata declares", async () => {
  let rows = 0;
  for (const set of sales.sets) {
    rows += await readsAsDeclared(set, sales.service[set]());
  }
  assert.ok(rows > 20);
});

check("Dataverse filters, orders, projects, counts and expands what a generated query asks for", async () => {
  const answer = await sales.service.accounts().query((builder, account) =>
    builder
      .select("name", "customertypecode")
      .filter(account.customertypecode.eq(3), account.name.ne("Nobody"), account.statecode.eq(0))
      .orderBy(account.name.desc())
      .top(3)
      .count()
      .expanding("owninguser", (owner) => owner.select("fullname")),
  );
  const names = answer.data.value.map((row) => row.name);
  assert.ok(names.length > 0 && answer.data["@odata.count"] >= names.length);
  assert.deepEqual(names, [...names].sort().reverse());
  assert.ok(answer.data.value.every((row) => "owninguser" in row));
});

check("a Dataverse record is created, changed, read by key and deleted", async () => {
  const representation = { headers: { Prefer: "return=representation" } };
  const made = await sales.service.accounts().create({ name: "Generated" }, representation);
  assert.equal(made.status, 201);
  const key = made.data.accountid;
  await sales.service.accounts(key).patch({ telephone1: "555-0111" });
  const read = await sales.service.accounts(key).query((builder) => builder.select("name", "telephone1"));
  assert.deepEqual([read.data.name, read.data.telephone1], ["Generated", "555-0111"]);
  await sales.service.accounts(key).delete();
  assert.equal((await refusal(sales.service.accounts(key).query())).status, 404);
});

check("functions of Dataverse are called as its metadata declares them", async () => {
  const who = await sales.service.WhoAmI();
  const user = await sales.service.systemusers(who.data.UserId).query((builder) => builder.select("fullname"));
  assert.ok(user.data.fullname);
});

for (const [title, client] of [
  ["the standard API", () => standard],
  ["the companion API", () => companion],
]) {
  check(`every entity set of ${title} of Business Central is read with the properties that its metadata declares`, async () => {
    const here = client().service.companies(company);
    let rows = 0;
    for (const set of client().sets.filter((name) => name !== "companies")) {
      if (client() === standard && /^sales(Order|Quote|Invoice)Lines$/.test(set)) {
        const alone = await refusal(here[set]().query());
        assert.match(alone.message, /You must specify an Id or a Document Id to get the lines/);
      } else {
        rows += await readsAsDeclared(set, here[set]());
      }
    }
    assert.ok(rows > 10);
  });
}

check("Business Central filters by text, number, time and choice, and expands", async () => {
  const here = standard.service.companies(company);
  const items = await here.items().query((builder, item) =>
    builder
      .select("number", "type", "unitPrice")
      .filter(item.type.eq("Inventory"), item.unitPrice.gt(0), item.blocked.isFalse(), item.number.startsWith("1"))
      .orderBy(item.unitPrice.asc())
      .top(4)
      .count(),
  );
  const prices = items.data.value.map((item) => item.unitPrice);
  assert.deepEqual(prices, [...prices].sort((left, right) => left - right));
  assert.ok(items.data["@odata.count"] >= prices.length && prices.length === 4);
  const since = await here.customers().query((builder, customer) => builder.select("id").filter(customer.lastModifiedDateTime.gt("2020-01-01T00:00:00Z")).expand("currency"));
  assert.ok(since.data.value.length > 0);
});

check("a Business Central record is created, changed with its version, read by key and deleted", async () => {
  const here = standard.service.companies(company);
  const made = await here.customers().create({ displayName: "Generated", city: "Austin" });
  assert.equal(made.status, 201);
  const key = made.data.id;
  const version = { headers: { "If-Match": made.data["@odata.etag"] } };
  const changed = await here.customers(key).patch({ city: "Dallas" }, version);
  assert.equal(changed.data.city, "Dallas");
  assert.equal((await refusal(here.customers(key).patch({ city: "Paris" }, version))).status, 409);
  assert.equal((await refusal(here.customers(key).patch({ city: "Paris" }))).status, 400);
  assert.equal((await here.customers(key).query((builder) => builder.select("city"))).data.city, "Dallas");
  await here.customers(key).delete({ headers: { "If-Match": "*" } });
  assert.equal((await refusal(here.customers(key).query())).status, 404);
});

check("a bound action of Business Central is called as its metadata declares it", async () => {
  const here = standard.service.companies(company);
  const customer = await here.customers().create({ displayName: "Acted upon" });
  const item = await here.items().create({ displayName: "Acted upon", baseUnitOfMeasureCode: "PCS", unitPrice: 5 });
  const order = await here.salesOrders().create({ customerId: customer.data.id, salesOrderLines: [{ lineType: "Item", itemId: item.data.id, quantity: 2 }] });
  const acted = await here.salesOrders(order.data.id).shipAndInvoice();
  assert.equal(acted.status, 204);
  const invoices = await here.salesInvoices().query((builder, invoice) => builder.select("totalAmountExcludingTax").filter(invoice.orderNumber.eq(order.data.number)));
  assert.deepEqual(invoices.data.value.map((invoice) => invoice.totalAmountExcludingTax), [10]);
});

check.run();
