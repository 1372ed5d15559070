// Proves the Dataverse simulator with the npm package dynamics-web-api, unchanged.

const { DynamicsWebApi } = require("dynamics-web-api");
const { assert, given, proof, refusal, token } = require("../checks.js");

const url = given("DATAVERSE_URL");
const check = proof("dynamics-web-api");

let issued;
const onTokenRefresh = async () =>
  (issued ??= await token(url, given("DATAVERSE_TENANT"), given("DATAVERSE_CLIENT"), given("DATAVERSE_SECRET"), `${url}/.default`));
const api = new DynamicsWebApi({ serverUrl: url, dataApi: { version: "9.2" }, onTokenRefresh });

const named = (prefix, count) =>
  Array.from({ length: count }, (_, at) => ({
    "@odata.type": "Microsoft.Dynamics.CRM.account",
    name: `${prefix} ${String(at).padStart(5, "0")}`,
  }));
const bulk = (collection, actionName, Targets) =>
  api.callAction({ collection, actionName: `Microsoft.Dynamics.CRM.${actionName}`, action: { Targets } });
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

check("a function without parameters says who is calling", async () => {
  const who = await api.callFunction("WhoAmI");
  assert.match(who.UserId, guid);
  assert.match(who.OrganizationId, guid);
});

check("a record is created, read, updated and deleted", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Adventure Works", revenue: 1234.5 } });
  assert.match(key, guid);
  const read = await api.retrieve({ collection: "accounts", key, select: ["name", "revenue"] });
  assert.equal(read.name, "Adventure Works");
  assert.equal(read.revenue, 1234.5);
  assert.equal(await api.update({ collection: "accounts", key, data: { telephone1: "555-0100" } }), true);
  await api.updateSingleProperty({ collection: "accounts", key, fieldValuePair: { name: "Adventure Works Cycles" } });
  await api.deleteRecord({ collection: "accounts", key, property: "revenue" });
  const changed = await api.retrieve({ collection: "accounts", key, select: ["name", "telephone1", "revenue"] });
  assert.deepEqual([changed.name, changed.telephone1, changed.revenue], ["Adventure Works Cycles", "555-0100", null]);
  await api.deleteRecord({ collection: "accounts", key });
  const gone = await refusal(api.retrieve({ collection: "accounts", key, select: ["name"] }));
  assert.deepEqual([gone.status, gone.code], [404, "0x80040217"]);
});

check("a representation is returned where it is asked for", async () => {
  const made = await api.create({ collection: "accounts", data: { name: "Fourth Coffee" }, returnRepresentation: true, select: ["name", "accountid"] });
  assert.equal(made.name, "Fourth Coffee");
  assert.match(made["@odata.etag"], /^W\/"\d+"$/);
  const changed = await api.update({ collection: "accounts", key: made.accountid, data: { name: "Fifth Coffee" }, returnRepresentation: true, select: ["name"] });
  assert.equal(changed.name, "Fifth Coffee");
});

check("formatted values and lookups are annotated", async () => {
  const contact = await api.create({ collection: "contacts", data: { lastname: "Annotated" } });
  const key = await api.create({ collection: "accounts", data: { name: "Annotations", customertypecode: 3, "primarycontactid@odata.bind": `contacts(${contact})` } });
  const read = await api.retrieve({ collection: "accounts", key, select: ["customertypecode", "_primarycontactid_value"], includeAnnotations: "*" });
  assert.equal(read.customertypecode_Formatted, "Customer");
  assert.equal(read._primarycontactid_value_Formatted, "Annotated");
  assert.equal(read._primarycontactid_value_LogicalName, "contact");
  assert.equal(read._primarycontactid_value_NavigationProperty, "primarycontactid");
});

