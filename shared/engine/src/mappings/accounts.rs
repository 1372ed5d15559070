//! CUSTOMER and VENDOR: company, relationship type and owner of an account; what an inactive account means for a customer
//! (S245 to S263). An account may be both: it is coupled once in each of the two mappings, and travels through both.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::FieldNote;
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::addresses;
use super::natural_keys::{candidates, is_ours, same_text};
use super::of_company;
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, Merged, Obstacle, Transferring, WrittenBeside, is_usable,
    set, set_on_create,
};
use crate::error::EngineError;
use crate::facts::{CompanyRow, Countries};

/// State "Active" of an account.
const STATE_ACTIVE: i64 = 0;
/// State "Inactive" of an account.
const STATE_INACTIVE: i64 = 1;
/// The block that an inactive account puts on a customer (S249).
const BLOCKED_ALL: &str = "All";
/// The mapping of the figures that an account shows of its customer.
const STATISTICS: &str = "Customer Statistics";
/// The mapping of a primary contact.
const CONTACTS: &str = "CONTACT";

/// Customers: relationship type "Customer" (S247). One whose account becomes inactive is blocked (S249).
pub(crate) const CUSTOMERS: Accounts = Accounts {
    relationship: 3,
    known_by: "the customer's number as account number and the same name",
    is_blocked_with_account: true,
};
/// Vendors: relationship type "Vendor" (S247). No account blocks them.
pub(crate) const VENDORS: Accounts = Accounts {
    relationship: 11,
    known_by: "the vendor's number as account number and the same name",
    is_blocked_with_account: false,
};

/// Companies that are accounts in Dataverse.
#[derive(Clone, Copy)]
pub(crate) struct Accounts {
    /// Relationship type of their accounts.
    relationship: i64,
    /// What the account of a record is known by, in words.
    known_by: &'static str,
    /// Whether an inactive account blocks the record.
    is_blocked_with_account: bool,
}

#[async_trait]
impl MappingRules for Accounts {
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

    fn merged_into(&self, side: Side, record: &Record) -> Option<Merged> {
        merged_into(side, record)
    }

    /// The figures of a customer leave the account that is no longer the customer's (S31).
    fn hang_on_pairs(&self) -> &'static [&'static str] {
        if self.relationship == CUSTOMERS.relationship { &[STATISTICS] } else { &[] }
    }

    /// A blocked customer or vendor.
    fn is_out_of_use(&self, side: Side, record: &Record) -> bool {
        side == Side::BusinessCentral && !record.get("blocked").is_null()
    }

    /// A coupled account that becomes inactive blocks its customer (C-219), and one that was merged gives its coupling to
    /// the master, although the filter admits active ones only. One that is customer and vendor has one relationship type
    /// and travels through both mappings all the same (D4, U2).
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::FromDataverse && matches!(column, "statecode" | "customertypecode")
    }

    fn partner_key(&self, direction: Direction) -> Option<&'static str> {
        Some(match direction {
            Direction::ToDataverse => self.known_by,
            Direction::FromDataverse => "the account number as its number and the same name",
        })
    }

    /// The account whose number is the customer's or vendor's and whose name is, too. The number alone is no proof: both
    /// systems may count from the same one. An account of another relationship is not taken over (S248).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        match context.direction {
            Direction::ToDataverse => {
                let columns = ["name", "bcbi_companyid", "customertypecode"];
                let accounts = candidates(context, sources, "number", "accountnumber", &columns).await?;
                let is_ours = is_ours(context).await?;
                let of = |source: &&Record| {
                    let named = |account: &Record| {
                        let relationship = account.get("customertypecode");
                        is_ours(account)
                            && same_text(account.get("name"), source.get("displayName"))
                            && (relationship.is_null() || relationship == &Value::Int(self.relationship))
                    };
                    Ok(accounts.only(source, named))
                };
                Ok(sources.iter().map(of).collect())
            }
            Direction::FromDataverse => {
                let records = candidates(context, sources, "accountnumber", "number", &["displayName"]).await?;
                let of = |source: &&Record| {
                    let named = |record: &Record| same_text(record.get("displayName"), source.get("name"));
                    Ok(records.only(source, named))
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
            accounts: *self,
            direction: context.direction,
            account: Arc::clone(&context.mapping.dataverse),
            record: Arc::clone(&context.mapping.business_central),
            company,
            coupled_contacts,
        }))
    }
}

