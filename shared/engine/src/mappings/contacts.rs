//! CONTACT: persons, the account of the company they work for, and the primary contact of that (S254 to S259).

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::table::{Column, Side};
use couplet_model::{Coupling, Record, RecordId, Table, Value};

use super::accounts::{merged_into, standing_values};
use super::addresses;
use super::employers::{ByAccount, ByCompany, COMPANY, Employer, PARENT, account_of, need};
use super::moving_persons::Moves;
use super::of_company;
use super::persons_without_company;
use super::primary_contacts::{Newcomer, PrimaryContacts};
use super::rules::{AfterWrite, BatchRules, Context, MappingRules, Merged, Obstacle, Transferring, WrittenBeside};
use crate::error::EngineError;
use crate::facts::{CompanyRow, Countries};
use crate::installation::Installation;

/// Table of accounts.
const ACCOUNT: &str = "account";
/// Column of what that is: an account, or another contact.
const PARENT_KIND: &str = "parentcustomeridtype";

pub(crate) struct Contacts;

#[async_trait]
impl MappingRules for Contacts {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["number", COMPANY],
            Direction::FromDataverse => {
                &["fullname", PARENT, PARENT_KIND, "bcbi_companyid", "statecode", "merged", "masterid"]
            }
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["fullname", PARENT, "statecode", "merged", "masterid"],
            Direction::FromDataverse => &["number", COMPANY],
        }
    }

    /// A coupled person who leaves the company, or is no longer active, is still followed: whom they work for stays as it
    /// is on the other side.
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        match direction {
            Direction::ToDataverse => column == COMPANY,
            Direction::FromDataverse => matches!(column, "statecode" | PARENT | PARENT_KIND),
        }
    }

    /// A company that was taken off a person stays the one that both sides agreed on, because the contact keeps its account:
    /// that tells the person from one who never had a company (S251).
    fn remembers_when_blank(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::ToDataverse && column == COMPANY
    }

    fn record_tells_all(&self, direction: Direction, source: &Record, coupling: &Coupling) -> bool {
        direction == Direction::ToDataverse || !persons_without_company::may_get_one(source, coupling)
    }

    /// Persons without a company whose accounts have become customers or vendors since (S251).
    async fn also_due(&self, installation: &Installation, direction: Direction) -> Result<Vec<RecordId>, EngineError> {
        match direction {
            Direction::ToDataverse => Ok(Vec::new()),
            Direction::FromDataverse => persons_without_company::due(installation).await,
        }
    }

    fn merged_into(&self, side: Side, record: &Record) -> Option<Merged> {
        merged_into(side, record)
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let (mut by_company, mut by_account) = (ByCompany::default(), ByAccount::default());
        match context.direction {
            Direction::ToDataverse => {
                let companies: BTreeSet<&str> =
                    sources.iter().filter_map(|record| record.source.get(COMPANY).as_text()).collect();
                by_company = ByCompany::read(installation, companies).await?;
            }
            Direction::FromDataverse => {
                let accounts = sources.iter().filter_map(|record| account_of(record.source.get(PARENT))).collect();
                by_account = ByAccount::read(installation, accounts).await?;
            }
        }
        Ok(Box::new(Prepared {
            direction: context.direction,
            person: Arc::clone(&context.mapping.business_central),
            row: Arc::clone(&context.mapping.dataverse),
            company: installation.company_row().await?,
            countries: installation.countries_for(&addresses::texts_in_question(context.direction, sources)).await?,
            by_company,
            by_account,
            moves: Moves::read(context, sources).await?,
            primary: PrimaryContacts::new(installation, context.direction)?,
        }))
    }
}

struct Prepared {
    direction: Direction,
    person: Arc<Table>,
    row: Arc<Table>,
    company: Option<CompanyRow>,
    countries: Arc<Countries>,
    by_company: ByCompany,
    by_account: ByAccount,
    moves: Moves,
    primary: PrimaryContacts,
}

impl Prepared {
    /// Whom the person works for, as far as it can be said at the destination. A company that is customer and vendor counts
    /// as what is coupled, as customer first; an account that is both, as what has a company contact.
    fn employer(&self, source: &Record) -> Option<&Employer> {
        match self.direction {
            Direction::ToDataverse => {
                self.by_company.of(source.get(COMPANY)).iter().find(|employer| employer.coupling.is_some())
            }
            Direction::FromDataverse => {
                self.by_account.of(source.get(PARENT)).into_iter().find(|employer| employer.contact.is_some())
            }
        }
    }

