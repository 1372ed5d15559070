//! Both systems' records and the couplings between them, as they are at one moment.

use std::collections::{BTreeMap, HashMap};

use couplet_model::catalogue::MappingKind;
use couplet_model::table::Table;
use couplet_runtime::Application;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::company::Company;

/// One record: its columns as JSON.
pub type Row = Map<String, Value>;
type Rows = HashMap<Uuid, Row>;

/// Tables of Dataverse the comparison looks at beyond those that mappings pair.
const BESIDES: [&str; 4] = ["transactioncurrency", "productpricelevel", "pricelevel", "uom"];

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
    pub couplings: BTreeMap<String, Vec<Pair>>,
    /// Ids of the rows of `productpricelevel` by product.
    price_lines: HashMap<Uuid, Vec<Uuid>>,
}

impl World {
    /// Reads both simulators' stores and all couplings.
    ///
    /// # Errors
    /// When the couplings cannot be read.
    pub async fn read(company: &Company, application: &Application) -> anyhow::Result<Self> {
        const PAGE: usize = 1000;
        let engine = &application.engine;
        let mut world = Self::default();
        for mapping in engine.mappings().iter().filter(|mapping| mapping.kind == MappingKind::Table) {
            let mut pairs = Vec::new();
            let mut after = None;
            loop {
                let page = engine.store().coupling_page(engine.company(), &mapping.name, after, PAGE).await?;
                pairs.extend(page.couplings.iter().map(|coupling| Pair {
                    business_central: coupling.system_id.0,
                    dataverse: coupling.dataverse_id.0,
                }));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if pairs.is_empty() {
                continue;
            }
            pairs.sort_by_key(|pair| pair.business_central);
            world.couplings.insert(mapping.name.to_string(), pairs);
            world.read_business_central(company, &mapping.business_central);
            world.read_dataverse(company, &mapping.dataverse);
        }
        let catalogue = engine.catalogue();
        if let Some(table) = catalogue.business_central_table("General Ledger Setup") {
            world.read_business_central(company, table);
        }
        for name in BESIDES {
            if let Some(table) = catalogue.dataverse_table(name) {
                world.read_dataverse(company, table);
            }
        }
        world.index_price_lines();
        Ok(world)
    }

    /// Finds the price lines of every product, so that ten thousand products are compared in a moment.
    pub fn index_price_lines(&mut self) {
        let mut index: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (line, row) in self.dataverse_rows("productpricelevel") {
            if let Some(product) = id(row.get("_productid_value")) {
                index.entry(product).or_default().push(*line);
            }
        }
        self.price_lines = index;
    }

    /// The lines of a product in all price lists.
    pub fn price_lines(&self, product: Uuid) -> impl Iterator<Item = &Row> {
        let lines = self.price_lines.get(&product).into_iter().flatten();
        lines.filter_map(|line| self.dataverse_row("productpricelevel", *line))
    }

    fn read_business_central(&mut self, company: &Company, table: &Table) {
        let rows = || by_id(company.business_central.rows(&table.name), &table.id_column);
        self.business_central.entry(table.name.clone()).or_insert_with(rows);
    }

    fn read_dataverse(&mut self, company: &Company, table: &Table) {
        let rows = || by_id(company.dataverse.rows(&table.name), &table.id_column);
        self.dataverse.entry(table.name.clone()).or_insert_with(rows);
    }

    /// The pairs of a mapping, in the order of their Business Central ids.
    pub fn pairs(&self, mapping: &str) -> &[Pair] {
        self.couplings.get(mapping).map_or(&[], Vec::as_slice)
    }

    /// A record of Business Central.
    pub fn business_central_row(&self, table: &str, id: Uuid) -> Option<&Row> {
        self.business_central.get(table)?.get(&id)
    }

    /// A row of Dataverse.
    pub fn dataverse_row(&self, table: &str, id: Uuid) -> Option<&Row> {
        self.dataverse.get(table)?.get(&id)
    }

    /// All rows of a table of Dataverse.
    pub fn dataverse_rows(&self, table: &str) -> impl Iterator<Item = (&Uuid, &Row)> {
        self.dataverse.get(table).into_iter().flatten()
    }

    /// The local currency code of the company.
    pub fn local_currency(&self) -> &str {
        let setup = self.business_central.get("General Ledger Setup").and_then(|rows| rows.values().next());
        setup.and_then(|row| row.get("localCurrencyCode")).and_then(Value::as_str).unwrap_or_default()
    }
}

fn by_id(rows: Vec<Row>, id_column: &str) -> Rows {
    rows.into_iter().filter_map(|row| Some((id(row.get(id_column))?, row))).collect()
}

/// An id in JSON; none when it is blank.
pub fn id(value: Option<&Value>) -> Option<Uuid> {
    value.and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok()).filter(|id| !id.is_nil())
}
