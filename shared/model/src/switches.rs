//! The choices of one installation that decide which mappings, rows and dependencies exist.

use serde::{Deserialize, Serialize};

/// Who owns records that are created in Dataverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// The user coupled to the salesperson.
    Person,
    /// The company's default owning team.
    #[default]
    Team,
}

/// How sales orders are integrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SalesOrders {
    /// Not at all.
    #[default]
    Off,
    /// Submitted orders travel to Business Central, one way.
    Legacy,
    /// Orders travel both ways.
    Bidirectional,
}

/// The choices of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Who owns new records in Dataverse.
    pub ownership: Ownership,
    /// Unit groups per item and resource instead of one unit group per unit of measure.
    pub unit_groups: bool,
    /// Business Central's newer price lists instead of customer price groups and sales prices.
    pub extended_pricing: bool,
    /// How sales orders are integrated.
    pub sales_orders: SalesOrders,
    /// Whether orders submitted in Sales become orders in Business Central by themselves, where orders are integrated.
    pub auto_create_orders: bool,
    /// Whether quotes activated in Sales are processed by themselves, where orders are integrated.
    pub auto_process_quotes: bool,
    /// Whether the item availability job runs.
    pub item_availability: bool,
    /// Whether the sales setup of Business Central names a default price list.
    pub default_price_list_code_is_set: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            ownership: Ownership::default(),
            // As in new installations of the built-in integration (S218).
            unit_groups: true,
            extended_pricing: true,
            sales_orders: SalesOrders::default(),
            auto_create_orders: true,
            auto_process_quotes: true,
            item_availability: true,
            default_price_list_code_is_set: false,
        }
    }
}

/// A condition of the catalogue on the switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Ownership by person.
    PersonOwnership,
    /// Ownership by team.
    TeamOwnership,
    /// Unit groups on.
    UnitGroupsOn,
    /// Unit groups off.
    UnitGroupsOff,
    /// Newer price lists.
    ExtendedPricingOn,
    /// Classic prices.
    ExtendedPricingOff,
    /// Orders one way.
    LegacyOrders,
    /// Orders both ways.
    BidirectionalOrders,
    /// Orders either way.
    AnyOrders,
    /// Item availability on.
    ItemAvailability,
    /// Orders submitted in Sales become orders in Business Central by themselves.
    AutoCreateOrders,
    /// Quotes activated in Sales are processed by themselves.
    AutoProcessQuotes,
}

impl When {
    /// Whether the condition holds.
    pub fn holds(self, switches: &Switches) -> bool {
        match self {
            Self::PersonOwnership => switches.ownership == Ownership::Person,
            Self::TeamOwnership => switches.ownership == Ownership::Team,
            Self::UnitGroupsOn => switches.unit_groups,
            Self::UnitGroupsOff => !switches.unit_groups,
            Self::ExtendedPricingOn => switches.extended_pricing,
            Self::ExtendedPricingOff => !switches.extended_pricing,
            Self::LegacyOrders => switches.sales_orders == SalesOrders::Legacy,
            Self::BidirectionalOrders => switches.sales_orders == SalesOrders::Bidirectional,
            Self::AnyOrders => switches.sales_orders != SalesOrders::Off,
            Self::ItemAvailability => switches.item_availability,
            Self::AutoCreateOrders => switches.auto_create_orders && Self::AnyOrders.holds(switches),
            Self::AutoProcessQuotes => switches.auto_process_quotes && Self::AnyOrders.holds(switches),
        }
    }
}
