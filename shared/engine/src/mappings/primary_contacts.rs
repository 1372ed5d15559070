//! The primary contact of a customer, a vendor or an account that has none: the first person who arrives from the other
//! side (S259), unless somebody else was chosen there, who will come by himself. One that is there stays, whoever chose it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use couplet_model::comparing::folded;
use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, RetryClass, System, SystemError, Table, Value};
use tracing::debug;
use uuid::Uuid;

use super::employers::Kind;
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// Column of an account's contact name.
const NAME: &str = "address1_primarycontactname";

/// A person who was created, and for whom it is known where the primary contact is kept.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    /// The person at the destination.
    pub person: RecordId,
    pub kind: Kind,
    /// The customer, vendor or account at the destination.
    pub employer: RecordId,
    /// The same at the source.
    pub source_employer: RecordId,
    /// How the primary contact of that would name this person.
    pub name_at_source: Value,
    /// The person's full name, where Business Central keeps it.
    pub full_name: Option<String>,
}

/// Who is to be the primary contact.
struct Chosen {
    person: RecordId,
    /// How the destination names this person.
    named: Value,
    full_name: Option<String>,
}

/// Where employers of a kind are kept.
struct Employers {
    kind: Kind,
    source: Arc<Table>,
    destination: Arc<Table>,
}

/// Where primary contacts are kept in one direction.
pub(crate) struct PrimaryContacts {
    direction: Direction,
    /// The table of the persons at the destination.
    persons: Arc<Table>,
    /// The tables of their employers at source and destination, as far as their mappings bring primary contacts that way.
    employers: Vec<Employers>,
}

impl PrimaryContacts {
    /// Those of a direction.
    ///
    /// # Errors
    /// When the catalogue lacks a table.
    pub fn new(installation: &Installation, direction: Direction) -> Result<Self, EngineError> {
        let side = direction.destination();
        let mut employers = Vec::new();
        for kind in Kind::ALL {
            let (catalogue, switches) = (installation.catalogue(), installation.switches());
            let Ok(mapping) = catalogue.active_mapping(kind.mapping().as_str(), switches) else { continue };
            let mut rows = mapping.rows(direction);
            if rows.any(|row| row.dataverse.as_ref().is_some_and(|column| column.name == "primarycontactid")) {
                let (source, destination) = (mapping.table(direction.source()), mapping.table(side));
                employers.push(Employers { kind, source: Arc::clone(source), destination: Arc::clone(destination) });
            }
        }
        let persons = match side {
            Side::BusinessCentral => "Contact",
            Side::Dataverse => "contact",
        };
        Ok(Self { direction, persons: installation.table(side, persons)?, employers })
    }

    /// Fills the blank primary contacts of the employers of these persons; gives those of whom that failed for a reason that
    /// may pass. A refusal leaves the primary contact blank: the person is there, and somebody can choose.
    pub async fn fill(&self, installation: &Installation, newcomers: &[Newcomer]) -> HashMap<RecordId, SystemError> {
        let mut failed = HashMap::new();
        if newcomers.is_empty() {
            return failed;
        }
        let system = installation.system(self.direction.destination());
        let values = match self.names(system, newcomers).await {
            Ok(values) => values,
            Err(error) => return newcomers.iter().map(|newcomer| (newcomer.person, error.clone())).collect(),
        };
        for employers in &self.employers {
            let of_kind: Vec<&Newcomer> = newcomers.iter().filter(|newcomer| newcomer.kind == employers.kind).collect();
            let filled = async {
                let chosen = self.chosen_at_source(installation, &employers.source, &of_kind).await?;
                let is_eligible = |newcomer: &&&Newcomer| {
                    let chosen = chosen.get(&newcomer.source_employer);
                    chosen.is_some_and(|chosen| chosen.is_null() || names_same(chosen, &newcomer.name_at_source))
                };
                let person = |newcomer: &&Newcomer| {
                    let named = values.get(&newcomer.person)?.clone();
                    let (person, full_name) = (newcomer.person, newcomer.full_name.clone());
                    Some((newcomer.employer.0, Chosen { person, named, full_name }))
                };
                // The first of several; which that is is the same however often it is asked.
                let wanted: BTreeMap<Uuid, Chosen> =
                    of_kind.iter().rev().filter(is_eligible).filter_map(person).collect();
                self.fill_blank_ones(system, &employers.destination, &wanted).await
            };
            match filled.await {
                Ok(refused) => failed.extend(refused),
                Err(error) => failed.extend(of_kind.iter().map(|newcomer| (newcomer.person, error.clone()))),
            }
        }
        failed
    }

