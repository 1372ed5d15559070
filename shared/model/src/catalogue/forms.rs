//! The forms in which columns of a standard installation of Dataverse keep their values. What the definitions of an
//! organization say goes before this.

use crate::facts::ColumnFact;
use crate::table::DayForm;

/// Decimal places. Prices have those of the organization's pricing precision, which is two unless changed.
const DECIMALS: &[(&str, &[&str], u32)] = &[
    ("product", &["quantityonhand", "stockvolume", "stockweight"], 2),
    ("product", &["price", "standardcost", "currentcost"], 2),
    ("productpricelevel", &["amount"], 2),
    ("salesorder", &["discountpercentage"], 2),
    ("uom", &["quantity"], 5),
    ("salesorderdetail", &["quantity"], 5),
    ("quotedetail", &["quantity"], 5),
    ("invoicedetail", &["quantity"], 5),
];

/// Longest memos, in UTF-16 units.
const LONGEST: &[(&str, &[&str], usize)] =
    &[("salesorder", &["description"], 2000), ("invoice", &["description"], 2000)];

/// Columns that are kept as a day.
const DAYS: &[(&str, &[&str])] = &[
    ("invoice", &["duedate"]),
    ("opportunity", &["estimatedclosedate", "actualclosedate", "finaldecisiondate"]),
    ("quote", &["expireson", "closedon"]),
    ("product", &["validfromdate", "validtodate"]),
    ("contact", &["birthdate", "anniversary"]),
];

/// Columns that are shown as a day and kept as an instant in the time zone of whoever entered it.
const USER_LOCAL_DAYS: &[(&str, &[&str])] = &[
    ("salesorder", &["requestdeliveryby", "datefulfilled", "submitdate", "lastbackofficesubmit"]),
    ("invoice", &["datedelivered", "lastbackofficesubmit"]),
    ("pricelevel", &["begindate", "enddate"]),
    ("salesorderdetail", &["requestdeliveryby"]),
    ("quote", &["requestdeliveryby", "effectivefrom", "effectiveto"]),
    ("quotedetail", &["requestdeliveryby"]),
    ("invoicedetail", &["actualdeliveryon"]),
];

/// What is usual for a column of Dataverse.
pub fn usual_form(table: &str, column: &str) -> ColumnFact {
    let of = |list: &[(&str, &[&str])]| list.iter().any(|(of, columns)| *of == table && columns.contains(&column));
    let decimals = DECIMALS.iter().find(|(of, columns, _)| *of == table && columns.contains(&column));
    let longest = LONGEST.iter().find(|(of, columns, _)| *of == table && columns.contains(&column));
    let day = match (of(DAYS), of(USER_LOCAL_DAYS)) {
        (true, _) => Some(DayForm::Day),
        (false, true) => Some(DayForm::UserLocal),
        (false, false) => None,
    };
    ColumnFact { secured: None, decimals: decimals.map(|known| known.2), longest: longest.map(|known| known.2), day }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::table::FieldType;

    #[test]
    fn f05_every_column_with_a_usual_form_is_in_the_catalogue_and_has_a_fitting_type() {
        let catalogue = Catalogue::embedded().expect("the catalogue is valid");
        let field = |table: &str, column: &str| {
            let table = catalogue.dataverse_table(table).unwrap_or_else(|| panic!("no table {table}"));
            table.column(column).unwrap_or_else(|| panic!("no column {column} in {}", table.name)).field.clone()
        };
        for (table, columns, _) in DECIMALS {
            for column in *columns {
                assert!(matches!(field(table, column), FieldType::Decimal | FieldType::Money), "{table}.{column}");
            }
        }
        for (table, columns, _) in LONGEST {
            assert!(columns.iter().all(|column| field(table, column) == FieldType::Memo), "{table}");
        }
        for (table, columns) in DAYS.iter().chain(USER_LOCAL_DAYS) {
            assert!(columns.iter().all(|column| field(table, column) == FieldType::Date), "{table}: {columns:?}");
        }
    }
}
