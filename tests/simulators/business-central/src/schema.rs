//! The tables, entity sets and properties the service knows, read once from the catalogue data file.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::documents::Statistic;
use crate::relations;

const CATALOGUE: &str = include_str!("../../../../shared/model/catalogue/tables/business-central.json");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(CATALOGUE));

/// The schema of the simulated service.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// Position of a table in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableId(pub usize);

/// The two views of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Route {
    /// `api/v2.0`
    Standard,
    /// `api/couplet/sync/v1.0`
    Companion,
}

impl Route {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Route::Standard => "api/v2.0",
            Route::Companion => "api/couplet/sync/v1.0",
        }
    }
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Upper-cased and trimmed text.
    Code,
    Decimal,
    Bool,
    Int,
    Guid,
    Date,
    DateTime,
    Enum(EnumNames),
}

/// The names of an enum, as AL spells them and as the wire spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnumNames {
    pub names: Vec<String>,
    pub encoded: Vec<String>,
}

impl EnumNames {
    fn new(mut names: Vec<String>, posted_invoice: bool) -> Self {
        // The posted states come from the posted document, not from the field of the draft.
        if posted_invoice {
            names = [" ", "Draft", "In Review", "Open", "Paid", "Canceled", "Corrective"].map(String::from).to_vec();
        }
        let encoded = names.iter().map(|name| encode_enum_name(name)).collect();
        Self { names, encoded }
    }

    /// Finds a name in either spelling.
    pub(crate) fn position(&self, text: &str) -> Option<u8> {
        self.encoded
            .iter()
            .position(|name| name == text)
            .or_else(|| self.names.iter().position(|name| name == text))
            .and_then(|at| u8::try_from(at).ok())
    }
}

/// XML-encodes the characters that a member name may not carry: `In Review` becomes `In_x0020_Review`.
pub(crate) fn encode_enum_name(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || character == '_' || (!character.is_ascii() && character.is_alphabetic())
        {
            out.push(character);
        } else {
            out.push_str(&format!("_x{:04X}_", u32::from(character)));
        }
    }
    out
}

/// Where the value of a property comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Id,
    Created,
    Modified,
    Stored,
    /// Stored, blank meaning the local currency, which the wire spells out.
    LocalCurrency,
    /// Sum of the item ledger entries.
    Inventory,
    /// A code, and whose it is: the properties of both.
    Reference {
        code: usize,
        owner: usize,
    },
    /// Whether the item or resource of a line is blocked.
    ObjectBlocked,
    /// One of the figures of a customer's statistics.
    Statistic(Statistic),
    /// Name of the vendor whose number is in the given property.
    VendorName {
        vendor_no: usize,
    },
}

/// One property of a table, of one or both routes.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub name: String,
    pub field: String,
    pub kind: Kind,
    pub length: Option<usize>,
    pub standard: bool,
    pub companion: bool,
    pub editable: bool,
    /// The route that shows an editable property, but does not take it.
    pub read_only_on: Option<Route>,
    /// Whether the companion page keeps the table's validation away from records that are not inserted yet.
    pub deferred: bool,
    /// Whether the table lets nobody edit the field, and no page opens it.
    pub closed: bool,
    /// Whether the companion page sets a given value again that the table replaces when it inserts the record.
    pub kept_after_insert: bool,
    pub source: Source,
    /// The table whose key (or SystemId, for a GUID) this property holds.
    pub related: Option<TableId>,
    /// The property that holds the same reference in the other spelling (code beside id).
    pub twin: Option<usize>,
}

impl Property {
    pub(crate) fn on(&self, route: Route) -> bool {
        match route {
            Route::Standard => self.standard,
            Route::Companion => self.companion,
        }
    }

    /// Whether the route takes a value for the property.
    pub(crate) fn takes_values_on(&self, route: Route) -> bool {
        self.editable && !self.closed && self.read_only_on != Some(route)
    }
}

/// One collection of a route.
#[derive(Clone, Debug)]
pub(crate) struct EntitySet {
    pub name: String,
    pub entity: String,
    pub insert: bool,
    pub modify: bool,
    pub delete: bool,
    /// Whether a POST may carry the id of the new record.
    pub takes_id: bool,
}

/// One table and its two views.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub name: String,
    pub key: Vec<usize>,
    pub standard: Option<EntitySet>,
    pub companion: Option<EntitySet>,
    pub properties: Vec<Property>,
    by_name: HashMap<String, usize>,
}

impl Table {
    pub(crate) fn set(&self, route: Route) -> Option<&EntitySet> {
        match route {
            Route::Standard => self.standard.as_ref(),
            Route::Companion => self.companion.as_ref(),
        }
    }

