//! Customer Statistics: a row of figures for each coupled customer, to which its account points (S23 to S36, decision 0046).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, Obstacle, OnDeletion, Transferring, WrittenBeside, is_usable,
    set,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of the customer and its account.
const CUSTOMERS: &str = "CUSTOMER";
/// The column by which an account points to its statistics.
const LINK: &str = "nav_accountstatisticsid";
/// Relationship type "Customer" of an account.
const RELATIONSHIP: i64 = 3;

pub(crate) struct CustomerStatistics;

#[async_trait]
impl MappingRules for CustomerStatistics {
    /// The mapping of customers tells of the deletion, and the figures of a customer who is gone stay with the account.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    /// Statistics of a customer who is coupled no more are deleted (S31).
    fn may_leave(&self, _: Direction) -> bool {
        true
    }

    /// The account may have lost its link although the figures are what they were.
    fn record_tells_all(&self, _: Direction, _: &Record, _: &Coupling) -> bool {
        false
    }

    /// Customers of accounts that have no statistics yet (S25): they were coupled after they were looked at. Accounts that
    /// no mapping of customers takes would be read in vain in every run.
    async fn also_due(&self, installation: &Installation, _: Direction) -> Result<Vec<RecordId>, EngineError> {
        let mut conditions = vec![
            Condition::equal(LINK, Value::Null),
            Condition::one_of("customertypecode", vec![Value::Int(RELATIONSHIP), Value::Null]),
        ];
        if let Some(company) = installation.company_row().await? {
            conditions.push(Condition::one_of("bcbi_companyid", vec![Value::Guid(company.id.0), Value::Null]));
        }
        let accounts = installation.find_rows("account", &Filter::all(conditions), &[LINK]).await?;
        let ids: Vec<RecordId> = accounts.iter().map(|account| account.id).collect();
        let store = installation.store();
        let found = store.couplings_by_id(installation.company(), &CUSTOMERS.into(), Side::Dataverse, &ids).await?;
        let due = found.into_values().filter(|coupling| is_usable(coupling) && !coupling.skipped);
        Ok(due.map(|coupling| coupling.system_id.into()).collect())
    }

    /// The row that the account points to (S33).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let accounts = Accounts::of(context.installation, sources).await?;
        Ok(sources.iter().map(|source| Ok(accounts.link(source.id).map(RecordId))).collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let records: Vec<&Record> = sources.iter().map(|record| record.source).collect();
        Ok(Box::new(Prepared {
            accounts: Accounts::of(installation, &records).await?,
            account: installation.table(Side::Dataverse, "account")?,
            table: Arc::clone(&context.mapping.dataverse),
            currency: installation.local_currency_row().await?,
        }))
    }
}

/// The accounts of customers, and where they point.
struct Accounts {
    /// Couplings of the customers by their ids.
    couplings: HashMap<RecordId, Coupling>,
    /// Statistics of the accounts that are there.
    links: HashMap<RecordId, Option<Uuid>>,
}

impl Accounts {
    async fn of(installation: &Installation, customers: &[&Record]) -> Result<Self, EngineError> {
        let ids: Vec<RecordId> = customers.iter().map(|customer| customer.id).collect();
        let name = MappingName::from(CUSTOMERS);
        let store = installation.store();
        let couplings = store.couplings_by_id(installation.company(), &name, Side::BusinessCentral, &ids).await?;
        let usable = couplings.values().filter(|coupling| is_usable(coupling));
        let accounts: Vec<RecordId> = usable.map(|coupling| coupling.dataverse_id.into()).collect();
        let table = installation.table(Side::Dataverse, "account")?;
        let found = match accounts.is_empty() {
            true => Vec::new(),
            false => installation.system(Side::Dataverse).fetch(&table, &accounts, &[LINK.to_owned()]).await?,
        };
        let links = found.iter().map(|account| (account.id, account.get(LINK).as_guid())).collect();
        Ok(Self { couplings, links })
    }

    /// The account of a customer.
    fn account(&self, customer: RecordId) -> Option<RecordId> {
        self.couplings.get(&customer).map(|coupling| coupling.dataverse_id.into())
    }

    /// The statistics that the account of a customer points to.
    fn link(&self, customer: RecordId) -> Option<Uuid> {
        self.links.get(&self.account(customer)?).copied().flatten()
    }
}

struct Prepared {
    accounts: Accounts,
    account: Arc<Table>,
    table: Arc<Table>,
    currency: Uuid,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let customer = record.source;
        let number = customer.get("number");
        let Some(coupling) = self.accounts.couplings.get(&customer.id) else {
            return Err(Obstacle::Leave(format!("its customer is not coupled by {CUSTOMERS}")));
        };
        if coupling.skipped {
            return Err(Obstacle::Ignore(format!("its customer is skipped by {CUSTOMERS}")));
        }
        if !is_usable(coupling) {
            let dependency =
                Dependency { mapping: CUSTOMERS.into(), side: Side::BusinessCentral, key: number.to_string() };
            return Err(Obstacle::Wait(Need { dependency, field: "Customer".to_owned(), value: number.to_string() }));
        }
        let account = coupling.dataverse_id;
        if !self.accounts.links.contains_key(&account.into()) {
            let message = format!(
                "the account {account} of customer {number} was not found in Dataverse (E74): restore it, or uncouple the \
                 customer"
            );
            return Err(DataFailure::new(message).into());
        }
        Ok(())
    }

    fn adjust(&self, _: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        set(fields, &self.table, "transactioncurrencyid", Value::Guid(self.currency))?;
        Ok(())
    }

    /// Lets the account point to its statistics.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut unlinked: Vec<(RecordId, &mut AfterWrite<'_>)> = records
            .iter_mut()
            .filter_map(|record| Some((self.accounts.account(record.source.id)?, record)))
            .filter(|(_, record)| self.accounts.link(record.source.id) != Some(record.destination.0))
            .collect();
        let writes: Vec<Write> = unlinked
            .iter()
            .map(|(account, record)| {
                let values: Values = [(Arc::from(LINK), Value::Guid(record.destination.0))].into();
                Write::update(*account, None, values)
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.account, &writes).await;
        // `write_all` gives one result per write.
        for ((_, record), result) in unlinked.iter_mut().zip(results) {
            record.beside = result.map(|_| WrittenBeside::default());
        }
    }
}

#[cfg(test)]
mod tests;
