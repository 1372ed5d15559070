//! What the sales setup of Business Central says about documents that come from Sales.

use couplet_model::Record;

/// What a line of a document sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An item.
    Item,
    /// A resource.
    Resource,
}

impl Kind {
    /// The type of a line, as both setup and lines write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Item => "Item",
            Self::Resource => "Resource",
        }
    }
}

/// The sales setup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SalesSetup {
    /// What stands for products that were only written into a line (S67).
    pub write_in: Option<(Kind, String)>,
    /// The account that freight is charged on (S77).
    pub freight_account: Option<String>,
}

impl SalesSetup {
    /// The setup of its one row.
    pub fn of(row: &Record) -> Self {
        let text = |column: &str| row.get(column).as_text().filter(|text| !text.is_empty()).map(str::to_owned);
        let is_resource = row.get("writeInProductType").as_text() == Some(Kind::Resource.as_str());
        let kind = if is_resource { Kind::Resource } else { Kind::Item };
        Self {
            write_in: text("writeInProductNumber").map(|number| (kind, number)),
            freight_account: text("freightAccountNumber"),
        }
    }
}
