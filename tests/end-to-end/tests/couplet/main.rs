//! Couplet end to end: the engine, the clients and the store between two simulated systems.

mod archived_orders;
mod availability;
mod both_ways;
mod budgets;
mod contacts;
mod crashes;
mod deletions;
mod faults;
mod going_on;
mod invoices;
mod invoicing;
mod mappings;
mod never_twice;
mod observing;
mod opportunities;
mod options;
mod orders;
mod price_budgets;
mod prices;
mod products;
mod selling;
mod statistics;
mod switching_units;
mod units;
mod vendors;
mod waiting;