    /// The columns of employers at source and destination.
    fn columns(&self) -> (&'static str, &'static str) {
        match self.direction {
            Direction::ToDataverse => ("primaryContactNo", "primarycontactid"),
            Direction::FromDataverse => ("primarycontactid", "primaryContactNo"),
        }
    }

    /// The primary contacts that these persons' employers have at the source; unknown ones are left out.
    async fn chosen_at_source(
        &self,
        installation: &Installation,
        table: &Table,
        newcomers: &[&Newcomer],
    ) -> Result<HashMap<RecordId, Value>, SystemError> {
        let ids: BTreeSet<Uuid> = newcomers.iter().map(|newcomer| newcomer.source_employer.0).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let (column, _) = self.columns();
        let ids: Vec<RecordId> = ids.into_iter().map(RecordId).collect();
        let found = installation.system(self.direction.source()).fetch(table, &ids, &[column.to_owned()]).await?;
        Ok(found.into_iter().filter_map(|employer| Some((employer.id, employer.known(column)?.clone()))).collect())
    }

    /// How an employer names each of these persons: by the row, or by the number that it got.
    async fn names(
        &self,
        system: &dyn System,
        newcomers: &[Newcomer],
    ) -> Result<HashMap<RecordId, Value>, SystemError> {
        match self.direction {
            Direction::ToDataverse => {
                let name = |person: RecordId| Value::Reference { table: Arc::from("contact"), id: person.0 };
                Ok(newcomers.iter().map(|newcomer| (newcomer.person, name(newcomer.person))).collect())
            }
            Direction::FromDataverse => {
                let ids: Vec<RecordId> = newcomers.iter().map(|newcomer| newcomer.person).collect();
                let found = system.fetch(&self.persons, &ids, &["number".to_owned()]).await?;
                Ok(found.into_iter().map(|person| (person.id, person.get("number").clone())).collect())
            }
        }
    }

    /// Writes these persons where none is named; gives those of whom that failed for a reason that may pass.
    async fn fill_blank_ones(
        &self,
        system: &dyn System,
        table: &Table,
        wanted: &BTreeMap<Uuid, Chosen>,
    ) -> Result<HashMap<RecordId, SystemError>, SystemError> {
        let mut failed = HashMap::new();
        if wanted.is_empty() {
            return Ok(failed);
        }
        let (_, column) = self.columns();
        let ids: Vec<RecordId> = wanted.keys().copied().map(RecordId).collect();
        let employers = system.fetch(table, &ids, &[column.to_owned()]).await?;
        let is_blank = |employer: &&Record| employer.known(column).is_some_and(Value::is_null);
        let chosen: Vec<(&Record, &Chosen)> = employers
            .iter()
            .filter(is_blank)
            .filter_map(|employer| Some((employer, wanted.get(&employer.id.0)?)))
            .collect();
        // Guarded by the version that was read: whoever chooses one meanwhile is not overruled. Business Central sets the
        // name with the contact; an account gets it here, so that it need not come back by way of the customer.
        let writes: Vec<Write> = chosen
            .iter()
            .map(|(employer, chosen)| {
                let mut values: Values = [(Arc::from(column), chosen.named.clone())].into();
                if let Some(name) = chosen.full_name.as_deref().filter(|_| self.direction == Direction::ToDataverse) {
                    values.insert(Arc::from(NAME), Value::text(name));
                }
                Write::update(employer.id, employer.version.clone(), values)
            })
            .collect();
        // `write_all` gives one result per write.
        for ((_, Chosen { person, .. }), result) in chosen.into_iter().zip(write_all(system, table, &writes).await) {
            match result {
                Err(error) if error.retry_class() == RetryClass::Data => {
                    debug!(table = %table.name, error = error.for_log(), "a primary contact was refused");
                }
                Err(error) => {
                    failed.insert(*person, error);
                }
                Ok(_) => {}
            }
        }
        Ok(failed)
    }
}

/// Whether two values name one person: by a row, or by a number.
fn names_same(one: &Value, other: &Value) -> bool {
    match (one.as_guid(), other.as_guid()) {
        (Some(one), Some(other)) => one == other,
        _ => one.as_text().zip(other.as_text()).is_some_and(|(one, other)| folded(one) == folded(other)),
    }
}
