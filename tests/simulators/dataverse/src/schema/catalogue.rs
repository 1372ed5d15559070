//! Reads the schema data file, and adds the system tables around it that clients of the Web API ask for.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::forms;
use super::naming::{column_schema_name, custom_table, display_name, plural, schema_name, type_code};
use super::system::plain;
use super::{Choice, ChoiceRole, Column, CustomNavigation, Kind, Required, Table};

const DATA: &str = include_str!("../../../../../shared/model/catalogue/tables/dataverse.json");

#[derive(Deserialize)]
struct File {
    tables: Vec<FileTable>,
}

#[derive(Deserialize)]
struct FileTable {
    name: String,
    entity_set: Option<String>,
    id: String,
    primary_name: Option<String>,
    columns: Vec<FileColumn>,
}

#[derive(Deserialize)]
struct FileColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    access: Option<String>,
    length: Option<usize>,
    targets: Option<Vec<String>>,
    options: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "kind")]
    role: Option<String>,
    #[serde(default)]
    date_only: bool,
    navigation: Option<HashMap<String, String>>,
}

/// All tables of the organization.
///
/// # Errors
/// When the data file does not have the expected form.
pub fn tables(custom_navigation: CustomNavigation, entity_names_exposed: bool) -> anyhow::Result<Vec<Table>> {
    let file: File = serde_json::from_str(DATA)?;
    let mut names: Vec<String> = file.tables.iter().map(|table| table.name.clone()).collect();
    names.extend(super::system::names().map(str::to_owned));
    let mut tables = Vec::with_capacity(names.len());
    for (at, table) in file.tables.into_iter().enumerate() {
        tables.push(from_file(table, at, &names, custom_navigation, entity_names_exposed)?);
    }
    tables.extend(super::system::tables());
    Ok(tables)
}

fn from_file(
    table: FileTable,
    at: usize,
    names: &[String],
    custom_navigation: CustomNavigation,
    entity_names_exposed: bool,
) -> anyhow::Result<Table> {
    let lookups: Vec<String> =
        table.columns.iter().filter(|column| column.kind == "lookup").map(|column| column.name.clone()).collect();
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in table.columns {
        columns.push(column_from_file(column, &table.name, &lookups, names, custom_navigation, entity_names_exposed)?);
    }
    let intersect = matches!(table.name.as_str(), "teamroles" | "teammembership" | "systemuserroles");
    for extra in extra_columns(&table.name, intersect) {
        if !columns.iter().any(|column| column.name == extra.name) {
            columns.push(extra);
        }
    }
    let position = |name: &str| columns.iter().position(|column| column.name == name);
    let id = position(&table.id).ok_or_else(|| anyhow::anyhow!("table {} lacks its id column", table.name))?;
    let system = matches!(table.name.as_str(), "organization" | "businessunit" | "systemuser" | "role" | "team");
    let mut made = Table {
        set: table.entity_set.unwrap_or_else(|| plural(&table.name)),
        schema_name: schema_name(&table.name),
        id,
        primary_name: table.primary_name.as_deref().and_then(position),
        by_name: HashMap::new(),
        by_property: HashMap::new(),
        by_navigation: HashMap::new(),
        keys: Vec::new(),
        bulk: !intersect && !system && !matches!(table.name.as_str(), "post"),
        change_tracking: !intersect,
        optimistic_concurrency: !intersect,
        custom: custom_table(&table.name),
        notes: NOTES.contains(&table.name.as_str()),
        activities: ACTIVITIES.contains(&table.name.as_str()),
        intersect,
        owned: columns.iter().any(|column| column.name == "ownerid" && column.creatable),
        type_code: type_code(&table.name, at),
        display_name: display_name(&table.name),
        columns,
        name: table.name,
    };
    made.index();
    Ok(made)
}

fn column_from_file(
    column: FileColumn,
    table: &str,
    lookups: &[String],
    names: &[String],
    custom_navigation: CustomNavigation,
    entity_names_exposed: bool,
) -> anyhow::Result<Column> {
    let access = column.access.as_deref().unwrap_or("all");
    let owner_guid = column.kind == "guid" && matches!(column.name.as_str(), "owningbusinessunit" | "owninguser");
    let kind = match column.kind.as_str() {
        "string" => Kind::Text(column.length.unwrap_or(100)),
        // The data file has no length for memos; the service's own ceiling for text is what the column allows at most.
        "memo" => Kind::Memo(if column.name == "notetext" {
            100_000
        } else {
            1_048_576.min(column.length.unwrap_or(2000).max(2000))
        }),
        "int" => Kind::Integer,
        "bigint" => Kind::BigInteger,
        "decimal" => Kind::Decimal,
        "money" => Kind::Money,
        "double" => Kind::Double,
        "bool" => Kind::Boolean,
        "datetime" if column.date_only => forms::day_kind(table, &column.name),
        "datetime" => Kind::DateTime,
        "guid" if owner_guid => {
            Kind::Lookup(vec![if column.name == "owninguser" { "systemuser" } else { "businessunit" }.to_owned()])
        }
        "guid" => Kind::Guid,
        "entityname" => Kind::EntityName,
        "lookup" => {
            let known: Vec<String> =
                column.targets.unwrap_or_default().into_iter().filter(|target| names.contains(target)).collect();
            match (known.is_empty(), column.name.as_str()) {
                (false, _) => Kind::Lookup(known),
                (true, "createdby" | "modifiedby" | "createdonbehalfby" | "modifiedonbehalfby" | "owninguser") => {
                    Kind::Lookup(vec!["systemuser".to_owned()])
                }
                (true, "owningbusinessunit") => Kind::Lookup(vec!["businessunit".to_owned()]),
                (true, _) => Kind::Lookup(Vec::new()),
            }
        }
        "optionset" => Kind::Choice(choice(&column.name, column.role.as_deref(), column.options)?),
        other => anyhow::bail!("column {table}.{} has an unknown type {other}", column.name),
    };
    let navigation = navigation(&column.name, &kind, column.navigation.as_ref(), custom_navigation);
    let paired = column.name.strip_suffix("type").is_some_and(|lookup| lookups.iter().any(|name| name == lookup));
    Ok(Column {
        schema_name: column_schema_name(table, &column.name),
        property: if matches!(kind, Kind::Lookup(_)) { format!("_{}_value", column.name) } else { column.name.clone() },
        creatable: matches!(access, "all" | "insert"),
        updatable: matches!(access, "all" | "modify"),
        exposed: !(paired && matches!(kind, Kind::EntityName)) || entity_names_exposed,
        navigation,
        required: required(table, &column.name),
        made_here: false,
        display_name: column_schema_name(table, &column.name),
        relationship: None,
        shown_as_day: column.date_only && matches!(kind, Kind::DateTime) && column.name != "overriddencreatedon",
        ignored_clearings: crate::schema::IgnoredClearings::default(),
        security: None,
        kind,
        name: column.name,
    })
}

