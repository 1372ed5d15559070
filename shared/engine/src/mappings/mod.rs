//! What is special about each mapping, one file per mapping, behind the trait [`rules::MappingRules`].

pub(crate) mod installed;
pub(crate) mod rules;

mod accounts;
mod addresses;
mod currencies;
mod currency_rows;
mod customer_price_groups;
mod customer_statistics;
mod natural_keys;
mod of_company;
mod opportunities;
mod options;
mod owned_units;
mod posted_invoice_lines;
mod posted_invoices;
mod price_holders;
mod price_levels;
mod price_lines;
mod price_list_lines;
mod price_lists;
mod price_references;
mod price_rows;
mod price_tables;
mod prices;
mod product_units;
mod products;
pub(crate) mod registry;
mod sales_prices;
mod salespeople;
mod unit_groups;
mod unit_owners;
mod unit_prices;
pub(crate) mod unit_switch;
mod units_of_measure;
