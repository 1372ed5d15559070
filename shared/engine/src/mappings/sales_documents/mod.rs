//! What orders and quotes that begin in Sales have in common: whom they are for, what their lines sell, and how texts,
//! numbers of lines, discounts and addresses become those of a document in Business Central (S53 to S81).

mod addresses;
mod amounts;
mod customers;
mod days;
mod numbering;
mod objects;
mod quotes_behind;
mod rows_beside;
mod texts;

pub(crate) use addresses::Addresses;
pub(crate) use amounts::{freight_of, line_discount, order_discount};
pub(crate) use customers::{CoupledCustomers, Customers};
pub(crate) use days::{as_days, as_moments, noon_of};
pub(crate) use numbering::{NumberedLine, numbered};
pub(crate) use objects::{Objects, Sold};
pub(crate) use quotes_behind::QuotesBehind;
pub(crate) use rows_beside::{RowBeside, comment_lines, freight_id, freight_line, keep_rows};
pub(crate) use texts::{Texts, texts_of};

/// A document that begins in Sales, as messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// A sales order.
    Order,
    /// A quote.
    #[allow(dead_code, reason = "for the rules of quotes, which come next")]
    Quote,
}

impl Document {
    /// Its name in a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Quote => "quote",
        }
    }

    /// The column of Dataverse that holds its number.
    pub fn number_column(self) -> &'static str {
        match self {
            Self::Order => "ordernumber",
            Self::Quote => "quotenumber",
        }
    }

    /// What people call one of them: its number, or its name where it has none.
    pub fn name_of(self, document: &couplet_model::Record) -> String {
        let text = |column: &str| document.get(column).as_text().map(str::to_owned);
        text(self.number_column()).or_else(|| text("name")).unwrap_or_else(|| document.id.to_string())
    }

    /// The table of Business Central that its lines are kept in.
    pub fn line_table(self) -> &'static str {
        match self {
            Self::Order => "Sales Line",
            Self::Quote => "Sales Line (Quote)",
        }
    }
}

#[cfg(test)]
mod tests;
