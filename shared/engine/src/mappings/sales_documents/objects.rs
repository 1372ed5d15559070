//! What lines of documents from Sales sell in Business Central: the item or resource that the product is coupled to, its
//! unit, or what stands for products that were only written in (S65 to S68, S73).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use couplet_model::comparing::folded;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, Value};
use uuid::Uuid;

use super::Document;
use crate::error::EngineError;
use crate::facts::{Kind, SalesSetup};
use crate::installation::Installation;
use crate::mappings::owned_units::{ITEM_UNITS, OwnedUnits, RESOURCE_UNITS};
use crate::mappings::rules::{MappingRules, Obstacle, is_usable};

/// Both kinds.
const KINDS: [Kind; 2] = [Kind::Item, Kind::Resource];
/// The columns of a line that say what it sells.
const PRODUCT: &str = "productid";
const UNIT: &str = "uomid";
/// Product types of Dataverse that are items, and resources.
const SALES_INVENTORY: i64 = 1;
const SERVICES: i64 = 3;
/// State of a product that may be sold.
const ACTIVE: i64 = 0;

impl Kind {
    /// The mapping of such records.
    fn mapping(self) -> &'static str {
        match self {
            Self::Item => "ITEM-PRODUCT",
            Self::Resource => "RESOURCE-PRODUCT",
        }
    }

    /// The mapping of their units.
    fn unit_mapping(self) -> &'static str {
        match self {
            Self::Item => "ITEM UOM",
            Self::Resource => "RESOURCE UOM",
        }
    }

    fn unit_rules(self) -> &'static OwnedUnits {
        match self {
            Self::Item => &ITEM_UNITS,
            Self::Resource => &RESOURCE_UNITS,
        }
    }
}

/// What a line sells in Business Central.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sold {
    /// An item or a resource.
    pub kind: Kind,
    /// Its number.
    pub number: String,
    /// What Business Central describes it by; `None` for what stands for written-in products, which the line describes itself.
    pub description: Option<String>,
    /// The unit, where it is not the usual one.
    pub unit: Option<String>,
}

/// What lines may sell.
pub(crate) struct Objects {
    products: HashMap<Uuid, Product>,
    /// Items and resources by kind and folded number: how they are described, and whether they are blocked.
    there: HashMap<(Kind, String), (String, bool)>,
    /// With unit groups, codes of units by their rows.
    units: Option<HashMap<Uuid, String>>,
    setup: Arc<SalesSetup>,
}

/// A product of Dataverse.
struct Product {
    name: String,
    number: String,
    is_active: bool,
    kind: Option<Kind>,
    /// The number of the item or resource it is coupled to.
    coupled: Option<String>,
}

impl Objects {
    /// What some lines sell: one read of Dataverse and one of each table of Business Central, however many there are.
    pub async fn of(installation: &Installation, lines: &[&Record]) -> Result<Self, EngineError> {
        let products = products_of(installation, lines).await?;
        let there = there(installation, &products).await?;
        let units = match installation.switches().unit_groups {
            true => Some(units_of(installation, lines, &products).await?),
            false => None,
        };
        let has_write_ins = lines.iter().any(|line| line.get(PRODUCT).is_null());
        let setup = match has_write_ins {
            true => installation.sales_setup(|setup| setup.write_in.is_some()).await?,
            false => Arc::default(),
        };
        Ok(Self { products, there, units, setup })
    }

