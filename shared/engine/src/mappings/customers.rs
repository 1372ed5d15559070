//! CUSTOMER: company, relationship type and owner of an account; what an inactive account means for a customer
//! (S245 to S263).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::FieldNote;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::addresses;
use super::natural_keys::{candidates, is_ours, same_text};
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, Merged, Obstacle, Transferring, WrittenBeside, is_usable,
    set, set_on_create,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::{CompanyRow, Countries};

/// Relationship type "Customer" of an account (S247).
const RELATIONSHIP_CUSTOMER: i64 = 3;
/// State "Active" of an account.
const STATE_ACTIVE: i64 = 0;
/// State "Inactive" of an account.
const STATE_INACTIVE: i64 = 1;
/// The block that an inactive account puts on a customer (S249).
const BLOCKED_ALL: &str = "All";
/// The mapping of a customer's primary contact.
const CONTACTS: &str = "CONTACT";

pub(crate) struct Customers;

#[async_trait]
impl MappingRules for Customers {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["number"],
            Direction::FromDataverse => &["statecode", "merged", "masterid", "accountnumber"],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["name", "statecode", "merged", "masterid"],
            Direction::FromDataverse => &["number", "blocked"],
        }
    }

    /// A merge leaves the account inactive, with its master named. One that was activated again has a life of its own.
    fn merged_into(&self, side: Side, record: &Record) -> Option<Merged> {
        let stays_behind = side == Side::Dataverse
            && record.get("merged").as_bool() == Some(true)
            && record.get("statecode") == &Value::Int(STATE_INACTIVE);
        let master = || record.get("masterid").as_guid().map_or(Merged::Unknown, |id| Merged::Into(RecordId(id)));
        stays_behind.then(master)
    }

    /// A blocked customer.
    fn is_out_of_use(&self, side: Side, record: &Record) -> bool {
        side == Side::BusinessCentral && !record.get("blocked").is_null()
    }

    /// A coupled account that becomes inactive blocks its customer (C-219), although the filter admits active ones only.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::FromDataverse && column == "statecode"
    }

    fn partner_key(&self, direction: Direction) -> Option<&'static str> {
        Some(match direction {
            Direction::ToDataverse => "the customer's number as account number and the same name",
            Direction::FromDataverse => "the account number as its number and the same name",
        })
    }

    /// The account whose number is the customer's and whose name is, too. The number alone is no proof: both systems may
    /// count from the same one.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        match context.direction {
            Direction::ToDataverse => {
                let columns = ["name", "bcbi_companyid"];
                let accounts = candidates(context, sources, "number", "accountnumber", &columns).await?;
                let is_ours = is_ours(context).await?;
                let of = |source: &&Record| {
                    let named = |account: &Record| {
                        is_ours(account) && same_text(account.get("name"), source.get("displayName"))
                    };
                    Ok(accounts.only(source, named))
                };
                Ok(sources.iter().map(of).collect())
            }
            Direction::FromDataverse => {
                let customers = candidates(context, sources, "accountnumber", "number", &["displayName"]).await?;
                let of = |source: &&Record| {
                    let named = |customer: &Record| same_text(customer.get("displayName"), source.get("name"));
                    Ok(customers.only(source, named))
                };
                Ok(sources.iter().map(of).collect())
            }
        }
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let company = installation.company_row().await?;
        let mut coupled_contacts = HashMap::new();
        if context.direction == Direction::FromDataverse {
            // Only where a blank primary contact arrives does it matter whether the present one is coupled (R151).
            let keys: Vec<String> = sources
                .iter()
                .filter(|record| record.source.get("primarycontactid").is_null())
                .filter_map(|record| record.destination?.get("primaryContactNo").as_text().map(str::to_owned))
                .collect();
            let contacts = MappingName::from(CONTACTS);
            let found = installation.store().couplings_by_key(installation.company(), &contacts, &keys).await?;
            coupled_contacts = found.into_iter().map(|(key, coupling)| (key, is_usable(&coupling))).collect();
        }
        let mut coupled_persons = HashSet::new();
        if context.direction == Direction::ToDataverse {
            let person =
                |record: &Transferring<'_>| record.destination?.get("primarycontactid").as_guid().map(RecordId);
            let persons: Vec<RecordId> = sources
                .iter()
                .filter(|record| record.source.get("primaryContactNo").is_null())
                .filter_map(person)
                .collect();
            let found = installation
                .store()
                .couplings_by_id(installation.company(), &CONTACTS.into(), Side::Dataverse, &persons)
                .await?;
            coupled_persons = found.into_iter().filter(|(_, c)| is_usable(c)).map(|(id, _)| id.0).collect();
        }
        Ok(Box::new(Prepared {
            countries: installation.countries_for(&addresses::texts_in_question(context.direction, sources)).await?,
            coupled_persons,
            direction: context.direction,
            account: Arc::clone(&context.mapping.dataverse),
            customer: Arc::clone(&context.mapping.business_central),
            company,
            coupled_contacts,
        }))
    }
}

