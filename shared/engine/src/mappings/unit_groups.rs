//! UNIT GROUP: each item and each resource has a unit group of its own, with the units it is sold in (S219 to S221, S229).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::{folded, same};
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::group_units::{GroupUnit, follow_groups};
use super::rules::{AfterWrite, BatchRules, Context, MappingRules, Match, Obstacle, Transferring, is_usable, set};
use super::unit_owners::{Owner, shared_groups};
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of unit groups with one unit, of installations without the others.
const SINGLE_UNITS: &str = "UNIT OF MEASURE";
/// State of a unit group in use.
const ACTIVE: i64 = 0;

pub(crate) struct UnitGroups;

#[async_trait]
impl MappingRules for UnitGroups {
    /// The default unit group.
    fn rows_of_every_organization(&self) -> u64 {
        1
    }

    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &["code", "sourceType", "sourceId"]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["name", "statecode"]
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same name")
    }

    /// The active unit group of the right name; else the one that the product of the item or resource has for itself, which
    /// gets the right name: so products made in Sales keep theirs, which Dataverse lets nobody change.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let installation = context.installation;
        let code = |source: &Record| source.get("code").as_text().unwrap_or_default().to_owned();
        let codes = sources.iter().map(|source| Value::Text(code(source))).collect();
        let filter = Filter::all(vec![Condition::one_of("name", codes)]);
        let groups = installation.find_rows("uomschedule", &filter, &["name", "statecode"]).await?;
        let mut by_name: HashMap<String, Vec<&Record>> = HashMap::new();
        for group in &groups {
            if let Some(name) = group.get("name").as_text() {
                by_name.entry(folded(name)).or_default().push(group);
            }
        }
        let named = |source: &Record| by_name.get(&folded(&code(source))).map_or(&[][..], Vec::as_slice);
        let unnamed: Vec<&Record> = sources.iter().copied().filter(|source| named(source).is_empty()).collect();
        let of_products = groups_of_products(installation, &unnamed).await?;
        Ok(sources
            .iter()
            .map(|source| match named(source) {
                [] => Ok(of_products.get(&source.id).copied()),
                [group] if group.get("statecode") == &Value::Int(ACTIVE) => Ok(Some(group.id)),
                [_] => Err(DataFailure::new(format!(
                    "unit group {} in Dataverse is inactive (E51); activate it",
                    code(source)
                ))),
                _ => Err(DataFailure::new(format!(
                    "Dataverse has several unit groups named {} (E46); keep one of them",
                    code(source)
                ))),
            })
            .collect())
    }

    async fn prepare(&self, context: Context<'_>, _: &[Transferring<'_>]) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            unit: context.installation.table(Side::Dataverse, "uom")?,
        }))
    }
}

/// The unit groups that products of these owners have for themselves alone, by the id of the owner's unit group. A group of
/// several products belongs to none of them (E57), and one that a unit of measure is coupled to is that unit's.
async fn groups_of_products(
    installation: &Installation,
    sources: &[&Record],
) -> Result<HashMap<RecordId, RecordId>, EngineError> {
    let (store, company) = (installation.store(), installation.company());
    let product = installation.table(Side::Dataverse, "product")?;
    let mut source_of: BTreeMap<RecordId, RecordId> = BTreeMap::new();
    for owner in Owner::ALL {
        let of_owner = sources.iter().filter(|source| source.get("sourceType").as_text() == Some(owner.source_type()));
        let by_owner: HashMap<RecordId, RecordId> =
            of_owner.filter_map(|source| Some((RecordId(source.get("sourceId").as_guid()?), source.id))).collect();
        let ids: Vec<RecordId> = by_owner.keys().copied().collect();
        let products = store.couplings_by_id(company, &owner.products(), Side::BusinessCentral, &ids).await?;
        let usable = products.into_iter().filter(|(_, coupling)| is_usable(coupling));
        source_of.extend(usable.filter_map(|(id, coupling)| Some((coupling.dataverse_id.into(), *by_owner.get(&id)?))));
    }
    if source_of.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<RecordId> = source_of.keys().copied().collect();
    let columns = ["defaultuomscheduleid".to_owned()];
    let products = installation.system(Side::Dataverse).fetch(&product, &ids, &columns).await?;
    let group_of = |product: &Record| product.get("defaultuomscheduleid").as_guid();
    let groups: HashSet<Uuid> = products.iter().filter_map(group_of).collect();
    let shared = shared_groups(installation, &groups).await?;
    let ids: Vec<RecordId> = groups.iter().copied().map(RecordId).collect();
    let single = MappingName::from(SINGLE_UNITS);
    let single = store.couplings_by_id(company, &single, Side::Dataverse, &ids).await?;
    let own = products.iter().filter_map(|product| Some((*source_of.get(&product.id)?, RecordId(group_of(product)?))));
    Ok(own.filter(|(_, group)| !shared.contains(&group.0) && !single.contains_key(group)).collect())
}

struct Prepared {
    table: Arc<Table>,
    unit: Arc<Table>,
}

#[async_trait]
impl BatchRules for Prepared {
    /// The group and its base unit bear the code of the unit group, not the number of the item.
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        for column in ["name", "baseuomname"] {
            set(fields, &self.table, column, record.source.get("code").clone())?;
        }
        Ok(())
    }

    /// Finds the base unit that Dataverse made for a new group, and renames it with its group.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let base_unit = GroupUnit {
            known_by: Some(Condition::equal("isschedulebaseuom", Value::Bool(true))),
            missing: |code| format!("the unit group {code} has no base unit (E47); add a unit of that name to it"),
            follows: bore_the_name,
        };
        follow_groups(context, &self.unit, &base_unit, records).await;
    }
}

/// Whether the base unit was called as its group: one that people named otherwise is theirs.
fn bore_the_name(record: &AfterWrite<'_>, unit: &Record) -> bool {
    let name = record.fields.iter().find(|field| field.destination.name == "name").map(|field| &field.destination);
    let before = name.and_then(|name| record.coupling.base.get(Side::Dataverse, name));
    before.and_then(|before| Some(same(before.as_text()?, unit.get("name").as_text()?))) == Some(true)
}

#[cfg(test)]
mod tests;
