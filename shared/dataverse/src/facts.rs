//! What the definitions of Dataverse say about the columns of a table: column security and our rights in it, precision,
//! lengths, and how days are kept. Read in one batch per table, and again when it is older than fifteen minutes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use couplet_model::facts::{ColumnFact, Rights, Sight, TableFacts};
use couplet_model::system::{RetryClass, SystemError, SystemErrorKind};
use couplet_model::table::{DayForm, Side, Table};
use couplet_odata::answer::{typed, typed_list};
use couplet_odata::fault::part_error;
use couplet_odata::literal::quoted;
use couplet_odata::query::Query;
use couplet_odata::{BatchPart, Operation, Repeat, Request};
use reqwest::Method;
use serde::Deserialize;

use crate::client::DataverseClient;
use crate::learned::Known;

/// How long facts are believed: a column that is secured meanwhile is noticed by its blanks at once, and one that is
/// opened again after this long.
const AGE: Duration = Duration::from_secs(15 * 60);
/// "Allowed" among the levels of an attribute privilege.
const ALLOWED: i64 = 4;
/// The precision of a money column is that of prices, or that of the row's currency.
const PRICING_PRECISION: i64 = 1;
const CURRENCY_PRECISION: i64 = 2;

impl DataverseClient {
    pub(crate) async fn table_facts(&self, table: &Table) -> Result<Arc<TableFacts>, SystemError> {
        let known = self.learned().facts(&table.name).filter(|known| known.read_at.elapsed() < AGE).cloned();
        if let Some(known) = known {
            return Ok(known.facts);
        }
        self.read_facts(table, &[]).await.map(|(facts, _)| facts)
    }

    /// Columns that may not be read, as far as that is known; they are not asked for.
    pub(crate) fn readable(&self, table: &Table, columns: &[String]) -> Vec<String> {
        let learned = self.learned();
        let facts = learned.facts(&table.name).map(|known| &known.facts);
        columns.iter().filter(|name| facts.is_none_or(|facts| facts.may_read(name))).cloned().collect()
    }

    /// Reads the facts anew and looks for a row that shows a value in each of these columns.
    pub(crate) async fn second_look(
        &self,
        table: &Table,
        columns: &[String],
    ) -> Result<BTreeMap<String, Sight>, SystemError> {
        let (facts, shown) = self.read_facts(table, columns).await?;
        let sight = |(name, shown): (&String, Shown)| {
            let sight = match shown {
                _ if !facts.may_read(name) => Sight::Hidden,
                Shown::Value => Sight::Clear,
                // A secured column that may be read is not hidden; that nobody has a value is then what it is.
                Shown::Nothing if facts.column(name).secured.is_some() => Sight::Clear,
                Shown::Nothing => Sight::Empty,
                Shown::RowWithout => Sight::Hidden,
            };
            (name.clone(), sight)
        };
        Ok(columns.iter().zip(shown).map(sight).collect())
    }

    /// One batch: the definitions, and for each column the first row that has a value in it.
    async fn read_facts(
        &self,
        table: &Table,
        columns: &[String],
    ) -> Result<(Arc<TableFacts>, Vec<Shown>), SystemError> {
        let set = self.entity_set(table).await?;
        let mut urls: Vec<String> = DEFINITIONS.iter().map(|definition| definition.url(&table.name)).collect();
        urls.push(Query::new().select(&["pricingdecimalprecision"]).on("/organizations"));
        let probes = columns.iter().map(|name| {
            let query = Query::new().select(&[name.as_str()]).option("$filter", format!("{name} ne null"));
            query.option("$top", "1").on(&format!("/{set}"))
        });
        urls.extend(probes);
        let operations: Vec<Operation> =
            urls.iter().map(|url| Operation::new(Method::GET, format!("{}{url}", self.path))).collect();
        let parts = self.batch(&operations, Repeat::Read).await?;
        let Some(mut parts) = parts.into_iter().collect::<Option<Vec<BatchPart>>>() else {
            let message = "the answer about the columns of a table was cut short";
            return Err(SystemError::new(Side::Dataverse, SystemErrorKind::Transient, "", message));
        };
        let mut note = None;
        if let Some(error) =
            parts.first().filter(|part| !part.is_success()).map(|part| part_error(Side::Dataverse, part))
        {
            match error.retry_class() {
                RetryClass::RetryNow | RetryClass::RetryAfter(_) | RetryClass::Outage => return Err(error),
                _ => {
                    note = Some(format!(
                        "The definitions of {} in Dataverse cannot be read ({}): columns that are secured, or rounded to fewer \
                         digits than usual, are not known.",
                        table.name,
                        error.for_log()
                    ));
                }
            }
        }
        let probed = parts.split_off(parts.len().min(DEFINITIONS.len() + 1));
        let mut columns_said = said(parts);
        if columns_said.values().any(|said| said.secured) {
            self.read_rights(&mut columns_said).await?;
        }
        let columns_said = columns_said.into_iter().map(|(name, said)| (name, said.fact)).collect();
        let facts = Arc::new(TableFacts { columns: columns_said, note });
        self.learn().learn_facts(&table.name, Known { facts: Arc::clone(&facts), read_at: Instant::now() });
        let shown = columns.iter().enumerate().map(|(place, name)| shown(probed.get(place), name));
        Ok((facts, shown.collect()))
    }

