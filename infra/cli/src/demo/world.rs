//! Both systems' records and the couplings between them, as they are at one moment.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use couplet_model::ActiveMapping;
use couplet_model::catalogue::MappingKind;
use couplet_model::table::{Column, Table};
use couplet_runtime::Application;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::company::Company;
use super::row::{Names, Row, id};

type Rows = HashMap<Uuid, Row>;
/// Coupled pairs by mapping.
pub type Couplings = BTreeMap<String, Vec<Pair>>;

/// Tables of Dataverse the comparison looks at beyond those that mappings pair.
const BESIDES: [&str; 4] = ["transactioncurrency", "productpricelevel", "pricelevel", "uom"];

/// Columns the comparison looks at beside those that mappings name.
const COLUMNS: [&str; 55] = [
    "_defaultuomid_value",
    "_defaultuomscheduleid_value",
    "_pricelevelid_value",
    "_productid_value",
    "_salesorderid_value",
    "_transactioncurrencyid_value",
    "_uomid_value",
    "_uomscheduleid_value",
    "amount",
    "baseUnitOfMeasureCode",
    "blocked",
    "code",
    "companyNumber",
    "customerPurchaseOrderReference",
    "description",
    "discountAmount",
    "documentId",
    "freightamount",
    "id",
    "isocurrencycode",
    "itemNo",
    "lastbackofficesubmit",
    "lineObjectNumber",
    "localCurrencyCode",
    "manualdiscountamount",
    "minimumQuantity",
    "name",
    "notetext",
    "number",
    "orderNumber",
    "ordernumber",
    "priceperunit",
    "productnumber",
    "producttypecode",
    "quantity",
    "quotenumber",
    "requestdeliveryby",
    "requestedDeliveryDate",
    "resourceNo",
    "shipToAddressLine1",
    "shipToCity",
    "shipto_city",
    "shipto_line1",
    "sourceNo",
    "sourceType",
    "statecode",
    "statuscode",
    "subject",
    "text",
    "totalAmountExcludingTax",
    "totalamountlessfreight",
    "unitPrice",
    "volumediscountamount",
    "workDescription",
    "yourReference",
];

/// Tables of units that belong to an item or a resource, and the column with the owner's number.
const UNITS: [(&str, &str); 2] = [("Item Unit of Measure", "itemNo"), ("Resource Unit of Measure", "resourceNo")];

/// A coupled pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Business Central.
    pub business_central: Uuid,
    /// Dataverse.
    pub dataverse: Uuid,
}

/// Everything at one moment.
#[derive(Debug, Default)]
pub struct World {
    /// Records of Business Central by table and id.
    pub business_central: BTreeMap<String, Rows>,
    /// Rows of Dataverse by table and id.
    pub dataverse: BTreeMap<String, Rows>,
    /// Couplings by mapping.
    pub couplings: Couplings,
    /// Partners by mapping and code.
    partners: HashMap<String, HashMap<String, Uuid>>,
    /// Ids of the rows of `product` by number.
    products: HashMap<String, Uuid>,
    /// Ids of the rows of `productpricelevel` by product.
    price_lines: HashMap<Uuid, Vec<Uuid>>,
    /// Ids of the rows of `uom` by unit group.
    units: HashMap<Uuid, Vec<Uuid>>,
    /// The partners of unit groups by kind and number of their owners.
    unit_groups: HashMap<(String, String), Uuid>,
    /// The partners of units by their table, the number of their owner and their code.
    own_units: HashMap<(String, String, String), Uuid>,
}

impl World {
    /// Reads both simulators' stores and all couplings.
    ///
    /// # Errors
    /// When the couplings cannot be read.
    pub async fn read(company: &Company, application: &Application) -> anyhow::Result<Self> {
        let engine = &application.engine;
        let mut reader = Reader { company, mappings: engine.mappings(), world: Self::default() };
        reader.world.couplings = couplings(application).await?;
        let coupled = |mapping: &&ActiveMapping| reader.world.couplings.contains_key(mapping.name.as_str());
        let coupled: Vec<&ActiveMapping> = engine.mappings().into_iter().filter(coupled).collect();
        for mapping in coupled {
            reader.business_central(&mapping.business_central);
            reader.dataverse(&mapping.dataverse);
        }
        let catalogue = engine.catalogue();
        if let Some(table) = catalogue.business_central_table("General Ledger Setup") {
            reader.business_central(table);
        }
        for table in BESIDES.into_iter().filter_map(|name| catalogue.dataverse_table(name)) {
            reader.dataverse(table);
        }
        reader.world.index(&engine.mappings());
        Ok(reader.world)
    }

