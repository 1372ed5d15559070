//! OPPORTUNITY: contact, account, owner and stage amounts of an opportunity, and how closing it on one side closes it on the
//! other (S192 to S196, decision 0045).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::FieldNote;
use couplet_model::record::Values;
use couplet_model::switches::Ownership;
use couplet_model::system::{Action, Write};
use couplet_model::table::Side;
use couplet_model::value::noon_of;
use couplet_model::{Coupling, MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::rules::{
    Actions, AfterWrite, Attempted, BatchRules, Context, MappingRules, Obstacle, Transferring, WrittenBeside,
    is_usable, set, set_on_create,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::CompanyRow;

/// State "Open" of an opportunity in Dataverse.
const OPEN: i64 = 0;
/// The mapping of the contact.
const CONTACTS: &str = "CONTACT";
/// The mapping of the owner.
const SALESPEOPLE: &str = "SALESPEOPLE";
/// The state of an opportunity without any stage in Business Central, and so without an estimate.
const NOT_STARTED: &str = "Not Started";

/// How an opportunity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Won,
    /// In Dataverse out-sold or canceled; Business Central knows the one kind only.
    Lost,
}

impl Closing {
    const BOTH: [Self; 2] = [Self::Won, Self::Lost];

    /// How a record of a side has ended; `None` while it is open, or where that is not known.
    fn of(side: Side, record: &Record) -> Option<Self> {
        Self::BOTH.into_iter().find(|closing| record.get(state_column(side)) == &closing.state(side))
    }

    /// The state of a record of a side that ended so.
    fn state(self, side: Side) -> Value {
        match (side, self) {
            (Side::BusinessCentral, Self::Won) => Value::text("Won"),
            (Side::BusinessCentral, Self::Lost) => Value::text("Lost"),
            (Side::Dataverse, Self::Won) => Value::Int(1),
            (Side::Dataverse, Self::Lost) => Value::Int(2),
        }
    }

    /// The action that closes a record of a side so.
    fn action(self, side: Side) -> &'static str {
        match (side, self) {
            (Side::BusinessCentral, Self::Won) => "closeAsWon",
            (Side::BusinessCentral, Self::Lost) => "closeAsLost",
            (Side::Dataverse, Self::Won) => "WinOpportunity",
            (Side::Dataverse, Self::Lost) => "LoseOpportunity",
        }
    }

    /// The status in Dataverse: "Won", or "Out-Sold".
    fn status(self) -> i64 {
        match self {
            Self::Won => 3,
            Self::Lost => 5,
        }
    }
}

/// The column that says whether a record of a side is open.
fn state_column(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "status",
        Side::Dataverse => "statecode",
    }
}

pub(crate) struct Opportunities;

#[async_trait]
impl MappingRules for Opportunities {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => {
                &["status", "contactCompanyNo", "vendorNumber", "calculatedCurrentValue", "dateClosed"]
            }
            Direction::FromDataverse => &["statecode"],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["statecode", "transactioncurrencyid"],
            Direction::FromDataverse => &["status", "contactNumber", "salespersonCode"],
        }
    }

    /// A coupled opportunity that is closed in Business Central is closed in Dataverse, although the filter admits open ones.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::ToDataverse && column == "status"
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let company = installation.company_row().await?;
        let side = context.direction.destination();
        // Actions see the source only.
        let there = sources
            .iter()
            .filter_map(|record| Some((record.source.id, Closing::of(side, record.destination?))))
            .collect();
        Ok(match context.direction {
            Direction::ToDataverse => Box::new(ToDataverse {
                table: Arc::clone(&context.mapping.dataverse),
                company,
                is_owned_by_team: installation.switches().ownership == Ownership::Team,
                currency: installation.local_currency_row().await?,
                closing: Closings { side, there },
            }),
            Direction::FromDataverse => {
                let of = |column: &str| -> Vec<RecordId> {
                    let ids = sources.iter().filter_map(|record| record.source.get(column).as_guid());
                    ids.map(RecordId).collect()
                };
                let keys = async |mapping: &str, ids: Vec<RecordId>| {
                    let name = MappingName::from(mapping);
                    let found =
                        installation.store().couplings_by_id(installation.company(), &name, Side::Dataverse, &ids);
                    Ok::<_, EngineError>(keys_of(found.await?))
                };
                Box::new(FromDataverse {
                    opportunity: Arc::clone(&context.mapping.dataverse),
                    table: Arc::clone(&context.mapping.business_central),
                    company,
                    contacts: keys(CONTACTS, of("parentcontactid")).await?,
                    salespeople: keys(SALESPEOPLE, of("ownerid")).await?,
                    closing: Closings { side, there },
                })
            }
        })
    }
}

