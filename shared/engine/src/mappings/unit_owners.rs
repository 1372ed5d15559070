//! Items and resources as owners of unit groups: what their groups, units and products go by, and which groups are coupled.

use std::collections::{HashMap, HashSet};

use couplet_model::catalogue::Defaults;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Value};
use uuid::Uuid;

use super::rules::is_usable;
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of unit groups.
pub(crate) const UNIT_GROUPS: &str = "UNIT GROUP";

/// What has a unit group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Item,
    Resource,
}

impl Owner {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Item, Self::Resource];

    /// What people call one.
    pub fn what(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Resource => "resource",
        }
    }

    /// The source type of its unit group.
    pub fn source_type(self) -> &'static str {
        match self {
            Self::Item => "Item",
            Self::Resource => "Resource",
        }
    }

    /// The mapping that makes products of such records.
    pub fn products(self) -> MappingName {
        MappingName::from(match self {
            Self::Item => "ITEM-PRODUCT",
            Self::Resource => "RESOURCE-PRODUCT",
        })
    }

    /// The mapping of their units.
    pub fn units(self) -> MappingName {
        MappingName::from(match self {
            Self::Item => "ITEM UOM",
            Self::Resource => "RESOURCE UOM",
        })
    }

    /// The name of the unit group of the record with a number (S219).
    pub fn group_name(self, defaults: &Defaults, number: &str) -> String {
        match self {
            Self::Item => defaults.item_unit_group_name(number),
            Self::Resource => defaults.resource_unit_group_name(number),
        }
    }
}

/// The couplings of the unit groups of some items or resources.
pub(crate) struct GroupsOfOwners {
    owner: Owner,
    defaults: Defaults,
    by_name: HashMap<String, Coupling>,
}

impl GroupsOfOwners {
    /// Reads them by the numbers of their owners.
    pub async fn read(
        installation: &Installation,
        owner: Owner,
        numbers: impl Iterator<Item = &str>,
    ) -> Result<Self, EngineError> {
        let defaults = installation.catalogue().defaults().clone();
        let mut names: Vec<String> = numbers.map(|number| owner.group_name(&defaults, number)).collect();
        names.sort();
        names.dedup();
        let groups = MappingName::from(UNIT_GROUPS);
        let by_name = installation.store().couplings_by_key(installation.company(), &groups, &names).await?;
        Ok(Self { owner, defaults, by_name })
    }

    /// The unit group of the record with a number.
    pub fn of(&self, number: &str) -> Option<&Coupling> {
        let coupling = self.by_name.get(&self.owner.group_name(&self.defaults, number));
        coupling.filter(|coupling| is_usable(coupling))
    }

    /// What the record with a number waits for whose unit group is not coupled.
    pub fn need(&self, field: &str, number: &str) -> Need {
        let key = self.owner.group_name(&self.defaults, number);
        let dependency = Dependency { mapping: MappingName::from(UNIT_GROUPS), side: Side::BusinessCentral, key };
        Need { dependency, field: field.to_owned(), value: number.to_owned() }
    }
}

/// Those of some unit groups that several products have.
pub(crate) async fn shared_groups(
    installation: &Installation,
    groups: &HashSet<Uuid>,
) -> Result<HashSet<Uuid>, EngineError> {
    let wanted = groups.iter().map(|group| Value::Guid(*group)).collect();
    let filter = Filter::all(vec![Condition::one_of("defaultuomscheduleid", wanted)]);
    let products = installation.find_rows("product", &filter, &["defaultuomscheduleid"]).await?;
    let (mut seen, mut shared) = (HashSet::new(), HashSet::new());
    for group in products.iter().filter_map(|product| product.get("defaultuomscheduleid").as_guid()) {
        if !seen.insert(group) {
            shared.insert(group);
        }
    }
    Ok(shared)
}
