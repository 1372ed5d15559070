//! Whom the persons among contacts work for: a company contact in Business Central, which is a customer or a vendor there, and
//! the account coupled to that in Dataverse (S256 to S258). A company may be both; then the customer comes first.

use std::collections::{BTreeSet, HashMap};

use couplet_model::comparing::folded;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Value};
use uuid::Uuid;

use super::rules::is_usable;
use crate::error::EngineError;
use crate::installation::Installation;

/// Column of a person's company contact in Business Central.
pub(crate) const COMPANY: &str = "companyNumber";
/// Column of a person's account in Dataverse.
pub(crate) const PARENT: &str = "parentcustomerid";
/// The table that says what a company contact is.
const RELATIONS: &str = "Contact Business Relation";

/// What an employer is to the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Customer,
    Vendor,
}

impl Kind {
    /// Both, the one that comes first before the other.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Vendor];

    /// The mapping of such employers.
    pub fn mapping(self) -> MappingName {
        MappingName::from(match self {
            Self::Customer => "CUSTOMER",
            Self::Vendor => "VENDOR",
        })
    }

    /// Their table in Business Central; relations name it so, too.
    pub fn table(self) -> &'static str {
        match self {
            Self::Customer => "Customer",
            Self::Vendor => "Vendor",
        }
    }

    /// The same in a sentence.
    pub fn word(self) -> String {
        self.table().to_lowercase()
    }
}

/// A customer or vendor that persons work for.
#[derive(Clone, Debug)]
pub(crate) struct Employer {
    pub kind: Kind,
    /// Its number.
    pub number: String,
    /// The number of its company contact, if it has one.
    pub contact: Option<String>,
    /// Its coupling, if it is coupled.
    pub coupling: Option<Coupling>,
}

impl Employer {
    /// The account it is coupled to.
    pub fn account(&self) -> Option<Uuid> {
        self.coupling.as_ref().map(|coupling| coupling.dataverse_id.0)
    }
}

/// One row of the table of relations.
struct Relation {
    contact: String,
    kind: Kind,
    number: String,
}

/// The relations whose `column` holds one of these keys.
async fn relations(
    installation: &Installation,
    column: &str,
    keys: BTreeSet<&str>,
) -> Result<Vec<Relation>, EngineError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let table = installation.table(Side::BusinessCentral, RELATIONS)?;
    let columns = ["contactNumber", "linkToTable", "number"].map(str::to_owned);
    let filter = Filter::all(vec![Condition::one_of(column, keys.into_iter().map(Value::text).collect())]);
    let rows = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
    let relation = |row: &Record| {
        let text = |column: &str| row.get(column).as_text().map(str::to_owned);
        let kind = Kind::ALL.into_iter().find(|kind| row.get("linkToTable").as_text() == Some(kind.table()))?;
        Some(Relation { contact: text("contactNumber")?, kind, number: text("number")? })
    };
    Ok(rows.iter().filter_map(relation).collect())
}

/// The employers behind company contacts.
#[derive(Default)]
pub(crate) struct ByCompany(HashMap<String, Vec<Employer>>);

impl ByCompany {
    /// Reads those behind these company contacts.
    pub async fn read(installation: &Installation, companies: BTreeSet<&str>) -> Result<Self, EngineError> {
        let relations = relations(installation, "contactNumber", companies).await?;
        let mut found: HashMap<String, Vec<Employer>> = HashMap::new();
        for kind in Kind::ALL {
            let of_kind: Vec<&Relation> = relations.iter().filter(|relation| relation.kind == kind).collect();
            let numbers: Vec<String> = of_kind.iter().map(|relation| relation.number.clone()).collect();
            let couplings =
                installation.store().couplings_by_key(installation.company(), &kind.mapping(), &numbers).await?;
            let couplings: HashMap<String, Coupling> = couplings
                .into_iter()
                .filter(|(_, coupling)| is_usable(coupling))
                .map(|(key, coupling)| (folded(&key), coupling))
                .collect();
            for relation in of_kind {
                let (number, contact) = (relation.number.clone(), Some(relation.contact.clone()));
                let coupling = couplings.get(&folded(&number)).cloned();
                let employer = Employer { kind, number, contact, coupling };
                found.entry(folded(&relation.contact)).or_default().push(employer);
            }
        }
        Ok(Self(found))
    }

    /// What a company contact is to the company, the customer first.
    pub fn of(&self, company: &Value) -> &[Employer] {
        company.as_text().and_then(|number| self.0.get(&folded(number))).map_or(&[], Vec::as_slice)
    }
}