    /// What a line of a document sells, or what keeps the document from becoming one of Business Central.
    pub fn of_line(&self, line: &Record, kind: Document, document: &str) -> Result<Sold, Obstacle> {
        let Some(id) = line.get(PRODUCT).as_guid() else { return self.write_in(kind, document) };
        let Some(product) = self.products.get(&id) else {
            let message = format!("the product {id} of a line is not in Dataverse any more (E13): choose another one");
            return Err(failure("Product", message));
        };
        let (name, number) = (&product.name, &product.number);
        if !product.is_active {
            let message = format!(
                "the state of product {name} must be Active in Dataverse (E11): activate it, or choose another one"
            );
            return Err(failure("Product", message));
        }
        let Some(kind) = product.kind else {
            let message = format!(
                "the product {number} is neither Sales Inventory nor Services (E12): give it one of these product types, or write it into \
                 the line"
            );
            return Err(failure("Product", message));
        };
        let Some(coupled) = &product.coupled else {
            let dependency =
                Dependency { mapping: kind.mapping().into(), side: Side::Dataverse, key: RecordId(id).to_string() };
            return Err(Obstacle::Wait(Need { dependency, field: "Product".to_owned(), value: name.clone() }));
        };
        let Some((description, is_blocked)) = self.there.get(&(kind, folded(coupled))) else {
            let message = format!(
                "the {} {coupled}, which product {number} is coupled to, is not in Business Central any more ({}): choose another \
                 product, or couple this one anew",
                kind.as_str().to_lowercase(),
                match kind {
                    Kind::Item => "E15",
                    Kind::Resource => "E16",
                }
            );
            return Err(failure("Product", message));
        };
        if *is_blocked {
            let message = format!(
                "Blocked must be No for {} {coupled} in Business Central before a document with it is made: unblock it until then",
                kind.as_str()
            );
            return Err(failure("Product", message));
        }
        let unit = self.unit_of(line, kind)?;
        Ok(Sold { kind, number: coupled.clone(), description: Some(description.clone()), unit })
    }

    /// The unit of a line that a document has already and whose product is what it was: nothing of that has to be for sale any more.
    pub fn unit_of_standing(&self, line: &Record) -> Result<Option<String>, Obstacle> {
        let product = line.get(PRODUCT).as_guid().and_then(|id| self.products.get(&id));
        product.and_then(|product| product.kind).map_or(Ok(None), |kind| self.unit_of(line, kind))
    }

    /// What stands for products that are only written in (S67).
    fn write_in(&self, kind: Document, document: &str) -> Result<Sold, Obstacle> {
        let Some((sold, number)) = &self.setup.write_in else {
            let message = format!(
                "the {} {document} has a line without a product, and Sales & Receivables Setup of Business Central names no write-in \
                 product (E19): fill in Write-in Product No. there",
                kind.as_str()
            );
            return Err(failure("Write-in Product No.", message));
        };
        Ok(Sold { kind: *sold, number: number.clone(), description: None, unit: None })
    }

    fn unit_of(&self, line: &Record, kind: Kind) -> Result<Option<String>, Obstacle> {
        let (Some(units), Some(id)) = (&self.units, line.get(UNIT).as_guid()) else { return Ok(None) };
        units.get(&id).cloned().map(Some).ok_or_else(|| {
            let dependency = Dependency {
                mapping: kind.unit_mapping().into(),
                side: Side::Dataverse,
                key: RecordId(id).to_string(),
            };
            Obstacle::Wait(Need { dependency, field: "Unit".to_owned(), value: line.get(UNIT).to_string() })
        })
    }
}

fn failure(field: &str, message: String) -> Obstacle {
    Obstacle::Failure(DataFailure::of_field(field, message))
}

