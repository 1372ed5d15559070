//! The unit group and the default unit of a product: those of its unit of measure, or its own (S207, S222, S230).

use std::collections::HashMap;

use couplet_model::decision::TransferredField;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, RecordId, Table, Value};
use uuid::Uuid;

use super::group_units::UNIT;
use super::owned_units;
use super::rules::{Context, MappingRules, Obstacle, Transferring, is_usable, set};
use super::unit_owners::{GroupsOfOwners, Owner};
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of units of measure.
const UNITS: &str = "UNIT OF MEASURE";

/// What the products of a batch are measured in.
pub(crate) enum ProductUnits {
    /// The one unit of the unit group of the unit of measure.
    OfMeasure(HashMap<String, Coupling>),
    /// A unit of a unit group of its own, which the field rows have found.
    Own(Box<GroupsOfOwners>),
}

impl ProductUnits {
    /// Reads the units of the sources.
    pub async fn read(
        installation: &Installation,
        owner: Owner,
        sources: &[Transferring<'_>],
    ) -> Result<Self, EngineError> {
        if installation.switches().unit_groups {
            let numbers = sources.iter().filter_map(|record| record.source.get("number").as_text());
            return Ok(Self::Own(Box::new(GroupsOfOwners::read(installation, owner, numbers).await?)));
        }
        let mut codes: Vec<String> = sources
            .iter()
            .filter_map(|record| record.source.get("baseUnitOfMeasureCode").as_text().map(str::to_owned))
            .collect();
        codes.sort();
        codes.dedup();
        let units = MappingName::from(UNITS);
        Ok(Self::OfMeasure(installation.store().couplings_by_key(installation.company(), &units, &codes).await?))
    }

    /// Sets the unit group and the unit of a product.
    pub fn set(
        &self,
        owner: Owner,
        record: Transferring<'_>,
        table: &Table,
        fields: &mut Vec<TransferredField>,
    ) -> Result<(), Obstacle> {
        let Some(code) = record.source.get("baseUnitOfMeasureCode").as_text() else {
            let message =
                format!("the {} has no Base Unit of Measure (E44); fill it in Business Central", owner.what());
            return Err(DataFailure::of_field("Base Unit of Measure", message).into());
        };
        match self {
            Self::OfMeasure(units) => {
                let waits = || {
                    let dependency = Dependency {
                        mapping: MappingName::from(UNITS),
                        side: Side::BusinessCentral,
                        key: code.to_owned(),
                    };
                    Obstacle::Wait(Need {
                        dependency,
                        field: "Base Unit of Measure".to_owned(),
                        value: code.to_owned(),
                    })
                };
                let coupling = units.get(code).filter(|coupling| is_usable(coupling)).ok_or_else(waits)?;
                let unit = coupling.related.get(UNIT).copied().ok_or_else(waits)?;
                set(fields, table, "defaultuomid", Value::Guid(unit))?;
                // The unit group of a resource has no field row of its own.
                if owner == Owner::Resource {
                    set(fields, table, "defaultuomscheduleid", Value::Guid(coupling.dataverse_id.0))?;
                }
            }
            Self::Own(groups) => {
                let number = record.source.get("number").as_text().unwrap_or_default();
                let group = groups.of(number).ok_or_else(|| Obstacle::Wait(groups.need("Unit Group", number)))?;
                let group = group.dataverse_id.0;
                let held = record.destination.and_then(|product| product.get("defaultuomscheduleid").as_guid());
                if held.is_some_and(|held| held != group) {
                    return Err(has_another_group(owner, number).into());
                }
                set(fields, table, "defaultuomscheduleid", Value::Guid(group))?;
            }
        }
        Ok(())
    }
}

/// Dataverse lets nobody change the unit group of a product (S227).
fn has_another_group(owner: Owner, number: &str) -> DataFailure {
    let message = format!(
        "the product of {} {number} has another unit group in Dataverse, which cannot be changed there: uncouple the two, give \
         the old product another number and retire it, and synchronize {} in full; or give its unit group to no other product \
         and couple the unit group of the {} with it",
        owner.what(),
        owner.products(),
        owner.what()
    );
    DataFailure::of_field("Unit Group", message)
}

/// The codes of the units that products name, by the unit group or the unit that names them; those that nobody coupled stand
/// by their names where they may.
pub(crate) async fn codes_of_units(
    context: Context<'_>,
    owner: Owner,
    products: &[Transferring<'_>],
) -> Result<HashMap<Uuid, String>, EngineError> {
    let installation = context.installation;
    let NamedUnit { column, mapping, .. } = NamedUnit::of(installation, owner);
    let mut named: Vec<RecordId> =
        products.iter().filter_map(|record| record.source.get(column).as_guid().map(RecordId)).collect();
    named.sort();
    named.dedup();
    let couplings =
        installation.store().couplings_by_id(installation.company(), &mapping, Side::Dataverse, &named).await?;
    let usable = couplings.into_iter().filter(|(_, coupling)| is_usable(coupling));
    let mut codes: HashMap<Uuid, String> = usable.filter_map(|(id, coupling)| Some((id.0, coupling.key?))).collect();
    if installation.switches().unit_groups {
        let units: &dyn MappingRules = match owner {
            Owner::Item => &owned_units::ITEM_UNITS,
            Owner::Resource => &owned_units::RESOURCE_UNITS,
        };
        for code in codes.values_mut() {
            *code = units.name_of_key(code).to_owned();
        }
        named.retain(|id| !codes.contains_key(&id.0));
        if !named.is_empty() {
            codes.extend(units.stand_ins(installation, &named).await?.into_iter().map(|(id, code)| (id.0, code)));
        }
    }
    Ok(codes)
}

/// How a product names its unit of Business Central.
pub(crate) struct NamedUnit {
    /// The column: the unit, or the unit group that stands for one.
    pub column: &'static str,
    /// The mapping that couples what stands there.
    mapping: MappingName,
    /// What people call the column.
    caption: &'static str,
}

impl NamedUnit {
    /// How products of an installation do.
    pub fn of(installation: &Installation, owner: Owner) -> Self {
        match installation.switches().unit_groups {
            true => Self { column: "defaultuomid", mapping: owner.units(), caption: "Default Unit" },
            false => Self { column: "defaultuomscheduleid", mapping: MappingName::from(UNITS), caption: "Unit Group" },
        }
    }

    /// What a record waits for whose unit is not coupled.
    pub fn need(&self, named: Uuid) -> Need {
        let (mapping, key) = (self.mapping.clone(), named.to_string());
        let dependency = Dependency { mapping, side: Side::Dataverse, key };
        Need { dependency, field: self.caption.to_owned(), value: named.to_string() }
    }
}
