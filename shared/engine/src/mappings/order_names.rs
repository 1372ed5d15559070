//! What orders are called: their mappings, and the columns of Dataverse that name orders and lines of Business Central.

/// The mapping of orders, which has the same name whichever way they travel.
pub(crate) const ORDERS: &str = "SALESORDER-ORDER";
/// The mapping of their lines.
pub(crate) const LINES: &str = "SOLINE-ORDERDETAIL";
/// The mapping of archived orders.
pub(crate) const ARCHIVED_ORDERS: &str = "Archived Sales Orders";
/// The columns of an order in Dataverse that name the order of Business Central, also after that is gone (S111, S129).
pub(crate) const ORDER_NUMBER: &str = "bcbi_businesscentralordernumber";
pub(crate) const OCCURRENCE: &str = "bcbi_businesscentraldocumentoccurrencenumber";
/// The column of a line in Dataverse with the number of its line in Business Central.
pub(crate) const LINE_NUMBER: &str = "bcbi_businesscentrallinenumber";