    pub(crate) fn position(&self, property: &str) -> Option<usize> {
        self.by_name.get(property).copied()
    }

    /// The property of that name as the route shows it.
    pub(crate) fn position_on(&self, route: Route, property: &str) -> Option<usize> {
        self.position(property).filter(|at| self.properties[*at].on(route))
    }

    /// The name of the table in messages (the catalogue marks views of one table with a remark in brackets).
    pub(crate) fn caption(&self) -> &str {
        self.name.split(" (").next().unwrap_or(&self.name)
    }
}

/// All tables.
pub(crate) struct Schema {
    pub tables: Vec<Table>,
    by_name: HashMap<String, TableId>,
    by_set: HashMap<(Route, String), TableId>,
}

impl Schema {
    pub(crate) fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0]
    }

    pub(crate) fn named(&self, name: &str) -> Option<TableId> {
        self.by_name.get(name).copied()
    }

    /// A table the simulator's own rules speak of; its absence is a defect of the catalogue.
    pub(crate) fn known(&self, name: &str) -> TableId {
        self.named(name).unwrap_or_else(|| panic!("the catalogue has no table {name}"))
    }

    pub(crate) fn entity_set(&self, route: Route, name: &str) -> Option<TableId> {
        self.by_set.get(&(route, name.to_owned())).copied()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = TableId> + use<> {
        (0..self.tables.len()).map(TableId)
    }

    fn parse(text: &str) -> Self {
        let file: File = serde_json::from_str(text).expect("the table catalogue parses");
        let mut tables: Vec<Table> = file.tables.into_iter().map(RawTable::into_table).collect();
        let by_name: HashMap<String, TableId> =
            tables.iter().enumerate().map(|(at, table)| (table.name.clone(), TableId(at))).collect();
        for table in &mut tables {
            relations::attach(table, &by_name);
        }
        let mut by_set = HashMap::new();
        for (at, table) in tables.iter().enumerate() {
            for route in [Route::Standard, Route::Companion] {
                if let Some(set) = table.set(route) {
                    by_set.insert((route, set.name.clone()), TableId(at));
                }
            }
        }
        Self { tables, by_name, by_set }
    }
}

#[derive(Deserialize)]
struct File {
    tables: Vec<RawTable>,
}

#[derive(Deserialize)]
struct RawTable {
    name: String,
    #[serde(default)]
    primary_key: Vec<String>,
    standard: Option<RawSet>,
    companion: Option<RawSet>,
    properties: Vec<RawProperty>,
}

#[derive(Deserialize)]
struct RawSet {
    entity_set: String,
    #[serde(default)]
    entity: Option<String>,
    #[serde(default)]
    insert: bool,
    #[serde(default)]
    modify: bool,
    #[serde(default)]
    delete: bool,
    #[serde(default)]
    takes_id: bool,
}

#[derive(Deserialize)]
struct RawProperty {
    name: String,
    field: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    values: Vec<String>,
    standard: bool,
    companion: bool,
    editable: bool,
    #[serde(default)]
    computed: bool,
    #[serde(default)]
    read_only_on: Option<Route>,
    #[serde(default)]
    deferred: bool,
    #[serde(default)]
    closed_in_table: bool,
    #[serde(default)]
    opened: bool,
    #[serde(default)]
    kept_after_insert: bool,
}

impl RawTable {
    fn into_table(self) -> Table {
        let entity = self.standard.as_ref().and_then(|set| set.entity.clone());
        let table_name = self.name.clone();
        let invoice = table_name == "Sales Invoice Header";
        let mut properties: Vec<Property> =
            self.properties.into_iter().map(|raw| raw.into_property(&table_name, invoice)).collect();
        let by_name: HashMap<String, usize> =
            properties.iter().enumerate().map(|(at, property)| (property.name.clone(), at)).collect();
        if let Some(vendor_no) = by_name.get("vendorNo").copied()
            && let Some(at) = by_name.get("vendorName").copied()
        {
            properties[at].source = Source::VendorName { vendor_no };
        }
        let owner = by_name.get("itemNo").or_else(|| by_name.get("resourceNo")).copied();
        if let (Some(at), Some(code), Some(owner)) =
            (by_name.get("reference").copied(), by_name.get("code").copied(), owner)
        {
            properties[at].source = Source::Reference { code, owner };
        }
        let key = key_properties(&table_name, &self.primary_key, &properties, &by_name);
        let set = |raw: RawSet| EntitySet {
            entity: raw.entity.or_else(|| entity.clone()).unwrap_or_else(|| singular(&raw.entity_set)),
            name: raw.entity_set,
            insert: raw.insert,
            modify: raw.modify,
            delete: raw.delete,
            takes_id: raw.takes_id,
        };
        Table {
            name: self.name,
            key,
            standard: self.standard.map(&set),
            companion: self.companion.map(&set),
            properties,
            by_name,
        }
    }
}

