//! Persons who moved to an employer that the other side does not know yet: the rest of the person travels, the move follows
//! when that employer is coupled, and nobody takes it back meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use couplet_model::coupling::Base;
use couplet_model::message::Direction;
use couplet_model::outcome::FieldNote;
use couplet_model::table::Side;
use couplet_model::{Record, Table, Value};
use uuid::Uuid;

use super::employers::{ByAccount, ByCompany, COMPANY, PARENT, account_of, need, uncoupled};
use super::rules::{Context, Transferring};
use crate::error::EngineError;
use crate::installation::Installation;

/// The column of a side that names a person's employer.
fn column_of(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => COMPANY,
        Side::Dataverse => PARENT,
    }
}

/// The employer that a record names, if it is another one than when both sides agreed last.
fn moved_to<'r>(table: &Table, record: &'r Record, base: Option<&Base>) -> Option<&'r Value> {
    let column = table.column(column_of(table.side))?;
    let named = record.known(&column.name).filter(|named| !named.is_null())?;
    (base.and_then(|base| base.get(table.side, column)).as_ref() != Some(named)).then_some(named)
}

/// Employers that nobody is coupled to.
#[derive(Default)]
struct Unknown {
    accounts: BTreeSet<Uuid>,
    companies: ByCompany,
}

impl Unknown {
    /// Those of a side among the employers that records name there.
    async fn among<'v>(
        installation: &Installation,
        side: Side,
        named: impl Iterator<Item = &'v Value>,
    ) -> Result<Self, EngineError> {
        Ok(match side {
            Side::Dataverse => {
                let accounts = uncoupled(installation, named.filter_map(account_of).collect()).await?;
                Self { accounts, ..Self::default() }
            }
            Side::BusinessCentral => {
                let companies = ByCompany::read(installation, named.filter_map(Value::as_text).collect()).await?;
                Self { companies, ..Self::default() }
            }
        })
    }

    fn has(&self, named: &Value) -> bool {
        match (account_of(named), named.as_text()) {
            (Some(account), _) => self.accounts.contains(&account),
            (None, Some(_)) => self.companies.of(named).iter().all(|employer| employer.coupling.is_none()),
            // Nobody works for a contact.
            (None, None) => false,
        }
    }
}

/// The persons of a batch who moved.
pub(crate) struct Moves {
    direction: Direction,
    person: Arc<Table>,
    row: Arc<Table>,
    /// Employers that persons were moved to at the destination and that nobody is coupled to.
    unknown: Unknown,
}

impl Moves {
    /// Reads them; asks nothing where nobody was moved, which is the rule.
    pub async fn read(context: Context<'_>, records: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let side = context.direction.destination();
        let table = context.mapping.table(side);
        let moved = records.iter().filter(|record| record.base.is_some());
        let moved = moved.filter_map(|record| moved_to(table, record.destination?, record.base));
        Ok(Self {
            direction: context.direction,
            person: Arc::clone(&context.mapping.business_central),
            row: Arc::clone(&context.mapping.dataverse),
            unknown: Unknown::among(context.installation, side, moved).await?,
        })
    }

    /// Whether somebody at the destination moved the person to an employer that cannot be named at the source yet, while
    /// nobody moved it there: that move is to come from the other direction, and even a full synchronization waits for it.
    pub fn are_open_at_destination(&self, record: Transferring<'_>) -> bool {
        let (here, there) = (self.table(self.direction.source()), self.table(self.direction.destination()));
        let moved = record.destination.and_then(|other| moved_to(there, other, record.base));
        record.base.is_some()
            && moved.is_some_and(|employer| self.unknown.has(employer))
            && moved_to(here, record.source, record.base).is_none()
    }

    /// Whether a user of Business Central took the company off a person who has it in Dataverse as before.
    pub fn was_taken_off(&self, record: Transferring<'_>) -> bool {
        self.direction == Direction::FromDataverse
            && record.base.is_some_and(|base| base.has_value(Side::BusinessCentral, COMPANY))
            && moved_to(&self.row, record.source, record.base).is_none()
    }

    /// What is told of a coupled person whose new employer the other side does not know: that the old one stays there, and
    /// what ends that.
    pub fn stays_with_the_old_employer(
        &self,
        record: Transferring<'_>,
        by_company: &ByCompany,
        by_account: &ByAccount,
    ) -> Option<FieldNote> {
        let (source, destination) = (self.direction.source(), self.direction.destination());
        let named = moved_to(self.table(source), record.source, record.base)?;
        let expected = match self.direction {
            Direction::ToDataverse => by_company.of(named).first().map(|employer| employer.kind),
            Direction::FromDataverse => {
                account_of(named)?;
                if !by_account.of(named).is_empty() {
                    // It is coupled, and what it lacks is told.
                    return None;
                }
                by_account.expected(named)
            }
        };
        let column = column_of(source);
        let (word, table) = match source {
            Side::BusinessCentral => ("company", "Company No."),
            Side::Dataverse => ("account", PARENT),
        };
        let stays = format!("the person keeps the {} it has in {destination}", column_of(destination));
        let Some(kind) = expected else {
            // Nothing of the move is lost where there is nothing to keep.
            let kept = record.destination?.known(column_of(destination))?;
            let message = format!(
                "the {word} {named} is synchronized neither as a customer nor as a vendor: {stays}; make it one of both, or \
                 move the person back"
            );
            return (!kept.is_null()).then(|| FieldNote::left(table, Some(column), message));
        };
        let message =
            format!("the {word} {named} is not coupled by {} yet: {stays} until it is; couple it", kind.mapping());
        // A company is waited for by the number of its customer or vendor.
        let key = match by_company.of(named).first() {
            Some(employer) => employer.number.clone(),
            None => account_of(named)?.to_string(),
        };
        let need = need(kind, source, key.clone(), table, key);
        Some(FieldNote::left(table, Some(column), message).until(need))
    }

    fn table(&self, side: Side) -> &Table {
        match side {
            Side::BusinessCentral => &self.person,
            Side::Dataverse => &self.row,
        }
    }
}
