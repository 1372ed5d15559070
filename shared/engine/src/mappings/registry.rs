//! Which rules an entry of the catalogue names.

use couplet_model::catalogue::RulesId;

use super::rules::MappingRules;
use super::{accounts, currencies, options, products, salespeople, units_of_measure};

/// The rules of that id, or why they cannot run yet, in words that follow "cannot run: ".
pub(crate) fn rules_of(id: RulesId) -> Result<&'static dyn MappingRules, &'static str> {
    match id {
        RulesId::Currencies => Ok(&currencies::Currencies),
        RulesId::Customers => Ok(&accounts::CUSTOMERS),
        RulesId::Items => Ok(&products::ITEMS),
        RulesId::Options => Ok(&options::OptionCodes),
        RulesId::Resources => Ok(&products::RESOURCES),
        RulesId::Salespeople => Ok(&salespeople::Salespeople),
        RulesId::Vendors => Ok(&accounts::VENDORS),
        RulesId::UnitsOfMeasure => Ok(&units_of_measure::UnitsOfMeasure),
        RulesId::Contacts
        | RulesId::CustomerPriceGroups
        | RulesId::ItemUnits
        | RulesId::Opportunities
        | RulesId::PostedInvoiceLines
        | RulesId::PostedInvoices
        | RulesId::PriceListLines
        | RulesId::PriceLists
        | RulesId::ResourceUnits
        | RulesId::SalesOrderLines
        | RulesId::SalesOrdersBothWays
        | RulesId::SalesOrdersToDataverse
        | RulesId::SalesPrices
        | RulesId::UnitGroups => Err("its special rules are not built yet"),
    }
}