impl RawProperty {
    fn into_property(self, table: &str, invoice: bool) -> Property {
        let field = self.field.unwrap_or_else(|| self.name.clone());
        let kind = match self.kind.as_str() {
            "code" => Kind::Code,
            "decimal" => Kind::Decimal,
            "bool" => Kind::Bool,
            "int32" => Kind::Int,
            "guid" => Kind::Guid,
            "date" => Kind::Date,
            "datetime" => Kind::DateTime,
            "enum" => Kind::Enum(EnumNames::new(self.values, invoice && self.name == "status")),
            _ if holds_a_code(&field) => Kind::Code,
            _ => Kind::Text,
        };
        let source = match self.name.as_str() {
            "id" => Source::Id,
            "lastModifiedDateTime" => Source::Modified,
            "systemCreatedAt" => Source::Created,
            "currencyCode" if self.computed => Source::LocalCurrency,
            "inventory" if table == "Item" => Source::Inventory,
            "blocked" if table == "Sales Invoice Line" => Source::ObjectBlocked,
            name if table == "Customer (statistics)" => {
                Statistic::named(name).map_or(Source::Stored, Source::Statistic)
            }
            _ => Source::Stored,
        };
        // `balance` of vendors is a flow field although the page does not flag it.
        let editable = self.editable && !(table == "Vendor" && self.name == "balance");
        let length = self.length.filter(|_| matches!(kind, Kind::Text | Kind::Code));
        Property {
            name: self.name,
            field,
            kind,
            length,
            standard: self.standard,
            companion: self.companion,
            editable,
            read_only_on: self.read_only_on,
            deferred: self.deferred,
            closed: self.closed_in_table && !self.opened,
            kept_after_insert: self.kept_after_insert,
            source,
            related: None,
            twin: None,
        }
    }
}

/// Fields that AL declares as `Code` although the catalogue only says `string`.
fn holds_a_code(field: &str) -> bool {
    let text = ["Phone", "Fax", "Vendor Item", "Bill-to Contact", "phone", "number series"];
    (field == "Code"
        || field == "GTIN"
        || field == "code"
        || field == "number"
        || field.ends_with(" Code")
        || field.ends_with("No."))
        && !text.iter().any(|word| field.contains(word))
}

fn key_properties(
    table: &str,
    primary_key: &[String],
    properties: &[Property],
    by_name: &HashMap<String, usize>,
) -> Vec<usize> {
    let named =
        |names: &[&str]| -> Vec<usize> { names.iter().filter_map(|name| by_name.get(*name).copied()).collect() };
    // Documents and their lines are kept per kind, so the document type is not needed to tell them apart.
    let lines = by_name.contains_key("documentId") && by_name.contains_key("sequence");
    if lines {
        return named(&["documentId", "sequence"]);
    }
    if by_name.contains_key("versionNumber") {
        return named(&["number", "documentNumber", "docNoOccurrence", "versionNumber", "sequence"]);
    }
    match table {
        "Sales Header" => return named(&["number"]),
        "Contact Information Buffer" => return named(&["contactId", "relatedId"]),
        "Item Variant" => return named(&["itemNumber", "code"]),
        "Currency Exchange Rate" => return named(&["currencyCode", "startingDate"]),
        "Sales Line (activity)"
        | "Document Attachment"
        | "Job Queue Entry"
        | "General Ledger Setup"
        | "Sales & Receivables Setup"
        | "Record Link"
        | "Company Information" => {
            return named(&["id"]);
        }
        _ => {}
    }
    let from_data: Vec<usize> = primary_key
        .iter()
        .filter_map(|field| properties.iter().position(|property| &property.field == field))
        .collect();
    if !from_data.is_empty() {
        return from_data;
    }
    ["entryNumber", "number", "code"]
        .iter()
        .find_map(|name| by_name.get(*name))
        .map_or_else(|| named(&["id"]), |at| vec![*at])
}

fn singular(entity_set: &str) -> String {
    if entity_set.contains("UnitsOf") {
        return entity_set.replace("UnitsOf", "UnitOf");
    }
    match entity_set.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => entity_set.strip_suffix('s').unwrap_or(entity_set).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_the_table_closes_takes_values_only_where_the_page_opens_it() {
        let lines = schema().table(schema().known("Sales Line"));
        let opened = &lines.properties[lines.position("attachedToLineNumber").expect("a property")];
        assert!(opened.takes_values_on(Route::Companion));
        let closed = Property { closed: true, ..opened.clone() };
        assert!(!closed.takes_values_on(Route::Companion));
    }
}