/// The keys in Business Central by the ids in Dataverse.
fn keys_of(couplings: HashMap<RecordId, Coupling>) -> HashMap<Uuid, String> {
    let usable = couplings.into_iter().filter(|(_, coupling)| is_usable(coupling));
    usable.filter_map(|(id, coupling)| Some((id.0, coupling.key?))).collect()
}

struct ToDataverse {
    table: Arc<Table>,
    company: Option<CompanyRow>,
    is_owned_by_team: bool,
    currency: Uuid,
    closing: Closings,
}

#[async_trait]
impl BatchRules for ToDataverse {
    /// Dataverse keeps closed opportunities as they are. With ownership by team only those of persons of a company that is
    /// customer or vendor take part (S195).
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let source = record.source;
        let is_closed_there = record.destination.is_some_and(|there| Closing::of(Side::Dataverse, there).is_some());
        if is_closed_there && Closing::of(Side::BusinessCentral, source).is_none() {
            return Err(Obstacle::Ignore("it is closed in Dataverse".to_owned()));
        }
        let company = source.get("contactCompanyNo");
        let is_of_a_person = !company.is_null() && company != source.get("contactNumber");
        let is_of_a_partner = !source.get("customerNumber").is_null() || !source.get("vendorNumber").is_null();
        if self.is_owned_by_team && !(is_of_a_person && is_of_a_partner) {
            let reason = "its contact is no person of a company that is customer or vendor (S195)";
            return Err(Obstacle::Ignore(reason.to_owned()));
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table) = (record.source, &self.table);
        let there = record.destination;
        if there.is_some_and(|there| Closing::of(Side::Dataverse, there).is_some()) {
            // Closed on both sides.
            fields.clear();
            return Ok(());
        }
        if let Some(company) = self.company {
            set(fields, table, "bcbi_companyid", Value::Guid(company.id.0))?;
        }
        // Amounts are in local currency and travel as they are, so that is what the opportunity counts in.
        set_on_create(fields, table, "transactioncurrencyid", Value::Guid(self.currency))?;
        set_on_create(fields, table, "isrevenuesystemcalculated", Value::Bool(false))?;
        // Without a stage there is no estimate, and the estimate of a closed one is what it was: neither wipes what people
        // entered in Dataverse.
        let status = source.get("status");
        if status == &Value::text(NOT_STARTED) || Closing::of(Side::BusinessCentral, source).is_some() {
            fields.retain(|field| !["estimatedvalue", "estimatedclosedate"].contains(&field.destination.name.as_str()));
        }
        keep_what_is_blank_here(there, fields);
        let has_owner = fields.iter().any(|field| field.destination.name == "ownerid");
        let team = self.company.and_then(|row| row.owning_team).filter(|_| self.is_owned_by_team && !has_owner);
        if let Some(team) = team {
            let owner = Value::Reference { table: Arc::from("team"), id: team };
            set_on_create(fields, table, "ownerid", owner)?;
        }
        Ok(())
    }

    fn leave_behind(&self, record: Transferring<'_>, _fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        ends_that_differ(record, Side::BusinessCentral).into_iter().collect()
    }

    fn actions(&self) -> Option<&dyn Actions> {
        Some(&self.closing)
    }

    async fn after_write(&self, _context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records {
            let state = self.closing.state_after(record).or_else(|| record.created.then_some(Value::Int(OPEN)));
            let values = state.map(|state| vec![("statecode", state)]).unwrap_or_default();
            record.beside = Ok(WrittenBeside { values, ..WrittenBeside::default() });
        }
    }
}