check("related records are expanded with options of their own", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Expanding", primarycontactid: { firstname: "Deep", lastname: "Insert" } } });
  for (const lastname of ["Bravo", "Alpha"]) {
    await api.create({ collection: "contacts", data: { lastname, "parentcustomerid_account@odata.bind": `/accounts(${key})` } });
  }
  const read = await api.retrieve({
    collection: "accounts",
    key,
    select: ["name"],
    expand: [
      { property: "primarycontactid", select: ["fullname"] },
      { property: "contact_customer_accounts", select: ["lastname"], orderBy: ["lastname"], filter: "lastname ne 'Nobody'" },
    ],
  });
  assert.equal(read.primarycontactid.fullname, "Deep Insert");
  assert.deepEqual(read.contact_customer_accounts.map((contact) => contact.lastname), ["Alpha", "Bravo"]);
});

check("single-valued relationships are set and cleared", async () => {
  const account = await api.create({ collection: "accounts", data: { name: "Related" } });
  const contact = await api.create({ collection: "contacts", data: { lastname: "Related" } });
  await api.associateSingleValued({ collection: "accounts", primaryKey: account, navigationProperty: "primarycontactid", relatedCollection: "contacts", relatedKey: contact });
  const select = ["_primarycontactid_value"];
  assert.equal((await api.retrieve({ collection: "accounts", key: account, select }))._primarycontactid_value, contact);
  await api.disassociateSingleValued({ collection: "accounts", primaryKey: account, navigationProperty: "primarycontactid" });
  assert.equal((await api.retrieve({ collection: "accounts", key: account, select }))._primarycontactid_value, null);
});

check("collection-valued relationships are associated and disassociated", async () => {
  const account = await api.create({ collection: "accounts", data: { name: "Parent" } });
  const contact = await api.create({ collection: "contacts", data: { lastname: "Child" } });
  const relation = { collection: "accounts", primaryKey: account, relationshipName: "contact_customer_accounts", relatedKey: contact };
  await api.associate({ ...relation, relatedCollection: "contacts" });
  const parent = async () => (await api.retrieve({ collection: "contacts", key: contact, select: ["_parentcustomerid_value"] }))._parentcustomerid_value;
  assert.equal(await parent(), account);
  await api.disassociate(relation);
  assert.equal(await parent(), null);
});

check("an upsert creates, updates, and does neither where it is forbidden", async () => {
  const key = "0b9e2f4c-7d61-4c58-9a3e-5f1d2c3b4a59";
  const upsert = (name, more = {}) => api.upsert({ collection: "accounts", key, data: { name }, ...more });
  const name = async () => (await api.retrieve({ collection: "accounts", key, select: ["name"] })).name;
  assert.equal(await upsert("Never created", { ifmatch: "*" }), null);
  await upsert("Created");
  assert.equal(await name(), "Created");
  assert.equal(await upsert("Prevented", { ifnonematch: "*" }), null);
  await upsert("Updated");
  assert.equal(await name(), "Updated");
});

check("a stale version changes and deletes nothing, an unchanged one is not sent again", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Versioned" } });
  const read = await api.retrieve({ collection: "accounts", key, select: ["name"] });
  const first = read["@odata.etag"];
  assert.equal(await api.update({ collection: "accounts", key, data: { name: "Second" }, ifmatch: first }), true);
  assert.equal(await api.update({ collection: "accounts", key, data: { name: "Third" }, ifmatch: first }), false);
  assert.equal(await api.deleteRecord({ collection: "accounts", key, ifmatch: first }), false);
  const now = await api.retrieve({ collection: "accounts", key, select: ["name"] });
  assert.equal(now.name, "Second");
  assert.equal(await api.retrieve({ collection: "accounts", key, select: ["name"], ifnonematch: now["@odata.etag"] }), undefined);
});