    /// How the destination names the employer.
    fn name_at_destination(&self, employer: &Employer) -> Option<Value> {
        match self.direction {
            Direction::ToDataverse => Some(Value::Reference { table: Arc::from(ACCOUNT), id: employer.account()? }),
            Direction::FromDataverse => employer.contact.as_deref().map(Value::text),
        }
    }

    fn admit_towards_dataverse(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let company = record.source.get(COMPANY);
        let employers = self.by_company.of(company);
        if !record.creating || employers.iter().any(|employer| employer.coupling.is_some()) {
            return Ok(());
        }
        match employers.first() {
            None => Err(Obstacle::Ignore(format!(
                "its company {company} is no customer and no vendor (S256): create one from the company contact"
            ))),
            Some(employer) => {
                let caption = format!("company {company}, {}", employer.kind.word());
                let (side, number) = (Side::BusinessCentral, employer.number.clone());
                Err(Obstacle::Wait(need(employer.kind, side, number.clone(), &caption, number)))
            }
        }
    }

    /// A new person whose account will be coupled waits for that. One whose account no mapping admits is created without a
    /// company, and is no failure (S258, U9).
    fn admit_from_dataverse(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let parent = record.source.get(PARENT);
        if !record.creating || self.employer(record.source).is_some() {
            return Ok(());
        }
        if let Some(employer) = self.by_account.of(parent).first() {
            return Err(Obstacle::Failure(without_company_contact(employer)));
        }
        match self.by_account.expected(parent) {
            Some(kind) => {
                let key = parent.to_string();
                Err(Obstacle::Wait(need(kind, Side::Dataverse, key.clone(), "the account", key)))
            }
            None => Ok(()),
        }
    }

    /// Names the employer at the destination, where it is known there; what is not known blanks nothing (U9). A blank one is
    /// filled whatever changed last (S257), unless somebody took the company off; otherwise whoever changed it last is
    /// followed, also to where that is not known yet.
    fn name_employer(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), DataFailure> {
        let Some(desired) = self.employer(record.source).and_then(|employer| self.name_at_destination(employer)) else {
            return Ok(());
        };
        let (source, destination) = match self.direction {
            Direction::ToDataverse => (column(&self.person, COMPANY)?, column(&self.row, PARENT)?),
            Direction::FromDataverse => (column(&self.row, PARENT)?, column(&self.person, COMPANY)?),
        };
        if self.moves.are_open_at_destination(record) {
            return Ok(());
        }
        let is_blank = record.destination.is_none_or(|other| other.get(&destination.name).is_null());
        let is_filled = is_blank && !self.moves.was_taken_off(record);
        let travel = if record.creating || is_filled { Travel::OneWay } else { Travel::BothWays };
        fields.push(TransferredField { source: Some(source), destination, desired, travel });
        Ok(())
    }

    /// What is told of a person whose employer is both customer and vendor, when that matters.
    fn choice(&self, record: Transferring<'_>, fields: &[TransferredField]) -> Option<FieldNote> {
        let chosen = self.employer(record.source)?;
        let others: Vec<&Employer> = match self.direction {
            Direction::ToDataverse => self.by_company.of(record.source.get(COMPANY)).iter().collect(),
            Direction::FromDataverse => self.by_account.of(record.source.get(PARENT)),
        };
        let other = others.into_iter().find(|employer| employer.kind != chosen.kind)?;
        let desired = self.name_at_destination(chosen)?;
        if self.name_at_destination(other).is_none_or(|name| name == desired) {
            return None;
        }
        let named =
            fields.iter().find(|field| field.source.as_ref().is_some_and(|source| is_employer(&source.name)))?;
        if record.destination.is_some_and(|destination| destination.get(&named.destination.name) == &desired) {
            return None;
        }
        let caption = named.source.as_ref().map_or("", |source| source.caption.as_str()).to_owned();
        let (kind, number, other_kind, other) = (chosen.kind.word(), &chosen.number, other.kind.word(), &other.number);
        let message = format!(
            "the company is {kind} {number} and {other_kind} {other}, which are different on the other side: the contact was \
             put with the {kind}; move it there if it belongs to the {other_kind}"
        );
        Some(FieldNote::altered(
            caption,
            Some(if self.direction == Direction::ToDataverse { COMPANY } else { PARENT }),
            message,
        ))
    }
}