/// A contact that is blank in Business Central does not wipe the one in Dataverse, and an account without a customer behind
/// it stays as long as the contact does.
fn keep_what_is_blank_here(there: Option<&Record>, fields: &mut Vec<TransferredField>) {
    let desired =
        |column: &str| fields.iter().find(|field| field.destination.name == column).map(|field| &field.desired);
    let contact_is_blank = desired("parentcontactid").is_none_or(Value::is_null);
    let contact = |record: &Record| record.get("parentcontactid").as_guid();
    let contact_stays =
        contact_is_blank || desired("parentcontactid").and_then(Value::as_guid) == there.and_then(contact);
    let account_is_blank = desired("parentaccountid").is_none_or(Value::is_null);
    fields.retain(|field| match field.destination.name.as_str() {
        "parentcontactid" => !contact_is_blank,
        "parentaccountid" => !(account_is_blank && contact_stays),
        _ => true,
    });
}

struct FromDataverse {
    /// The table in Dataverse.
    opportunity: Arc<Table>,
    table: Arc<Table>,
    company: Option<CompanyRow>,
    contacts: HashMap<Uuid, String>,
    salespeople: HashMap<Uuid, String>,
    closing: Closings,
}

#[async_trait]
impl BatchRules for FromDataverse {
    /// An opportunity that was over before it was coupled is no work for anybody.
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        if record.creating && record.destination.is_none() && Closing::of(Side::Dataverse, record.source).is_some() {
            return Err(Obstacle::Ignore("it was closed in Dataverse before it was synchronized".to_owned()));
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if is_closed_here(record) {
            fields.clear();
            return Ok(());
        }
        // The contact and the owner are Business Central's to change; it only gets those that it lacks.
        for (column, keys, from) in
            [("contactNumber", &self.contacts, "parentcontactid"), ("salespersonCode", &self.salespeople, "ownerid")]
        {
            let key = record.source.get(from).as_guid().and_then(|id| keys.get(&id));
            let is_lacking = record.destination.is_none_or(|there| there.known(column).is_some_and(Value::is_null));
            if let Some(key) = key.filter(|_| is_lacking) {
                set(fields, &self.table, column, Value::text(key.as_str()))?;
            }
        }
        Ok(())
    }

    fn leave_behind(&self, record: Transferring<'_>, _fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        let mut notes: Vec<FieldNote> = ends_that_differ(record, Side::Dataverse).into_iter().collect();
        let is_open = record.source.get("statecode") == &Value::Int(OPEN);
        if is_closed_here(record) && is_open {
            let message = "the opportunity was opened again in Dataverse, and Business Central keeps closed ones closed: \
                           make a new opportunity, or close this one again";
            notes.push(FieldNote::altered("Status", Some("statecode"), message));
        }
        let contact = record.source.get("parentcontactid").as_guid();
        if let Some(contact) = contact.filter(|contact| record.creating && !self.contacts.contains_key(contact)) {
            let message = format!(
                "Contact \"{contact}\" is not coupled by {CONTACTS}: the opportunity in Business Central has no contact; couple the \
                 contact and change the opportunity, or enter the contact there"
            );
            notes.push(FieldNote::altered("Contact", Some("parentcontactid"), message));
        }
        notes
    }

    fn actions(&self) -> Option<&dyn Actions> {
        Some(&self.closing)
    }

