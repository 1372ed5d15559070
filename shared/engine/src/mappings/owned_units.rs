//! ITEM UOM and RESOURCE UOM: the units of an item or a resource become units of its unit group, each with its line in the
//! default price list (S211, S220, S221, S228).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::{folded, same};
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Table, Value};
use uuid::Uuid;

use super::group_units::UNIT;
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, NothingSpecial, Obstacle, Transferring, set_on_create,
};
use super::unit_owners::{GroupsOfOwners, Owner, shared_groups};
use super::unit_prices::{PricedUnit, UnitPrices};
use crate::error::EngineError;
use crate::installation::Installation;

/// Units of items.
pub(crate) const ITEM_UNITS: OwnedUnits = OwnedUnits { owner: Owner::Item, number: "itemNo" };
/// Units of resources.
pub(crate) const RESOURCE_UNITS: OwnedUnits = OwnedUnits { owner: Owner::Resource, number: "resourceNo" };
/// The unit group of a product.
const GROUP: &str = "defaultuomscheduleid";
/// Between the code of a unit and the number of its owner. Codes are in capitals, so that none holds these letters.
const OF: &str = " of ";

pub(crate) struct OwnedUnits {
    owner: Owner,
    /// The column with the number of the owner.
    number: &'static str,
}

impl OwnedUnits {
    fn number_of<'r>(&self, unit: &'r Record) -> &'r str {
        unit.get(self.number).as_text().unwrap_or_default()
    }
}

/// What a unit is known by: its code and whose it is.
fn reference(code: &str, number: &str) -> String {
    format!("{code}{OF}{number}")
}

#[async_trait]
impl MappingRules for OwnedUnits {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        match self.owner {
            Owner::Item => &["itemNo"],
            Owner::Resource => &["resourceNo"],
        }
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same name in the unit group")
    }

    /// A unit belongs to the group of its item or resource, in which its code is its name (R196).
    fn why_never_matched(&self) -> Option<&'static str> {
        Some(
            "its job finds the unit of the same name in the unit group of each item or resource by itself; run that instead (R196)",
        )
    }

    /// An item names a unit by its code; whose unit it is goes without saying.
    fn key_named(&self, value: &str, by: &Record) -> Option<String> {
        Some(reference(value, by.get("number").as_text()?))
    }

    fn name_of_key<'k>(&self, key: &'k str) -> &'k str {
        key.split_once(OF).map_or(key, |(code, _)| code)
    }

    /// A product may have a unit that nobody coupled, if its unit group is its own and Business Central has a unit of
    /// measure of that name (S231).
    async fn stand_ins(
        &self,
        installation: &Installation,
        rows: &[RecordId],
    ) -> Result<Vec<(RecordId, String)>, EngineError> {
        let units = installation.table(Side::Dataverse, "uom")?;
        let columns = ["name".to_owned(), "uomscheduleid".to_owned()];
        let units = installation.system(Side::Dataverse).fetch(&units, rows, &columns).await?;
        let groups: HashSet<Uuid> = units.iter().filter_map(|unit| unit.get("uomscheduleid").as_guid()).collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let shared = shared_groups(installation, &groups).await?;
        let measures = installation.table(Side::BusinessCentral, "Unit of Measure")?;
        let columns = ["code".to_owned()];
        let measures = installation.system(Side::BusinessCentral).find(&measures, &Filter::default(), &columns).await?;
        let mut codes: HashMap<String, &str> = HashMap::new();
        codes.extend(
            measures.iter().filter_map(|measure| measure.get("code").as_text()).map(|code| (folded(code), code)),
        );
        let of = |unit: &Record| {
            let is_own = unit.get("uomscheduleid").as_guid().is_some_and(|group| !shared.contains(&group));
            let code = codes.get(&folded(unit.get("name").as_text()?.trim()))?;
            is_own.then(|| (unit.id, (*code).to_owned()))
        };
        Ok(units.iter().filter_map(of).collect())
    }

    /// The unit of that code in the unit group of the owner (S221).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let installation = context.installation;
        let numbers = sources.iter().map(|source| self.number_of(source));
        let groups = GroupsOfOwners::read(installation, self.owner, numbers).await?;
        let group_of = |source: &Record| groups.of(self.number_of(source)).map(|coupling| coupling.dataverse_id.0);
        let wanted: HashSet<Uuid> = sources.iter().filter_map(|source| group_of(source)).collect();
        let filter =
            Filter::all(vec![Condition::one_of("uomscheduleid", wanted.into_iter().map(Value::Guid).collect())]);
        let units = installation.find_rows("uom", &filter, &["name", "uomscheduleid"]).await?;
        let mut by_group: HashMap<Uuid, Vec<&Record>> = HashMap::new();
        for unit in &units {
            if let Some(group) = unit.get("uomscheduleid").as_guid() {
                by_group.entry(group).or_default().push(unit);
            }
        }
        Ok(sources
            .iter()
            .map(|source| {
                let code = source.get("code").as_text().unwrap_or_default();
                let units = group_of(source).and_then(|group| by_group.get(&group)).map_or(&[][..], Vec::as_slice);
                let is_it = |unit: &&&Record| unit.get("name").as_text().is_some_and(|name| same(name.trim(), code));
                let mut found = units.iter().filter(is_it);
                match (found.next(), found.next()) {
                    (found, None) => Ok(found.map(|unit| unit.id)),
                    (_, Some(_)) => Err(DataFailure::of_field(
                        "Code",
                        format!(
                            "the unit group of {} {} in Dataverse has several units named {code} (E46); keep one of them",
                            self.owner.what(),
                            self.number_of(source)
                        ),
                    )),
                }
            })
            .collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        if sources.is_empty() {
            return Ok(Box::new(NothingSpecial));
        }
        let installation = context.installation;
        let numbers = sources.iter().map(|record| self.number_of(record.source));
        Ok(Box::new(Prepared {
            number: self.number,
            table: Arc::clone(&context.mapping.dataverse),
            product: installation.table(Side::Dataverse, "product")?,
            groups: GroupsOfOwners::read(installation, self.owner, numbers).await?,
            prices: UnitPrices::read(installation).await?,
        }))
    }
}

