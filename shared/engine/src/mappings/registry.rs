//! Which rules an entry of the catalogue names.

use couplet_model::catalogue::RulesId;

use super::rules::MappingRules;
use super::{
    accounts, contacts, currencies, customer_price_groups, customer_statistics, opportunities, options, order_notes,
    order_posts, owned_units, plain, posted_invoice_lines, posted_invoices, price_list_lines, price_lists, products,
    sales_order_archives, sales_order_lines, sales_orders_both_ways, sales_prices, sales_quote_lines, sales_quotes,
    salespeople, submitted_order_lines, submitted_orders, unit_groups, units_of_measure,
};

/// The rules of that id.
pub(crate) fn rules_of(id: RulesId) -> &'static dyn MappingRules {
    match id {
        RulesId::ArchivedOrderLines => &sales_order_archives::ArchivedOrderLines,
        RulesId::ArchivedOrders => &sales_order_archives::ArchivedOrders,
        RulesId::Contacts => &contacts::Contacts,
        RulesId::Currencies => &currencies::Currencies,
        RulesId::CustomerPriceGroups => &customer_price_groups::CustomerPriceGroups,
        RulesId::Customers => &accounts::CUSTOMERS,
        RulesId::ItemUnits => &owned_units::ITEM_UNITS,
        RulesId::CustomerStatistics => &customer_statistics::CustomerStatistics,
        RulesId::Opportunities => &opportunities::Opportunities,
        RulesId::OrderNotes => &order_notes::OrderNotes,
        RulesId::ReleasedOrderPosts => &order_posts::RELEASED,
        RulesId::ShippedOrderPosts => &order_posts::SHIPPED,
        RulesId::InvoicedOrderPosts => &order_posts::INVOICED,
        RulesId::PostedInvoiceLines => &posted_invoice_lines::PostedInvoiceLines,
        RulesId::PostedInvoices => &posted_invoices::PostedInvoices,
        RulesId::Items => &products::ITEMS,
        RulesId::Options => &options::OptionCodes,
        RulesId::PriceListLines => &price_list_lines::PRICE_LIST_LINES,
        RulesId::Plain => &plain::Plain,
        RulesId::PriceLists => &price_lists::PriceLists,
        RulesId::ResourceUnits => &owned_units::RESOURCE_UNITS,
        RulesId::Resources => &products::RESOURCES,
        RulesId::SalesQuoteLines => &sales_quote_lines::SalesQuoteLines,
        RulesId::SalesQuotes => &sales_quotes::SalesQuotes,
        RulesId::SalesPrices => &sales_prices::SALES_PRICES,
        RulesId::Salespeople => &salespeople::Salespeople,
        RulesId::UnitGroups => &unit_groups::UnitGroups,
        RulesId::Vendors => &accounts::VENDORS,
        RulesId::UnitsOfMeasure => &units_of_measure::UnitsOfMeasure,
        RulesId::SubmittedOrderLines => &submitted_order_lines::SubmittedOrderLines,
        RulesId::SubmittedOrders => &submitted_orders::SubmittedOrders,
        RulesId::SalesOrderLines => &sales_order_lines::SalesOrderLines,
        RulesId::SalesOrdersBothWays => &sales_orders_both_ways::SalesOrdersBothWays,
    }
}
