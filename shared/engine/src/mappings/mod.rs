//! What is special about each mapping, one file per mapping, behind the trait [`rules::MappingRules`].

pub(crate) mod installed;
pub(crate) mod rules;

mod accounts;
mod addresses;
mod currencies;
mod natural_keys;
mod of_company;
mod options;
mod price_lines;
mod products;
pub(crate) mod registry;
mod salespeople;
mod units_of_measure;