fn choice(
    name: &str,
    role: Option<&str>,
    options: Option<serde_json::Map<String, serde_json::Value>>,
) -> anyhow::Result<Choice> {
    let role = match role {
        Some("state") => ChoiceRole::State,
        Some("status") => ChoiceRole::Status,
        _ => ChoiceRole::Plain,
    };
    let mut made = Vec::new();
    for (value, label) in options.unwrap_or_default() {
        let value = value.parse().map_err(|_| anyhow::anyhow!("option {value} of {name} is not a number"))?;
        made.push((value, label.as_str().unwrap_or_default().to_owned()));
    }
    Ok(Choice { role, options: made, translations: BTreeMap::new(), global: None })
}

fn navigation(
    name: &str,
    kind: &Kind,
    given: Option<&HashMap<String, String>>,
    custom: CustomNavigation,
) -> Vec<(String, String)> {
    let Kind::Lookup(targets) = kind else {
        return Vec::new();
    };
    if let Some(given) = given {
        return given.iter().map(|(target, name)| (target.clone(), name.clone())).collect();
    }
    match name {
        "ownerid" | "regardingobjectownerid" => vec![("principal".to_owned(), name.to_owned())],
        _ if targets.len() > 1 => targets.iter().map(|target| (target.clone(), format!("{name}_{target}"))).collect(),
        _ => {
            let spelled = if custom_table(name) && custom == CustomNavigation::SchemaName {
                schema_name(name)
            } else {
                name.to_owned()
            };
            targets.iter().map(|target| (target.clone(), spelled.clone())).collect()
        }
    }
}

/// Who demands a value, as the entity references say. What the application requires, forms demand; the Web API does not.
fn required(table: &str, column: &str) -> Required {
    match (table, column) {
        ("uomschedule" | "pricelevel", "name")
        | ("uom", "name" | "uomscheduleid")
        | (
            "transactioncurrency",
            "currencyname" | "isocurrencycode" | "exchangerate" | "currencysymbol" | "currencyprecision",
        )
        | ("product", "productnumber")
        | ("productpricelevel", "pricelevelid" | "productid")
        | ("salesorderdetail", "salesorderid")
        | ("quotedetail", "quoteid")
        | ("invoicedetail", "invoiceid")
        | (_, "ownerid" | "statecode") => Required::System,
        ("account", "name")
        | ("contact", "lastname")
        | ("opportunity", "customerid")
        | ("uom", "quantity")
        | ("product", "defaultuomid" | "defaultuomscheduleid" | "quantitydecimal")
        | ("pricelevel", "transactioncurrencyid")
        | ("productpricelevel", "uomid" | "quantitysellingcode" | "pricingmethodcode") => Required::Application,
        _ => Required::Nobody,
    }
}

/// Tables whose rows can carry notes: the targets of `annotation.objectid`.
const NOTES: [&str; 7] = ["account", "contact", "invoice", "opportunity", "product", "quote", "salesorder"];

/// Tables that activities can be about.
const ACTIVITIES: [&str; 6] = ["account", "contact", "invoice", "opportunity", "quote", "salesorder"];

/// Columns that every table has, except those that only tie two tables together.
const ORDINARY: [&str; 5] =
    ["createdon:time", "modifiedon:time", "createdby:>systemuser", "modifiedby:>systemuser", "versionnumber:bigint"];

fn extra_columns(table: &str, intersect: bool) -> Vec<Column> {
    let own: &[&str] = match table {
        "systemuser" => &[
            "applicationid:guid",
            "azureactivedirectoryobjectid:guid",
            "accessmode:int",
            "islicensed:bool",
            "isintegrationuser:bool",
            "isdisabled:bool",
        ],
        "organization" => {
            &["expirechangetrackingindays:int", "friendlyname:text", "createproductswithoutparentinactivestate:bool"]
        }
        "businessunit" => {
            &["description:memo", "divisionname:text", "emailaddress:text", "websiteurl:text", "isdisabled:bool"]
        }
        "annotation" => &["ownerid:>systemuser"],
        _ => &[],
    };
    let ordinary: &[&str] = if intersect { &["versionnumber:bigint"] } else { &ORDINARY };
    own.iter().chain(ordinary).map(|text| plain(text)).collect()
}