/// The employers behind accounts.
#[derive(Default)]
pub(crate) struct ByAccount {
    coupled: HashMap<Uuid, Vec<Employer>>,
    /// Uncoupled accounts that a mapping admits, each with what it may become.
    expected: HashMap<Uuid, Kind>,
}

impl ByAccount {
    /// Reads those behind these accounts.
    pub async fn read(installation: &Installation, accounts: BTreeSet<Uuid>) -> Result<Self, EngineError> {
        let ids: Vec<RecordId> = accounts.iter().copied().map(RecordId).collect();
        let mut coupled: HashMap<Uuid, Vec<Employer>> = HashMap::new();
        for kind in Kind::ALL {
            let (store, company) = (installation.store(), installation.company());
            let couplings = store.couplings_by_id(company, &kind.mapping(), Side::Dataverse, &ids).await?;
            for coupling in couplings.into_values().filter(is_usable) {
                let Some(number) = coupling.key.clone() else { continue };
                let account = coupling.dataverse_id.0;
                let employer = Employer { kind, number, contact: None, coupling: Some(coupling) };
                coupled.entry(account).or_default().push(employer);
            }
        }
        let numbers = coupled.values().flatten().map(|employer| employer.number.as_str()).collect();
        let relations = relations(installation, "number", numbers).await?;
        for employer in coupled.values_mut().flatten() {
            let is_meant = |relation: &&Relation| {
                relation.kind == employer.kind && folded(&relation.number) == folded(&employer.number)
            };
            employer.contact = relations.iter().find(is_meant).map(|relation| relation.contact.clone());
        }
        let others: Vec<RecordId> = ids.into_iter().filter(|id| !coupled.contains_key(&id.0)).collect();
        let expected = expected(installation, &others).await?;
        Ok(Self { coupled, expected })
    }

    /// What the coupled account of a person is to the company, the customer first; of several kinds, those with a company
    /// contact before those without.
    pub fn of(&self, parent: &Value) -> Vec<&Employer> {
        let mut found: Vec<&Employer> =
            account_of(parent).and_then(|account| self.coupled.get(&account)).into_iter().flatten().collect();
        found.sort_by_key(|employer| employer.contact.is_none());
        found
    }

    /// What the uncoupled account of a person may become; `None` where no mapping admits it.
    pub fn expected(&self, parent: &Value) -> Option<Kind> {
        self.expected.get(&account_of(parent)?).copied()
    }
}

/// The account that a reference names, if it names one.
pub(crate) fn account_of(parent: &Value) -> Option<Uuid> {
    match parent {
        Value::Reference { table, id } => (&**table == "account").then_some(*id),
        Value::Guid(id) => Some(*id),
        _ => None,
    }
}

/// Those of some accounts that are coupled neither as customers nor as vendors.
pub(crate) async fn uncoupled(
    installation: &Installation,
    mut accounts: BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>, EngineError> {
    for kind in Kind::ALL {
        let ids: Vec<RecordId> = accounts.iter().copied().map(RecordId).collect();
        let (store, company) = (installation.store(), installation.company());
        let couplings = store.couplings_by_id(company, &kind.mapping(), Side::Dataverse, &ids).await?;
        accounts.retain(|account| !couplings.get(&RecordId(*account)).is_some_and(is_usable));
    }
    Ok(accounts)
}

/// What would couple a person's employer.
pub(crate) fn need(kind: Kind, side: Side, key: String, field: &str, value: String) -> Need {
    Need { dependency: Dependency { mapping: kind.mapping(), side, key }, field: field.to_owned(), value }
}

/// Those of some uncoupled accounts that the mapping of customers or that of vendors admits.
async fn expected(installation: &Installation, accounts: &[RecordId]) -> Result<HashMap<Uuid, Kind>, EngineError> {
    let mut admitted = HashMap::new();
    if accounts.is_empty() {
        return Ok(admitted);
    }
    let mut filters: Vec<(Kind, Filter)> = Vec::new();
    for kind in Kind::ALL {
        let (catalogue, switches) = (installation.catalogue(), installation.switches());
        let Ok(mapping) = catalogue.active_mapping(kind.mapping().as_str(), switches) else { continue };
        filters.push((kind, installation.filter(&mapping, Side::Dataverse).await?));
    }
    let columns: BTreeSet<String> =
        filters.iter().flat_map(|(_, filter)| filter.columns()).map(str::to_owned).collect();
    let columns: Vec<String> = columns.into_iter().collect();
    let table = installation.table(Side::Dataverse, "account")?;
    for account in installation.system(Side::Dataverse).fetch(&table, accounts, &columns).await? {
        if let Some((kind, _)) = filters.iter().find(|(_, filter)| filter.matches(&account)) {
            admitted.insert(account.id.0, *kind);
        }
    }
    Ok(admitted)
}
