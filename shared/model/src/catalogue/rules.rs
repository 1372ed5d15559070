//! Which rules an entry of the catalogue is synchronized by, beyond its field rows.

use serde::{Deserialize, Serialize};

/// The rules of an entry. Entries of one name that exclude each other name different rules where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulesId {
    /// Lines of archived sales orders.
    ArchivedOrderLines,
    /// Archived sales orders.
    ArchivedOrders,
    /// Person contacts of companies.
    Contacts,
    /// Transaction currencies with their exchange rates.
    Currencies,
    /// Customer price groups as price lists.
    CustomerPriceGroups,
    /// Statistics of customers, to which accounts point.
    CustomerStatistics,
    /// Customers as accounts.
    Customers,
    /// Units of items in the unit groups of these.
    ItemUnits,
    /// Items as products.
    Items,
    /// Opportunities.
    Opportunities,
    /// Codes as options of a choice column.
    Options,
    /// Notes on sales orders.
    OrderNotes,
    /// Posts on orders that were invoiced.
    InvoicedOrderPosts,
    /// Posts on orders that were released.
    ReleasedOrderPosts,
    /// Posts on orders that were shipped.
    ShippedOrderPosts,
    /// Lines of posted invoices.
    PostedInvoiceLines,
    /// Nothing beyond field rows, filters and couplings.
    Plain,
    /// Posted invoices.
    PostedInvoices,
    /// Lines of price lists.
    PriceListLines,
    /// Price lists.
    PriceLists,
    /// Units of resources in the unit groups of these.
    ResourceUnits,
    /// Resources as products.
    Resources,
    /// Lines of sales orders.
    SalesOrderLines,
    /// Sales orders that travel both ways.
    SalesOrdersBothWays,
    /// Lines of sales quotes.
    SalesQuoteLines,
    /// Sales quotes.
    SalesQuotes,
    /// Users as salespeople.
    Salespeople,
    /// Sales prices as lines of price lists.
    SalesPrices,
    /// Lines of orders that were submitted in Sales.
    SubmittedOrderLines,
    /// Orders that were submitted in Sales, and what becomes of them in Business Central.
    SubmittedOrders,
    /// Unit groups of items and resources.
    UnitGroups,
    /// Units of measure as unit groups of one unit.
    UnitsOfMeasure,
    /// Vendors as accounts.
    Vendors,
}