struct Prepared {
    number: &'static str,
    table: Arc<Table>,
    product: Arc<Table>,
    groups: GroupsOfOwners,
    prices: UnitPrices,
}

#[async_trait]
impl BatchRules for Prepared {
    /// The unit belongs to the group of its owner, and counts in the group's base unit.
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let number = self.number_of(record.source);
        let waits = || Obstacle::Wait(self.groups.need("Unit Group", number));
        let group = self.groups.of(number).ok_or_else(waits)?;
        let base = group.related.get(UNIT).copied().ok_or_else(waits)?;
        set_on_create(fields, &self.table, "uomscheduleid", Value::Guid(group.dataverse_id.0))?;
        set_on_create(fields, &self.table, "baseuom", Value::Guid(base))?;
        Ok(())
    }

    /// Prices a new unit, and one that counts otherwise, of a product that is there already. The lines of a new product
    /// come with it (S211).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let is_open = |record: &&mut AfterWrite<'_>| record.changed(Direction::ToDataverse, "quantity");
        let mut open: Vec<&mut AfterWrite<'_>> = records.iter_mut().filter(is_open).collect();
        if let Err(error) = self.price(context, &mut open).await {
            for record in open {
                record.beside = Err(error.clone());
            }
        }
    }
}

impl Prepared {
    fn number_of<'r>(&self, unit: &'r Record) -> &'r str {
        unit.get(self.number).as_text().unwrap_or_default()
    }

    async fn price(&self, context: Context<'_>, open: &mut [&mut AfterWrite<'_>]) -> Result<(), SystemError> {
        let group_of = |record: &AfterWrite<'_>| Some(self.groups.of(self.number_of(record.source))?.dataverse_id.0);
        let groups: HashSet<Uuid> = open.iter().filter_map(|record| group_of(record)).collect();
        if groups.is_empty() {
            return Ok(());
        }
        let wanted = groups.into_iter().map(Value::Guid).collect();
        let filter = Filter::all(vec![Condition::one_of(GROUP, wanted)]);
        let columns = [GROUP.to_owned(), "price".to_owned()];
        let dataverse = context.installation.system(Side::Dataverse);
        let mut by_group: HashMap<Uuid, Vec<Record>> = HashMap::new();
        for product in dataverse.find(&self.product, &filter, &columns).await? {
            if let Some(group) = product.get(GROUP).as_guid() {
                by_group.entry(group).or_default().push(product);
            }
        }
        let mut lines = Vec::new();
        for (place, record) in open.iter().enumerate() {
            let Some(group) = group_of(record) else { continue };
            let unit = PricedUnit {
                id: record.destination.0,
                group,
                quantity: record.desired("quantity").and_then(Value::as_decimal).unwrap_or_default(),
            };
            for product in by_group.get(&group).into_iter().flatten() {
                let price = product.get("price").as_decimal().unwrap_or_default();
                lines.push((place, self.prices.line(context, product.id.0, false, unit, price)));
            }
        }
        for (place, result) in self.prices.write(context, lines).await {
            if let (Err(error), Some(record)) = (result, open.get_mut(place)) {
                record.beside = Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