    /// What our user may do with the secured columns. Where that cannot be read, a secured column counts as closed.
    async fn read_rights(&self, columns: &mut BTreeMap<String, Said>) -> Result<(), SystemError> {
        let user = self.who_am_i().await?.user_id;
        let url =
            format!("{}/systemusers({user})/Microsoft.Dynamics.CRM.RetrievePrincipalAttributePrivileges()", self.api);
        let rights = match self.call(&Request::get(url)).await {
            Ok(reply) => rights(typed(Side::Dataverse, "rights in secured columns", reply.json()).unwrap_or_default()),
            Err(error)
                if matches!(
                    error.retry_class(),
                    RetryClass::RetryNow | RetryClass::RetryAfter(_) | RetryClass::Outage
                ) =>
            {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(error = error.for_log(), "the rights in secured columns cannot be read");
                HashMap::new()
            }
        };
        for said in columns.values_mut().filter(|said| said.secured) {
            let none = Rights { read: false, create: false, update: false };
            said.fact.secured = Some(rights.get(&said.id.to_lowercase()).copied().unwrap_or(none));
        }
        Ok(())
    }
}

/// What a probe for a value found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// A row with a value.
    Value,
    /// A row that has a value and does not show it.
    RowWithout,
    /// No row.
    Nothing,
}

fn shown(part: Option<&BatchPart>, column: &str) -> Shown {
    let Some(part) = part.filter(|part| part.is_success()) else { return Shown::Nothing };
    match part.body.get("value").and_then(|rows| rows.get(0)) {
        None => Shown::Nothing,
        Some(row) if row.get(column).is_some_and(|value| !value.is_null()) => Shown::Value,
        Some(_) => Shown::RowWithout,
    }
}

/// One question about the columns of a table.
struct Definition {
    /// The kind of column, as a cast; empty for all.
    kind: &'static str,
    select: &'static str,
    filter: &'static str,
}

/// The secured columns come first: they are what must not be missed.
const DEFINITIONS: [Definition; 7] = [
    Definition { kind: "", select: "LogicalName,MetadataId,IsSecured", filter: "IsSecured eq true" },
    Definition { kind: "Decimal", select: "LogicalName,Precision", filter: "" },
    Definition { kind: "Double", select: "LogicalName,Precision", filter: "" },
    Definition { kind: "Money", select: "LogicalName,Precision,PrecisionSource", filter: "" },
    Definition { kind: "Memo", select: "LogicalName,MaxLength", filter: "" },
    Definition { kind: "String", select: "LogicalName,MaxLength", filter: "" },
    Definition { kind: "DateTime", select: "LogicalName,Format,DateTimeBehavior", filter: "" },
];

impl Definition {
    fn url(&self, table: &str) -> String {
        let cast = match self.kind {
            "" => String::new(),
            kind => format!("/Microsoft.Dynamics.CRM.{kind}AttributeMetadata"),
        };
        let mut query = Query::new().select(&self.select.split(',').collect::<Vec<_>>());
        if !self.filter.is_empty() {
            query = query.option("$filter", self.filter);
        }
        query.on(&format!("/EntityDefinitions(LogicalName={})/Attributes{cast}", quoted(table)))
    }
}

/// What the definitions say about a column.
#[derive(Clone, Debug, Default)]
struct Said {
    secured: bool,
    /// Id of its definition.
    id: String,
    fact: ColumnFact,
}

