//! Which rules an entry of the catalogue names.

use couplet_model::catalogue::RulesId;

use super::rules::MappingRules;
use super::{
    accounts, contacts, currencies, customer_price_groups, customer_statistics, opportunities, options, order_notes,
    order_posts, owned_units, posted_invoice_lines, posted_invoices, price_list_lines, price_lists, products,
    sales_order_archives, sales_order_lines, sales_orders_both_ways, sales_prices, salespeople, submitted_order_lines,
    submitted_orders, unit_groups, units_of_measure,
};

/// The rules of that id, or why they cannot run yet, in words that follow "cannot run: ".
pub(crate) fn rules_of(id: RulesId) -> Result<&'static dyn MappingRules, &'static str> {
    match id {
        RulesId::ArchivedOrderLines => Ok(&sales_order_archives::ArchivedOrderLines),
        RulesId::ArchivedOrders => Ok(&sales_order_archives::ArchivedOrders),
        RulesId::Contacts => Ok(&contacts::Contacts),
        RulesId::Currencies => Ok(&currencies::Currencies),
        RulesId::CustomerPriceGroups => Ok(&customer_price_groups::CustomerPriceGroups),
        RulesId::Customers => Ok(&accounts::CUSTOMERS),
        RulesId::ItemUnits => Ok(&owned_units::ITEM_UNITS),
        RulesId::CustomerStatistics => Ok(&customer_statistics::CustomerStatistics),
        RulesId::Opportunities => Ok(&opportunities::Opportunities),
        RulesId::OrderNotes => Ok(&order_notes::OrderNotes),
        RulesId::ReleasedOrderPosts => Ok(&order_posts::RELEASED),
        RulesId::ShippedOrderPosts => Ok(&order_posts::SHIPPED),
        RulesId::InvoicedOrderPosts => Ok(&order_posts::INVOICED),
        RulesId::PostedInvoiceLines => Ok(&posted_invoice_lines::PostedInvoiceLines),
        RulesId::PostedInvoices => Ok(&posted_invoices::PostedInvoices),
        RulesId::Items => Ok(&products::ITEMS),
        RulesId::Options => Ok(&options::OptionCodes),
        RulesId::PriceListLines => Ok(&price_list_lines::PRICE_LIST_LINES),
        RulesId::PriceLists => Ok(&price_lists::PriceLists),
        RulesId::ResourceUnits => Ok(&owned_units::RESOURCE_UNITS),
        RulesId::Resources => Ok(&products::RESOURCES),
        RulesId::SalesPrices => Ok(&sales_prices::SALES_PRICES),
        RulesId::Salespeople => Ok(&salespeople::Salespeople),
        RulesId::UnitGroups => Ok(&unit_groups::UnitGroups),
        RulesId::Vendors => Ok(&accounts::VENDORS),
        RulesId::UnitsOfMeasure => Ok(&units_of_measure::UnitsOfMeasure),
        RulesId::SubmittedOrderLines => Ok(&submitted_order_lines::SubmittedOrderLines),
        RulesId::SubmittedOrders => Ok(&submitted_orders::SubmittedOrders),
        RulesId::SalesOrderLines => Ok(&sales_order_lines::SalesOrderLines),
        RulesId::SalesOrdersBothWays => Ok(&sales_orders_both_ways::SalesOrdersBothWays),
    }
}
