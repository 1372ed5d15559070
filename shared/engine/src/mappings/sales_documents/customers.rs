//! The customer of a document that begins in Sales: the one coupled to its account, or to the account of its contact
//! (S53 to S55).

use std::collections::{BTreeSet, HashMap};

use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Value};
use uuid::Uuid;

use super::Document;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::{Obstacle, is_usable};

/// The mapping of the customer.
const CUSTOMERS: &str = "CUSTOMER";
/// The column of Dataverse that says whom a document is for.
const CUSTOMER: &str = "customerid";
/// Relationship type of an account that buys.
const BUYS: i64 = 3;

/// The customers of Business Central behind the accounts and contacts that documents of Sales are for.
pub(crate) struct CoupledCustomers {
    /// The accounts of contacts.
    of_contacts: HashMap<Uuid, Uuid>,
    /// All accounts.
    accounts: Vec<RecordId>,
    /// Numbers of the customers that accounts are coupled to.
    numbers: HashMap<Uuid, String>,
}

impl CoupledCustomers {
    /// The customers of some documents: one read of Dataverse at most, however many there are.
    pub async fn of<'r>(
        installation: &Installation,
        documents: impl Iterator<Item = &'r Record>,
    ) -> Result<Self, EngineError> {
        let (mut accounts, mut contacts) = (BTreeSet::new(), BTreeSet::new());
        for document in documents {
            match document.get(CUSTOMER) {
                Value::Reference { table, id } if &**table == "contact" => _ = contacts.insert(RecordId(*id)),
                other => accounts.extend(other.as_guid().map(RecordId)),
            }
        }
        let mut of_contacts = HashMap::new();
        if !contacts.is_empty() {
            let table = installation.table(Side::Dataverse, "contact")?;
            let (contacts, columns) = (Vec::from_iter(contacts), ["parentcustomerid".to_owned()]);
            for contact in installation.system(Side::Dataverse).fetch(&table, &contacts, &columns).await? {
                if let Value::Reference { table, id } = contact.get("parentcustomerid")
                    && &**table == "account"
                {
                    of_contacts.insert(contact.id.0, *id);
                    accounts.insert(RecordId(*id));
                }
            }
        }
        let (company, name, accounts) =
            (installation.company(), MappingName::from(CUSTOMERS), Vec::from_iter(accounts));
        let coupled = installation.store().couplings_by_id(company, &name, Side::Dataverse, &accounts).await?;
        let usable = coupled.into_iter().filter(|(_, coupling)| is_usable(coupling));
        let numbers = usable.filter_map(|(account, coupling)| Some((account.0, coupling.key?))).collect();
        Ok(Self { of_contacts, accounts, numbers })
    }

    /// The account that a document is for, itself or through its contact.
    fn account_of(&self, document: &Record) -> Option<Uuid> {
        match document.get(CUSTOMER) {
            Value::Reference { table, id } if &**table == "contact" => self.of_contacts.get(id).copied(),
            other => other.as_guid(),
        }
    }

    /// The number of the customer that a document is for, if one is coupled.
    pub fn number_of(&self, document: &Record) -> Option<&str> {
        self.numbers.get(&self.account_of(document)?).map(String::as_str)
    }
}

/// Customers that documents may be for.
pub(crate) struct Customers {
    coupled: CoupledCustomers,
    /// Name of each account, and whether it is one that buys.
    accounts: HashMap<Uuid, (String, bool)>,
}

impl Customers {
    /// The customers of some documents: two reads of Dataverse at most, however many there are.
    pub async fn of<'r>(
        installation: &Installation,
        documents: impl Iterator<Item = &'r Record>,
    ) -> Result<Self, EngineError> {
        let coupled = CoupledCustomers::of(installation, documents).await?;
        let mut accounts = HashMap::new();
        if !coupled.accounts.is_empty() {
            let table = installation.table(Side::Dataverse, "account")?;
            let columns = ["name", "customertypecode"].map(str::to_owned);
            for account in installation.system(Side::Dataverse).fetch(&table, &coupled.accounts, &columns).await? {
                let name = account.get("name").to_string();
                accounts.insert(account.id.0, (name, account.get("customertypecode").as_int() == Some(BUYS)));
            }
        }
        Ok(Self { coupled, accounts })
    }

    /// The number of the customer that a document is for; it waits for one that is not coupled.
    pub fn of_document(&self, kind: Document, document: &Record) -> Result<&str, Obstacle> {
        let (what, name) = (kind.as_str(), kind.name_of(document));
        let failure = |message: String| Obstacle::Failure(DataFailure::of_field("Potential Customer", message));
        let customer = document.get(CUSTOMER);
        let by_contact = matches!(customer, Value::Reference { table, .. } if &**table == "contact");
        let account = self.coupled.account_of(document);
        if customer.is_null() {
            let message = format!("the {what} {name} has no potential customer in Dataverse (E4): choose one");
            return Err(failure(message));
        }
        let known = account.and_then(|account| Some((account, self.accounts.get(&account)?)));
        let Some((account, (account_name, buys))) = known else {
            let kind = if by_contact { "contact" } else { "account" };
            let message = format!(
                "the customer of {what} {name}, {kind} {customer}, leads to no account in Dataverse (E5): choose an account, or a contact \
                 of one"
            );
            return Err(failure(message));
        };
        // For an account that a contact leads to the type is not asked for (S54).
        if !buys && !by_contact {
            let message = format!(
                "the account {account_name} of {what} {name} must have the relationship type Customer in Dataverse (E7): give it that"
            );
            return Err(failure(message));
        }
        self.coupled.number_of(document).ok_or_else(|| {
            let dependency =
                Dependency { mapping: CUSTOMERS.into(), side: Side::Dataverse, key: RecordId(account).to_string() };
            Obstacle::Wait(Need { dependency, field: "Potential Customer".to_owned(), value: account_name.clone() })
        })
    }
}