    /// Finds products by their numbers, partners by the codes of their records, and the price lines, unit groups and units
    /// of every product, so that ten thousand products are compared in a moment.
    pub fn index(&mut self, mappings: &[&ActiveMapping]) {
        self.partners =
            mappings.iter().map(|mapping| (mapping.name.to_string(), self.partners_by_code(mapping))).collect();
        let number = |row: &Row| Some(row.get("productnumber")?.to_owned());
        let products = self.dataverse_rows("product").filter_map(|(id, row)| Some((number(row)?, *id)));
        self.products = products.collect();
        let mut index: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (line, row) in self.dataverse_rows("productpricelevel") {
            if let Some(product) = id(row.get("_productid_value")) {
                index.entry(product).or_default().push(*line);
            }
        }
        self.price_lines = index;
        self.units.clear();
        for (unit, row) in self.dataverse.get("uom").into_iter().flatten() {
            if let Some(group) = id(row.get("_uomscheduleid_value")) {
                self.units.entry(group).or_default().push(*unit);
            }
        }
        for pair in self.pairs_of_table("Unit Group").to_vec() {
            let row = self.business_central_row("Unit Group", pair.business_central);
            let text = |name: &str| Some(row?.get(name)?.to_owned());
            if let (Some(kind), Some(number)) = (text("sourceType"), text("sourceNo")) {
                self.unit_groups.insert((kind, number), pair.dataverse);
            }
        }
        for (table, owner) in UNITS {
            for pair in self.pairs_of_table(table).to_vec() {
                let row = self.business_central_row(table, pair.business_central);
                let text = |name: &str| Some(row?.get(name)?.to_owned());
                if let (Some(number), Some(code)) = (text(owner), text("code")) {
                    self.own_units.insert((table.to_owned(), number, code.to_uppercase()), pair.dataverse);
                }
            }
        }
    }

    fn partners_by_code(&self, mapping: &ActiveMapping) -> HashMap<String, Uuid> {
        let table = &mapping.business_central;
        let key = if table.columns.contains_key("code") { "code" } else { "number" };
        let code = |pair: &Pair| {
            let record = self.business_central_row(&table.name, pair.business_central)?;
            Some((record.get(key)?.trim_end().to_uppercase(), pair.dataverse))
        };
        self.pairs(mapping.name.as_str()).iter().filter_map(code).collect()
    }

    /// The partner of the record of a mapping that has this code or number.
    pub fn partner(&self, mapping: &str, code: &str) -> Option<Uuid> {
        self.partners.get(mapping)?.get(&code.trim_end().to_uppercase()).copied()
    }

    /// The product with this number.
    pub fn product(&self, number: &str) -> Option<&Row> {
        self.dataverse_row("product", *self.products.get(number)?)
    }

    /// The partner of a unit of an item or a resource, if this table holds such units.
    pub fn own_unit(&self, table: &str, number: &str, code: &str) -> Option<Option<Uuid>> {
        let key = (table.to_owned(), number.to_owned(), code.to_uppercase());
        UNITS.iter().any(|(units, _)| *units == table).then(|| self.own_units.get(&key).copied())
    }

    /// The units of a unit group.
    pub fn units_of_group(&self, group: Option<Uuid>) -> impl Iterator<Item = (Uuid, &Row)> {
        let units = group.and_then(|group| self.units.get(&group)).into_iter().flatten();
        units.filter_map(|unit| Some((*unit, self.dataverse_row("uom", *unit)?)))
    }

    /// The partner of the unit group of an item or a resource.
    pub fn own_unit_group(&self, kind: &str, number: &str) -> Option<Uuid> {
        self.unit_groups.get(&(kind.to_owned(), number.to_owned())).copied()
    }

    /// The lines of a product in all price lists.
    pub fn price_lines(&self, product: Uuid) -> impl Iterator<Item = &Row> {
        let lines = self.price_lines.get(&product).into_iter().flatten();
        lines.filter_map(|line| self.dataverse_row("productpricelevel", *line))
    }

    /// The pairs of a mapping, in the order of their Business Central ids.
    pub fn pairs(&self, mapping: &str) -> &[Pair] {
        self.couplings.get(mapping).map_or(&[], Vec::as_slice)
    }

    /// The pairs of the mapping whose records are in this table of Business Central.
    pub fn pairs_of_table(&self, table: &str) -> &[Pair] {
        let is_of_table = |pair: &Pair| self.business_central_row(table, pair.business_central).is_some();
        self.couplings.values().find(|pairs| pairs.first().is_some_and(is_of_table)).map_or(&[], Vec::as_slice)
    }