check("5,200 rows are created in bulk, counted and read page by page", async () => {
  const made = [];
  for (const chunk of [0, 1, 2, 3, 4, 5]) {
    const targets = named(`Bulk ${chunk}`, chunk === 5 ? 200 : 1000);
    made.push(...(await bulk("accounts", "CreateMultiple", targets)).Ids);
  }
  assert.equal(new Set(made).size, 5200);
  const filter = "startswith(name,'Bulk ')";
  const all = await api.retrieveAll({ collection: "accounts", select: ["name"], filter });
  assert.equal(all.value.length, 5200);
  assert.deepEqual(new Set(all.value.map((row) => row.accountid)), new Set(made));
  assert.equal(await api.countAll({ collection: "accounts", filter }), 5200);
  assert.equal(await api.count({ collection: "accounts", filter }), 5000, "$count with a filter stops at 5,000");
  const page = await api.retrieveMultiple({ collection: "accounts", select: ["name"], filter, orderBy: ["name desc"], maxPageSize: 3, count: true });
  assert.equal(page.oDataCount, 5000, "the count of a query stops at 5,000");
  assert.equal(page.value.length, 3);
  assert.equal(page.value[0].name, "Bulk 5 00199");
  const next = await api.retrieveMultiple({ collection: "accounts", select: ["name"], maxPageSize: 3 }, page.oDataNextLink);
  assert.deepEqual(next.value.map((row) => row.name), ["Bulk 5 00196", "Bulk 5 00195", "Bulk 5 00194"]);
  const top = await api.retrieveMultiple({ collection: "accounts", select: ["name"], filter, orderBy: ["name"], top: 2 });
  assert.deepEqual(top.value.map((row) => row.name), ["Bulk 0 00000", "Bulk 0 00001"]);
});

check("rows are updated and upserted in bulk, all of them or none", async () => {
  const { Ids } = await bulk("accounts", "CreateMultiple", named("Together", 3));
  const typed = (accountid, name) => ({ "@odata.type": "Microsoft.Dynamics.CRM.account", accountid, name });
  await bulk("accounts", "UpdateMultiple", Ids.map((id, at) => typed(id, `Renamed ${at}`)));
  const fresh = "5e1f0a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b";
  await bulk("accounts", "UpsertMultiple", [typed(Ids[0], "Upserted 0"), typed(fresh, "Upserted new")]);
  const name = async (key) => (await api.retrieve({ collection: "accounts", key, select: ["name"] })).name;
  assert.deepEqual([await name(Ids[0]), await name(Ids[1]), await name(fresh)], ["Upserted 0", "Renamed 1", "Upserted new"]);
  const refused = await refusal(bulk("accounts", "UpdateMultiple", [typed(Ids[1], "Half done"), typed(Ids[2], "x".repeat(161))]));
  assert.equal(refused.status, 400);
  assert.equal(await name(Ids[1]), "Renamed 1");
});

check("FetchXML filters, joins, pages and aggregates", async () => {
  const contact = await api.create({ collection: "contacts", data: { lastname: "Fetched" } });
  for (const at of [1, 2, 3]) {
    await api.create({ collection: "accounts", data: { name: `Fetch ${at}`, revenue: at * 10, "primarycontactid@odata.bind": `/contacts(${contact})` } });
  }
  const fetchXml = `<fetch count="2"><entity name="account"><attribute name="name"/><order attribute="name"/>
    <filter type="and"><condition attribute="name" operator="like" value="Fetch %"/></filter>
    <link-entity name="contact" from="contactid" to="primarycontactid" alias="person" link-type="inner"><attribute name="lastname"/></link-entity>
    </entity></fetch>`;
  const first = await api.fetch({ collection: "accounts", fetchXml, includeAnnotations: "*" });
  assert.deepEqual(first.value.map((row) => [row.name, row["person.lastname"]]), [["Fetch 1", "Fetched"], ["Fetch 2", "Fetched"]]);
  const second = await api.fetch({ collection: "accounts", fetchXml, includeAnnotations: "*", pageNumber: first.PagingInfo.nextPage, pagingCookie: first.PagingInfo.cookie });
  assert.deepEqual(second.value.map((row) => row.name), ["Fetch 3"]);
  assert.equal((await api.fetchAll({ collection: "accounts", fetchXml })).value.length, 3);
  const sums = await api.fetch({
    collection: "accounts",
    fetchXml: `<fetch aggregate="true"><entity name="account"><attribute name="revenue" alias="total" aggregate="sum"/><attribute name="accountid" alias="rows" aggregate="count"/>
      <filter><condition attribute="name" operator="like" value="Fetch %"/></filter></entity></fetch>`,
  });
  assert.deepEqual([sums.value[0].total, sums.value[0].rows], [60, 3]);
});