/// A merge leaves an account or contact inactive, with its master named. One that was activated again has a life of its own.
pub(super) fn merged_into(side: Side, record: &Record) -> Option<Merged> {
    let stays_behind = side == Side::Dataverse
        && record.get("merged").as_bool() == Some(true)
        && record.get("statecode") == &Value::Int(STATE_INACTIVE);
    let master = || record.get("masterid").as_guid().map_or(Merged::Unknown, |id| Merged::Into(RecordId(id)));
    stays_behind.then(master)
}

/// What a new row is known to hold without having been told so: it is active, and merged into no other.
pub(super) fn standing_values() -> Vec<(&'static str, Value)> {
    vec![("statecode", Value::Int(STATE_ACTIVE)), ("merged", Value::Bool(false)), ("masterid", Value::Null)]
}

struct Prepared {
    accounts: Accounts,
    direction: Direction,
    account: Arc<Table>,
    record: Arc<Table>,
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
            Direction::FromDataverse => self.adjust_record(record, fields),
        }
    }

    fn leave_behind(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        addresses::translate(self.direction, &self.countries, record, fields)
    }

    fn travel_together(&self) -> &'static [(&'static str, &'static [&'static str])] {
        addresses::travel_together(self.direction)
    }

    /// An account that created a customer or vendor now belongs to the company (R258).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(self.standing(record));
        }
        if self.direction == Direction::FromDataverse {
            of_company::claim(context, &self.account, self.company, records).await;
        }
    }
}

impl Prepared {
    /// A new account is active, and merged into no other, without having been told so.
    fn standing(&self, record: &AfterWrite<'_>) -> WrittenBeside {
        let is_new_account = record.created && self.direction == Direction::ToDataverse;
        let values = if is_new_account { standing_values() } else { Vec::new() };
        WrittenBeside { values, ..WrittenBeside::default() }
    }

    fn adjust_account(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        set_on_create(fields, &self.account, "customertypecode", Value::Int(self.accounts.relationship))?;
        of_company::own(fields, &self.account, self.company, record.creating)?;
        // A blank primary contact in Business Central does not wipe one that is itself uncoupled (R151, the other way).
        let person = record.destination.and_then(|account| account.get("primarycontactid").as_guid());
        if person.is_some_and(|person| !self.coupled_persons.contains(&person))
            && record.source.get("primaryContactNo").is_null()
        {
            fields.retain(|field| field.destination.name != "primarycontactid");
        }
        Ok(())
    }

    fn adjust_record(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let is_unblocked =
            record.destination.is_none_or(|present| present.known("blocked").is_some_and(Value::is_null));
        if self.accounts.is_blocked_with_account
            && record.source.known("statecode") == Some(&Value::Int(STATE_INACTIVE))
            && is_unblocked
        {
            set(fields, &self.record, "blocked", Value::text(BLOCKED_ALL))?;
        }
        if self.keeps_primary_contact(record.source, record.destination) {
            fields.retain(|field| field.destination.name != "primaryContactNo");
        }
        Ok(())
    }

    /// A blank primary contact from Dataverse does not wipe one that is itself uncoupled (R151).
    fn keeps_primary_contact(&self, account: &Record, record: Option<&Record>) -> bool {
        let present = record.and_then(|record| record.get("primaryContactNo").as_text());
        account.get("primarycontactid").is_null()
            && present.is_some_and(|number| !self.coupled_contacts.get(number).copied().unwrap_or(false))
    }
}

#[cfg(test)]
mod tests;