    /// A record of Business Central.
    pub fn business_central_row(&self, table: &str, id: Uuid) -> Option<&Row> {
        self.business_central.get(table)?.get(&id)
    }

    /// A row of Dataverse.
    pub fn dataverse_row(&self, table: &str, id: Uuid) -> Option<&Row> {
        self.dataverse.get(table)?.get(&id)
    }

    /// All records of a table of Business Central.
    pub fn business_central_rows(&self, table: &str) -> impl Iterator<Item = (&Uuid, &Row)> {
        self.business_central.get(table).into_iter().flatten()
    }

    /// All rows of a table of Dataverse.
    pub fn dataverse_rows(&self, table: &str) -> impl Iterator<Item = (&Uuid, &Row)> {
        self.dataverse.get(table).into_iter().flatten()
    }

    /// The local currency code of the company.
    pub fn local_currency(&self) -> &str {
        let setup = self.business_central.get("General Ledger Setup").and_then(|rows| rows.values().next());
        setup.and_then(|row| row.get("localCurrencyCode")).unwrap_or_default()
    }
}

/// The pairs of every mapping that has any, in the order of their Business Central ids.
///
/// # Errors
/// When the couplings cannot be read.
pub async fn couplings(application: &Application) -> anyhow::Result<Couplings> {
    const PAGE: usize = 1000;
    let engine = &application.engine;
    let mut couplings = Couplings::new();
    for mapping in engine.mappings().into_iter().filter(|mapping| mapping.kind == MappingKind::Table) {
        let mut pairs = Vec::new();
        let mut after = None;
        loop {
            let page = engine.store().coupling_page(engine.company(), &mapping.name, after, PAGE).await?;
            pairs.extend(
                page.couplings.iter().map(|coupling| Pair {
                    business_central: coupling.system_id.0,
                    dataverse: coupling.dataverse_id.0,
                }),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if !pairs.is_empty() {
            pairs.sort_by_key(|pair| pair.business_central);
            couplings.insert(mapping.name.to_string(), pairs);
        }
    }
    Ok(couplings)
}

struct Reader<'a> {
    company: &'a Company,
    mappings: Vec<&'a ActiveMapping>,
    world: World,
}

impl Reader<'_> {
    fn business_central(&mut self, table: &Table) {
        let simulator = &self.company.business_central;
        let fields = self.mappings.iter().filter(|mapping| mapping.business_central.name == table.name);
        let columns = fields.flat_map(|mapping| &mapping.fields).filter_map(|field| field.business_central.as_deref());
        let names = names(table, columns);
        let rows = || {
            let rows = by_id(|visit| simulator.visit_rows(&table.name, visit), table, &names);
            // Couplet knows posted invoices by the id of the companion app.
            let shown = |(id, row): (Uuid, Row)| (simulator.companion_id(&table.name, id).unwrap_or(id), row);
            rows.into_iter().map(shown).collect()
        };
        self.world.business_central.entry(table.name.clone()).or_insert_with(rows);
    }

    fn dataverse(&mut self, table: &Table) {
        let simulator = &self.company.dataverse;
        let fields = self.mappings.iter().filter(|mapping| mapping.dataverse.name == table.name);
        let columns = fields.flat_map(|mapping| &mapping.fields).filter_map(|field| field.dataverse.as_deref());
        let names = names(table, columns);
        let rows = || by_id(|visit| simulator.visit_rows(&table.name, visit), table, &names);
        self.world.dataverse.entry(table.name.clone()).or_insert_with(rows);
    }
}

/// Names of all columns of a table that mappings or the comparison look at.
fn names<'a>(table: &Table, columns: impl Iterator<Item = &'a Column>) -> Names {
    let mut names: Names = COLUMNS.into_iter().map(Arc::from).collect();
    for column in columns {
        names.extend([column.name.as_str().into(), format!("_{}_value", column.name).into()]);
    }
    names.extend(table.label_column.as_deref().map(Arc::from));
    names
}

fn by_id(read: impl FnOnce(&mut dyn FnMut(Map<String, Value>)), table: &Table, names: &Names) -> Rows {
    let mut rows = Rows::new();
    read(&mut |record| {
        if let Some(its_id) = id(record.get(&table.id_column).and_then(Value::as_str)) {
            rows.insert(its_id, Row::of(&record, names));
        }
    });
    rows
}