check("FetchXML reads more than 5,000 rows through its paging cookie", async () => {
  const fetchXml = `<fetch><entity name="account"><attribute name="name"/><filter><condition attribute="name" operator="begins-with" value="Bulk "/></filter></entity></fetch>`;
  const all = await api.fetchAll({ collection: "accounts", fetchXml });
  assert.equal(new Set(all.value.map((row) => row.accountid)).size, 5200);
});

check("changes are tracked from a delta link on", async () => {
  const [kept, removed] = [await api.create({ collection: "contacts", data: { lastname: "Tracked" } }), await api.create({ collection: "contacts", data: { lastname: "Removed" } })];
  const start = await api.retrieveAll({ collection: "contacts", select: ["lastname"], trackChanges: true });
  const link = start.oDataDeltaLink;
  assert.ok(link, "the last page carries a delta link");
  await api.update({ collection: "contacts", key: kept, data: { lastname: "Changed" } });
  const added = await api.create({ collection: "contacts", data: { lastname: "Added" } });
  await api.deleteRecord({ collection: "contacts", key: removed });
  const delta = await api.retrieveMultiple({ collection: "contacts", trackChanges: true }, link);
  const upserts = delta.value.filter((row) => row.contactid);
  assert.deepEqual(upserts.map((row) => [row.contactid, row.lastname]), [[kept, "Changed"], [added, "Added"]]);
  const deletions = delta.value.filter((row) => !row.contactid);
  assert.deepEqual(deletions.map((row) => [row.id, row.reason]), [[removed, "deleted"]]);
  const quiet = await api.retrieveMultiple({ collection: "contacts", trackChanges: true }, delta.oDataDeltaLink);
  assert.deepEqual(quiet.value, []);
});

check("a change set refers to its own records and is one transaction", async () => {
  api.startBatch();
  api.create({ collection: "contacts", data: { lastname: "In a set" }, contentId: "1" });
  api.create({ collection: "accounts", data: { name: "In a set", "primarycontactid@odata.bind": "$1" }, contentId: "2" });
  const [contact, account] = await api.executeBatch();
  assert.equal((await api.retrieve({ collection: "accounts", key: account, select: ["_primarycontactid_value"] }))._primarycontactid_value, contact);
  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Rolled back" } });
  api.update({ collection: "accounts", key: account, data: { name: "x".repeat(161) } });
  const refused = await refusal(api.executeBatch());
  assert.ok(JSON.stringify(refused, Object.getOwnPropertyNames(Array.isArray(refused) ? refused[0] : refused)).length > 2);
  const left = await api.retrieveMultiple({ collection: "accounts", select: ["name"], filter: "name eq 'Rolled back'" });
  assert.deepEqual(left.value, []);
});

check("a batch outside of change sets goes on after an error where it is asked to", async () => {
  const missing = "11111111-2222-4333-8444-555555555555";
  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Before the error" }, inChangeSet: false });
  api.retrieve({ collection: "accounts", key: missing, select: ["name"], inChangeSet: false });
  api.retrieveMultiple({ collection: "accounts", select: ["name"], filter: "name eq 'Before the error'", inChangeSet: false });
  const answers = await api.executeBatch({ continueOnError: true });
  assert.match(answers[0], guid);
  assert.equal(answers[1].status ?? answers[1].statusCode, 404);
  assert.equal(answers[2].value.length, 1);
});

