//! Persons who came from Dataverse without a company, because no mapping took their account, and whose account has become a
//! customer or vendor since (S251).

use std::collections::BTreeSet;

use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Value};
use uuid::Uuid;

use super::employers::{COMPANY, PARENT, account_of, uncoupled};
use super::rules::is_usable;
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of persons.
const CONTACTS: &str = "CONTACT";

/// Whether the person behind a contact may get a company although the contact is as it was.
pub(crate) fn may_get_one(contact: &Record, coupling: &Coupling) -> bool {
    account_of(contact.get(PARENT)).is_some() && !coupling.base.has_value(Side::BusinessCentral, COMPANY)
}

/// The contacts whose persons never had a company while their accounts are coupled. Those that failed are tried again anyway.
pub(crate) async fn due(installation: &Installation) -> Result<Vec<RecordId>, EngineError> {
    let side = Side::BusinessCentral;
    let conditions = vec![Condition::equal("type", Value::text("Person")), Condition::equal(COMPANY, Value::Null)];
    let table = installation.table(side, "Contact")?;
    let persons = installation.system(side).find(&table, &Filter::all(conditions), &[]).await?;
    let ids: Vec<RecordId> = persons.iter().map(|person| person.id).collect();
    let (store, company) = (installation.store(), installation.company());
    let couplings = store.couplings_by_id(company, &MappingName::from(CONTACTS), side, &ids).await?;
    let contact = installation.table(Side::Dataverse, "contact")?;
    let Some(parent) = contact.column(PARENT) else { return Ok(Vec::new()) };
    // Who had a company lost it to a user of Business Central.
    let is_settled = |coupling: &&Coupling| {
        let had_one = coupling.base.has_value(side, COMPANY);
        is_usable(coupling) && !had_one && !coupling.skipped && !coupling.failed(Direction::FromDataverse)
    };
    let account = |coupling: &Coupling| {
        let account = coupling.base.get(Side::Dataverse, parent).as_ref().and_then(account_of)?;
        Some((RecordId::from(coupling.dataverse_id), account))
    };
    let contacts: Vec<(RecordId, Uuid)> = couplings.values().filter(is_settled).filter_map(account).collect();
    let accounts: BTreeSet<Uuid> = contacts.iter().map(|(_, account)| *account).collect();
    let strangers = uncoupled(installation, accounts).await?;
    Ok(contacts.into_iter().filter(|(_, account)| !strangers.contains(account)).map(|(contact, _)| contact).collect())
}