/// The name of a person as Business Central makes it of its parts.
fn full_name(person: &Record) -> Option<String> {
    let parts = ["firstName", "middleName", "surname"].into_iter().filter_map(|part| person.get(part).as_text());
    let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

fn is_employer(column: &str) -> bool {
    matches!(column, COMPANY | PARENT)
}

fn column(table: &Table, name: &str) -> Result<Arc<Column>, DataFailure> {
    let missing = || DataFailure::new(format!("the catalogue's table {} has no column {name}", table.name));
    table.column(name).cloned().ok_or_else(missing)
}

fn without_company_contact(employer: &Employer) -> DataFailure {
    let (kind, number) = (employer.kind.word(), &employer.number);
    DataFailure::of_field(
        PARENT,
        format!(
            "the {kind} {number} has no company contact in Business Central, so nobody can work for it there (EE22): name a \
             business relation code for {kind}s in the marketing setup and create the contact of the {kind}"
        ),
    )
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        match self.direction {
            Direction::ToDataverse => self.admit_towards_dataverse(record),
            Direction::FromDataverse => self.admit_from_dataverse(record),
        }
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if self.direction == Direction::ToDataverse {
            of_company::own(fields, &self.row, self.company, record.creating)?;
        }
        Ok(self.name_employer(record, fields)?)
    }

    fn leave_behind(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        let mut notes: Vec<FieldNote> = self.choice(record, fields).into_iter().collect();
        if !record.creating && self.employer(record.source).is_none() {
            notes.extend(self.moves.stays_with_the_old_employer(record, &self.by_company, &self.by_account));
        }
        notes.extend(addresses::translate(self.direction, &self.countries, record, fields));
        let employer = self.by_account.of(record.source.get(PARENT)).into_iter().next();
        if let Some(employer) = employer.filter(|employer| employer.contact.is_none()) {
            let failure = without_company_contact(employer);
            notes.push(FieldNote::left(PARENT, Some(PARENT), failure.message));
        }
        notes
    }

    fn travel_together(&self) -> &'static [(&'static str, &'static [&'static str])] {
        addresses::travel_together(self.direction)
    }

    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(self.standing(record));
        }
        if self.direction == Direction::FromDataverse {
            of_company::claim(context, &self.row, self.company, records).await;
        }
        let newcomers: Vec<Newcomer> = records
            .iter()
            .filter(|record| record.created && record.beside.is_ok())
            .filter_map(|record| self.newcomer(record))
            .collect();
        let failed = self.primary.fill(context.installation, &newcomers).await;
        for record in records.iter_mut() {
            if let Some(error) = failed.get(&record.destination) {
                record.beside = Err(error.clone());
            }
        }
    }
}

impl Prepared {
    /// What a new row holds without having been told so.
    fn standing(&self, record: &AfterWrite<'_>) -> WrittenBeside {
        let mut values = Vec::new();
        if self.direction == Direction::ToDataverse {
            let names: Vec<&str> = ["firstname", "lastname"]
                .into_iter()
                .filter_map(|column| record.desired(column).and_then(Value::as_text))
                .collect();
            // As most organizations spell it; another spelling is looked at once.
            values.push(("fullname", Value::text(names.join(" "))));
            if record.desired(PARENT).is_some_and(|parent| !parent.is_null()) {
                values.push((PARENT_KIND, Value::text(ACCOUNT)));
            }
            if record.created {
                values.extend(standing_values());
            }
        }
        WrittenBeside { values, ..WrittenBeside::default() }
    }

    fn newcomer(&self, record: &AfterWrite<'_>) -> Option<Newcomer> {
        let employer = self.employer(record.source)?;
        let coupling = employer.coupling.as_ref()?;
        Some(Newcomer {
            person: record.destination,
            kind: employer.kind,
            employer: coupling.id(self.direction.destination()),
            source_employer: coupling.id(self.direction.source()),
            full_name: full_name(record.source),
            name_at_source: match self.direction {
                Direction::ToDataverse => record.source.get("number").clone(),
                Direction::FromDataverse => Value::Guid(record.source.id.0),
            },
        })
    }
}

#[cfg(test)]
mod tests;