check("a query too long for an address is sent as a batch", async () => {
  const filter = Array.from({ length: 90 }, (_, at) => `name eq 'Bulk 0 ${String(at).padStart(5, "0")}'`).join(" or ");
  const rows = await api.retrieveMultiple({ collection: "accounts", select: ["name"], filter });
  assert.equal(rows.value.length, 90);
});

check("alternate keys are declared, read and used for upserts and lookups", async () => {
  await api.create({
    collection: "EntityDefinitions",
    key: "LogicalName='contact'",
    navigationProperty: "Keys",
    data: {
      SchemaName: "new_ByEmployeeId",
      DisplayName: { "@odata.type": "Microsoft.Dynamics.CRM.Label", LocalizedLabels: [{ "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", Label: "By employee id", LanguageCode: 1033 }] },
      KeyAttributes: ["employeeid"],
    },
  });
  const definition = await api.retrieveEntity({ key: "LogicalName='contact'", select: ["LogicalName"], expand: [{ property: "Keys", select: ["SchemaName", "KeyAttributes"] }] });
  assert.deepEqual(definition.Keys.filter((key) => key.SchemaName === "new_ByEmployeeId").map((key) => key.KeyAttributes), [["employeeid"]]);
  await api.upsert({ collection: "contacts", key: "employeeid='E-1'", data: { lastname: "Keyed" } });
  await api.upsert({ collection: "contacts", key: "employeeid='E-1'", data: { firstname: "Again" } });
  const read = await api.retrieve({ collection: "contacts", key: "employeeid='E-1'", select: ["fullname", "employeeid"] });
  assert.deepEqual([read.fullname, read.employeeid], ["Again Keyed", "E-1"]);
  const account = await api.create({ collection: "accounts", data: { name: "Bound by key", "primarycontactid@odata.bind": "/contacts(employeeid='E-1')" } });
  assert.equal((await api.retrieve({ collection: "accounts", key: account, select: ["_primarycontactid_value"] }))._primarycontactid_value, read.contactid);
  const twice = await refusal(api.create({ collection: "contacts", data: { lastname: "Twice", employeeid: "E-1" } }));
  assert.deepEqual([twice.status, twice.code], [412, "0x80060892"]);
});

check("table, column, option and relationship definitions are read", async () => {
  const tables = await api.retrieveEntities({ select: ["LogicalName", "EntitySetName"], filter: "LogicalName eq 'product' or LogicalName eq 'account'" });
  assert.deepEqual(tables.value.map((table) => table.EntitySetName).sort(), ["accounts", "products"]);
  const account = await api.retrieveEntity({ key: "LogicalName='account'", select: ["LogicalName", "PrimaryIdAttribute", "PrimaryNameAttribute", "ChangeTrackingEnabled"] });
  assert.deepEqual([account.PrimaryIdAttribute, account.PrimaryNameAttribute, account.ChangeTrackingEnabled], ["accountid", "name", true]);
  const name = await api.retrieveAttribute({ entityKey: "LogicalName='account'", attributeKey: "LogicalName='name'", castType: "Microsoft.Dynamics.CRM.StringAttributeMetadata", select: ["LogicalName", "MaxLength"] });
  assert.equal(name.MaxLength, 160);
  const lists = await api.retrieveAttributes({ entityKey: "LogicalName='account'", castType: "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", select: ["LogicalName"], expand: [{ property: "OptionSet", select: ["Options"] }] });
  const terms = lists.value.find((column) => column.LogicalName === "paymenttermscode");
  assert.deepEqual(terms.OptionSet.Options.map((option) => [option.Value, option.Label.UserLocalizedLabel.Label])[0], [1, "Net 30"]);
  const relations = await api.retrieveRelationships({ castType: "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata", select: ["SchemaName", "ReferencingAttribute"], filter: "SchemaName eq 'account_primary_contact'" });
  assert.ok(relations.value.length <= 1);
  assert.match(await api.retrieveCsdlMetadata(), /<EntityType Name="account"/);
});