    /// An opportunity that created one in Business Central belongs to the company now.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            let values = self.closing.state_after(record).map(|state| vec![("status", state)]).unwrap_or_default();
            record.beside = Ok(WrittenBeside { values, ..WrittenBeside::default() });
        }
        let Some(company) = self.company.map(|row| row.id.0) else { return };
        let mut claimed: Vec<&mut AfterWrite<'_>> = records
            .iter_mut()
            .filter(|record| record.created && record.source.get("bcbi_companyid").as_guid() != Some(company))
            .collect();
        let writes: Vec<Write> = claimed
            .iter()
            .map(|record| {
                let values: Values = [(Arc::from("bcbi_companyid"), Value::Guid(company))].into();
                Write::update(record.source.id, None, values)
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.opportunity, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in claimed.iter_mut().zip(results) {
            if let Err(error) = result {
                record.beside = Err(error);
            }
        }
    }
}

/// Whether the opportunity in Business Central is closed.
fn is_closed_here(record: Transferring<'_>) -> bool {
    record.destination.is_some_and(|there| Closing::of(Side::BusinessCentral, there).is_some())
}

/// What closes the opportunities of a side.
struct Closings {
    /// The destination.
    side: Side,
    /// How the destinations of source records had ended when they were read; `None` for open ones.
    there: HashMap<RecordId, Option<Closing>>,
}

impl Closings {
    /// The state of the destination when everything is done; `None` where it stays open.
    fn state_after(&self, record: &AfterWrite<'_>) -> Option<Value> {
        let there = self.there.get(&record.source.id).copied().flatten();
        let closing = there.or_else(|| Closing::of(self.side.other(), record.source));
        closing.map(|closing| closing.state(self.side))
    }
}

/// What to tell of an opportunity that ended one way here and another way there, which neither system lets us mend.
fn ends_that_differ(record: Transferring<'_>, source: Side) -> Option<FieldNote> {
    let here = Closing::of(source, record.source)?;
    let there = Closing::of(source.other(), record.destination?)?;
    let message =
        format!("the opportunity is {here:?} in {source} and {there:?} in {}: both stay as they are", source.other());
    (here != there).then(|| FieldNote::altered("Status", Some(state_column(source)), message))
}

#[async_trait]
impl Actions for Closings {
    fn wanted(&self, record: &AfterWrite<'_>) -> Option<Action> {
        let source = record.source;
        let closing = Closing::of(self.side.other(), source)?;
        let is_open = record.created || self.there.get(&source.id).is_none_or(Option::is_none);
        // What an attempt without an end asked for is looked for, also when it shows already.
        if !is_open && record.coupling.acting.is_none() {
            return None;
        }
        let mut parameters = BTreeMap::new();
        if self.side == Side::Dataverse {
            parameters.insert(Arc::from("Status"), Value::Int(closing.status()));
            let subject = format!("{} in Business Central", if closing == Closing::Won { "Won" } else { "Lost" });
            parameters.insert(Arc::from("subject"), Value::Text(subject));
            let earned = source.known("calculatedCurrentValue").filter(|_| closing == Closing::Won);
            parameters.extend(earned.map(|value| (Arc::from("actualrevenue"), value.clone())));
            if let Some(Value::Date(day)) = source.known("dateClosed") {
                let noon = noon_of(*day).map(Value::DateTime);
                parameters.extend(noon.map(|noon| (Arc::from("actualend"), noon)));
            }
        }
        let name = closing.action(self.side).to_owned();
        Some(Action { record: record.destination, name, parameters })
    }

    async fn happened(&self, context: Context<'_>, records: &[Attempted<'_>]) -> Result<Vec<bool>, EngineError> {
        let ids: Vec<RecordId> = records.iter().map(|record| record.destination).collect();
        let columns = [state_column(self.side).to_owned()];
        let table = context.mapping.table(self.side);
        let found = context.installation.system(self.side).fetch(table, &ids, &columns).await?;
        let closed: HashSet<RecordId> =
            found.iter().filter(|record| Closing::of(self.side, record).is_some()).map(|record| record.id).collect();
        Ok(records.iter().map(|record| closed.contains(&record.destination)).collect())
    }
}

#[cfg(test)]
mod tests;