struct Prepared {
    direction: Direction,
    account: Arc<Table>,
    customer: Arc<Table>,
    company: Option<CompanyRow>,
    coupled_contacts: HashMap<String, bool>,
    /// Primary contacts of accounts that are coupled.
    coupled_persons: HashSet<Uuid>,
    countries: Arc<Countries>,
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        match self.direction {
            Direction::ToDataverse => self.adjust_account(record, fields),
            Direction::FromDataverse => self.adjust_customer(record, fields),
        }
    }

    fn leave_behind(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        match self.direction {
            Direction::ToDataverse => {
                addresses::keep_text(&self.countries, record, fields);
                Vec::new()
            }
            Direction::FromDataverse => addresses::to_code(&self.countries, record, fields),
        }
    }

    fn travel_together(&self) -> Option<(&'static str, &'static [&'static str])> {
        (self.direction == Direction::FromDataverse).then_some(addresses::ADDRESS)
    }

    /// An account that created a customer now belongs to the company (R258).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(self.standing(record));
        }
        let (Direction::FromDataverse, Some(company)) = (self.direction, self.company) else { return };
        let company = company.id.0;
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
        let results = write_all(context.installation.system(Side::Dataverse), &self.account, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in claimed.iter_mut().zip(results) {
            if let Err(error) = result {
                record.beside = Err(error);
            }
        }
    }
}

impl Prepared {
    /// A new account is active, and merged into no other, without having been told so.
    fn standing(&self, record: &AfterWrite<'_>) -> WrittenBeside {
        let is_new_account = record.created && self.direction == Direction::ToDataverse;
        let values = if is_new_account {
            vec![("statecode", Value::Int(STATE_ACTIVE)), ("merged", Value::Bool(false)), ("masterid", Value::Null)]
        } else {
            Vec::new()
        };
        WrittenBeside { values, ..WrittenBeside::default() }
    }

    fn adjust_account(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        set_on_create(fields, &self.account, "customertypecode", Value::Int(RELATIONSHIP_CUSTOMER))?;
        if let Some(company) = self.company {
            set(fields, &self.account, "bcbi_companyid", Value::Guid(company.id.0))?;
        }
        // A blank primary contact in Business Central does not wipe one that is itself uncoupled (R151, the other way).
        let person = record.destination.and_then(|account| account.get("primarycontactid").as_guid());
        if person.is_some_and(|person| !self.coupled_persons.contains(&person))
            && record.source.get("primaryContactNo").is_null()
        {
            fields.retain(|field| field.destination.name != "primarycontactid");
        }
        // A new account without a salesperson belongs to the company's team (S263); later the owner is left alone.
        let has_owner = fields.iter().any(|field| field.destination.name == "ownerid");
        if record.creating
            && !has_owner
            && let Some(team) = self.company.and_then(|row| row.owning_team)
        {
            let owner = Value::Reference { table: Arc::from("team"), id: team };
            set_on_create(fields, &self.account, "ownerid", owner)?;
        }
        Ok(())
    }

    fn adjust_customer(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let is_unblocked =
            record.destination.is_none_or(|customer| customer.known("blocked").is_some_and(Value::is_null));
        if record.source.known("statecode") == Some(&Value::Int(STATE_INACTIVE)) && is_unblocked {
            set(fields, &self.customer, "blocked", Value::text(BLOCKED_ALL))?;
        }
        if self.keeps_primary_contact(record.source, record.destination) {
            fields.retain(|field| field.destination.name != "primaryContactNo");
        }
        Ok(())
    }

    /// A blank primary contact from Dataverse does not wipe one that is itself uncoupled (R151).
    fn keeps_primary_contact(&self, account: &Record, customer: Option<&Record>) -> bool {
        let present = customer.and_then(|customer| customer.get("primaryContactNo").as_text());
        account.get("primarycontactid").is_null()
            && present.is_some_and(|number| !self.coupled_contacts.get(number).copied().unwrap_or(false))
    }
}

#[cfg(test)]
mod tests;