check("an option is added through an action", async () => {
  const added = await api.callAction({
    actionName: "InsertOptionValue",
    action: {
      EntityLogicalName: "account",
      AttributeLogicalName: "paymenttermscode",
      Value: 777,
      Label: { "@odata.type": "Microsoft.Dynamics.CRM.Label", LocalizedLabels: [{ "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", Label: "Net 77", LanguageCode: 1033 }] },
    },
  });
  assert.equal(added.NewOptionValue, 777);
  const key = await api.create({ collection: "accounts", data: { name: "New terms", paymenttermscode: 777 } });
  const read = await api.retrieve({ collection: "accounts", key, select: ["paymenttermscode"], includeAnnotations: "OData.Community.Display.V1.FormattedValue" });
  assert.equal(read.paymenttermscode_Formatted, "Net 77");
});

check("functions take parameters", async () => {
  const total = await api.callFunction({ name: "RetrieveTotalRecordCount", parameters: { EntityNames: ["account"] } });
  assert.deepEqual(total.EntityRecordCountCollection.Keys, ["account"]);
  const version = await api.callFunction({ name: "RetrieveVersion" });
  assert.match(version.Version, /^9\.2\./);
});

check("names of tables stand for names of collections", async () => {
  const friendly = new DynamicsWebApi({ serverUrl: url, dataApi: { version: "9.2" }, onTokenRefresh, useEntityNames: true });
  const rows = await friendly.retrieveMultiple({ collection: "transactioncurrency", select: ["isocurrencycode"], filter: "isocurrencycode eq 'USD'" });
  assert.equal(rows.value.length, 1);
});

check("a request is carried out in the name of another user", async () => {
  const people = await api.retrieveMultiple({ collection: "systemusers", select: ["fullname"], filter: "islicensed eq true and isdisabled eq false", top: 1 });
  const key = await api.create({ collection: "accounts", data: { name: "Impersonated" }, impersonate: people.value[0].systemuserid });
  assert.equal((await api.retrieve({ collection: "accounts", key, select: ["_createdby_value"] }))._createdby_value, people.value[0].systemuserid);
});

check("refusals carry the status and the code of the service", async () => {
  const cases = [
    [{ name: "Unknown", nosuchcolumn: 1 }, 400, "0x80060888"],
    [{ name: 1 }, 400, "0x80048d19"],
    [{ name: "x".repeat(161) }, 400, "0x80044331"],
    [{ name: "Out of range", customertypecode: 4711 }, 400, "0x8004431a"],
  ];
  for (const [data, status, code] of cases) {
    const refused = await refusal(api.create({ collection: "accounts", data }));
    assert.deepEqual([refused.status, refused.code.toLowerCase()], [status, code]);
    assert.ok(refused.message.length > 10);
  }
  const column = await refusal(api.retrieveMultiple({ collection: "accounts", select: ["nosuchcolumn"] }));
  assert.deepEqual([column.status, column.code], [400, "0x80060888"]);
  const table = await refusal(api.retrieveMultiple({ collection: "nosuchtables", select: ["name"] }));
  assert.deepEqual([table.status, table.code], [404, "0x80060888"]);
  const stranger = new DynamicsWebApi({ serverUrl: url, dataApi: { version: "9.2" }, onTokenRefresh: async () => "not-a-token" });
  assert.equal((await refusal(stranger.callFunction("WhoAmI"))).status, 401);
});

check("throttling is passed on with the pause that the service asks for", async () => {
  await fetch(`${url}/_simulator/faults`, { method: "POST", body: JSON.stringify({ throttle_next: { count: 1, retry_after: 7 } }) });
  const refused = await refusal(api.callFunction("WhoAmI"));
  assert.deepEqual([refused.status, refused.code.toLowerCase(), refused.headers["retry-after"]], [429, "0x80072322", "7"]);
  assert.match((await api.callFunction("WhoAmI")).UserId, guid);
});

check.run();