async fn products_of(installation: &Installation, lines: &[&Record]) -> Result<HashMap<Uuid, Product>, EngineError> {
    let ids: BTreeSet<RecordId> = lines.iter().filter_map(|line| line.get(PRODUCT).as_guid().map(RecordId)).collect();
    let ids = Vec::from_iter(ids);
    let mut products = HashMap::new();
    if ids.is_empty() {
        return Ok(products);
    }
    let table = installation.table(Side::Dataverse, "product")?;
    let columns = ["name", "productnumber", "statecode", "producttypecode"].map(str::to_owned);
    for row in installation.system(Side::Dataverse).fetch(&table, &ids, &columns).await? {
        let kind = match row.get("producttypecode").as_int() {
            Some(SALES_INVENTORY) => Some(Kind::Item),
            Some(SERVICES) => Some(Kind::Resource),
            _ => None,
        };
        let text = |column: &str| row.get(column).to_string();
        let product = Product {
            name: text("name"),
            number: text("productnumber"),
            is_active: row.get("statecode").as_int() == Some(ACTIVE),
            kind,
            coupled: None,
        };
        products.insert(row.id.0, product);
    }
    for kind in KINDS {
        let of_kind: Vec<RecordId> = products_of_kind(&products, kind);
        let (company, name) = (installation.company(), MappingName::from(kind.mapping()));
        let found = installation.store().couplings_by_id(company, &name, Side::Dataverse, &of_kind).await?;
        for (id, coupling) in found.into_iter().filter(|(_, coupling)| is_usable(coupling)) {
            if let Some(product) = products.get_mut(&id.0) {
                product.coupled = coupling.key;
            }
        }
    }
    Ok(products)
}

fn products_of_kind(products: &HashMap<Uuid, Product>, kind: Kind) -> Vec<RecordId> {
    products.iter().filter(|(_, product)| product.kind == Some(kind)).map(|(id, _)| RecordId(*id)).collect()
}

/// The items and resources of products that are there.
async fn there(
    installation: &Installation,
    products: &HashMap<Uuid, Product>,
) -> Result<HashMap<(Kind, String), (String, bool)>, EngineError> {
    let mut there = HashMap::new();
    for kind in KINDS {
        let of_kind = products.values().filter(|product| product.kind == Some(kind));
        let numbers: BTreeSet<&String> = of_kind.filter_map(|product| product.coupled.as_ref()).collect();
        if numbers.is_empty() {
            continue;
        }
        let numbers = numbers.into_iter().map(|number| Value::text(number.as_str())).collect();
        let table = installation.table(Side::BusinessCentral, kind.as_str())?;
        let columns = ["number", "displayName", "blocked"].map(str::to_owned);
        let filter = Filter::all(vec![Condition::one_of("number", numbers)]);
        for row in installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await? {
            let Some(number) = row.get("number").as_text() else { continue };
            let described = row.get("displayName").to_string();
            there.insert((kind, folded(number)), (described, row.get("blocked").as_bool() == Some(true)));
        }
    }
    Ok(there)
}

/// Codes of the units of lines by their rows: those that are coupled, and those that stand for a unit of measure (S231).
async fn units_of(
    installation: &Installation,
    lines: &[&Record],
    products: &HashMap<Uuid, Product>,
) -> Result<HashMap<Uuid, String>, EngineError> {
    let mut by_kind: BTreeMap<Kind, BTreeSet<RecordId>> = BTreeMap::new();
    for line in lines {
        let kind = line.get(PRODUCT).as_guid().and_then(|id| products.get(&id)?.kind);
        if let (Some(kind), Some(unit)) = (kind, line.get(UNIT).as_guid()) {
            by_kind.entry(kind).or_default().insert(RecordId(unit));
        }
    }
    let mut codes = HashMap::new();
    for (kind, units) in by_kind {
        let (rules, units) = (kind.unit_rules(), Vec::from_iter(units));
        let (company, name) = (installation.company(), MappingName::from(kind.unit_mapping()));
        let found = installation.store().couplings_by_id(company, &name, Side::Dataverse, &units).await?;
        let usable = found.into_iter().filter(|(_, coupling)| is_usable(coupling));
        codes.extend(usable.filter_map(|(id, coupling)| Some((id.0, rules.name_of_key(&coupling.key?).to_owned()))));
        let unknown: Vec<RecordId> = units.into_iter().filter(|id| !codes.contains_key(&id.0)).collect();
        if !unknown.is_empty() {
            let stand_ins = rules.stand_ins(installation, &unknown).await?;
            codes.extend(stand_ins.into_iter().map(|(id, code)| (id.0, code)));
        }
    }
    Ok(codes)
}