/// The definition of a column, as far as a question selects it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ColumnDefinition {
    logical_name: String,
    metadata_id: Option<String>,
    is_secured: Option<bool>,
    precision: Option<u32>,
    precision_source: Option<i64>,
    max_length: Option<usize>,
    format: Option<String>,
    date_time_behavior: Option<Behavior>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Behavior {
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Organization {
    pricingdecimalprecision: Option<u32>,
}

/// Reads the answers in the order of the questions; the last is that of the organization.
fn said(parts: Vec<BatchPart>) -> BTreeMap<String, Said> {
    let mut answers = parts.into_iter();
    let definitions: Vec<BatchPart> = answers.by_ref().take(DEFINITIONS.len()).collect();
    let pricing = answers.next().and_then(|part| {
        typed_list::<Organization>(Side::Dataverse, "the organization", part.body)
            .ok()?
            .first()?
            .pricingdecimalprecision
    });
    let mut columns: BTreeMap<String, Said> = BTreeMap::new();
    for (definition, part) in DEFINITIONS.iter().zip(definitions).filter(|(_, part)| part.is_success()) {
        let rows = typed_list::<ColumnDefinition>(Side::Dataverse, "the columns of a table", part.body);
        for row in rows.unwrap_or_default() {
            let said = columns.entry(row.logical_name.clone()).or_default();
            match definition.kind {
                "" => {
                    said.secured = row.is_secured.unwrap_or_default();
                    said.id = row.metadata_id.unwrap_or_default();
                }
                "Memo" | "String" => said.fact.longest = row.max_length,
                "DateTime" => said.fact.day = day_form(&row),
                "Money" => said.fact.decimals = money_decimals(&row, pricing),
                _ => said.fact.decimals = row.precision,
            }
        }
    }
    columns
}

/// Money has the precision of its column, of prices, or of its row's currency, which differs from row to row: what the
/// column can hold at most is then all that can be said.
fn money_decimals(row: &ColumnDefinition, pricing: Option<u32>) -> Option<u32> {
    match row.precision_source {
        Some(PRICING_PRECISION) => pricing,
        Some(CURRENCY_PRECISION) => None,
        _ => row.precision,
    }
}

fn day_form(row: &ColumnDefinition) -> Option<DayForm> {
    match row.date_time_behavior.as_ref()?.value.as_deref()? {
        "DateOnly" => Some(DayForm::Day),
        _ if row.format.as_deref() == Some("DateOnly") => Some(DayForm::UserLocal),
        _ => None,
    }
}

/// The answer of `RetrievePrincipalAttributePrivileges`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Privileges {
    #[serde(default)]
    attribute_privileges: Vec<Privilege>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Privilege {
    attribute_id: String,
    can_read: Option<i64>,
    can_create: Option<i64>,
    can_update: Option<i64>,
}

fn rights(privileges: Privileges) -> HashMap<String, Rights> {
    let of_column = |row: Privilege| {
        let rights = Rights {
            read: row.can_read == Some(ALLOWED),
            create: row.can_create == Some(ALLOWED),
            update: row.can_update == Some(ALLOWED),
        };
        (row.attribute_id.to_lowercase(), rights)
    };
    privileges.attribute_privileges.into_iter().map(of_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn part(status: u16, body: Json) -> BatchPart {
        BatchPart { status, headers: Vec::default(), body }
    }

    fn answers() -> Vec<BatchPart> {
        let rows = |rows: Json| part(200, json!({ "value": rows }));
        vec![
            rows(json!([{"LogicalName": "fax", "MetadataId": "A", "IsSecured": true}])),
            rows(json!([{"LogicalName": "stockvolume", "Precision": 2}])),
            rows(json!([])),
            rows(json!([
                {"LogicalName": "price", "Precision": 4, "PrecisionSource": 1},
                {"LogicalName": "creditlimit", "Precision": 4, "PrecisionSource": 2},
                {"LogicalName": "own", "Precision": 3, "PrecisionSource": 0},
            ])),
            rows(json!([{"LogicalName": "description", "MaxLength": 2000}])),
            part(404, json!({"error": {}})),
            rows(json!([
                {"LogicalName": "duedate", "Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}},
                {"LogicalName": "requestdeliveryby", "Format": "DateOnly", "DateTimeBehavior": {"Value": "UserLocal"}},
                {"LogicalName": "createdon", "Format": "DateAndTime", "DateTimeBehavior": {"Value": "UserLocal"}},
            ])),
            rows(json!([{"pricingdecimalprecision": 2}])),
        ]
    }

    #[test]
    fn f05_the_definitions_say_how_many_digits_and_units_a_column_keeps() {
        let said = said(answers());
        let fact = |name: &str| said[name].fact;
        assert_eq!(fact("stockvolume").decimals, Some(2));
        assert_eq!(
            (fact("price").decimals, fact("creditlimit").decimals, fact("own").decimals),
            (Some(2), None, Some(3))
        );
        assert_eq!(fact("description").longest, Some(2000));
        assert_eq!(fact("duedate").day, Some(DayForm::Day));
        assert_eq!((fact("requestdeliveryby").day, fact("createdon").day), (Some(DayForm::UserLocal), None));
    }

    fn read(body: Json) -> Privileges {
        typed(Side::Dataverse, "rights", body).expect("rights")
    }

    #[test]
    fn f02_the_rights_in_a_secured_column_are_found_by_the_id_of_its_definition() {
        assert!(said(answers())["fax"].secured);
        let body = json!({"AttributePrivileges": [{"AttributeId": "A", "CanRead": 0, "CanCreate": 4, "CanUpdate": 4}]});
        assert_eq!(rights(read(body))["a"], Rights { read: false, create: true, update: true });
        assert!(rights(read(json!({}))).is_empty());
    }

    #[test]
    fn f02_a_row_that_has_a_value_and_does_not_show_it_gives_the_column_away() {
        let rows = |rows: Json| part(200, json!({ "value": rows }));
        for (answer, expected) in [
            (rows(json!([{"fax": "1"}])), Shown::Value),
            (rows(json!([{"fax": null}])), Shown::RowWithout),
            (rows(json!([{"accountid": "1"}])), Shown::RowWithout),
            (rows(json!([])), Shown::Nothing),
            (part(400, json!({})), Shown::Nothing),
        ] {
            assert_eq!(shown(Some(&answer), "fax"), expected);
        }
    }
}
