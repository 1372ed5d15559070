//! Relationships: the collection side of every lookup, many-to-many links, and what a delete does to the rows that point at the deleted one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::naming::schema_name;
use super::{Kind, Table};

/// What happens to the referencing rows when the referenced row is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// The lookup is emptied.
    RemoveLink,
    /// The referencing rows are deleted too.
    Cascade,
    /// The delete is refused.
    Restrict,
}

/// The collection-valued side of a lookup: rows of `to` whose `column` points at a row of `from`.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Referenced table (has the collection).
    pub from: String,
    /// Navigation property on the referenced table.
    pub name: String,
    /// Referencing table.
    pub to: String,
    /// Lookup column of the referencing table.
    pub column: String,
    /// Single-valued navigation property of the referencing table.
    pub partner: String,
    /// Delete behaviour.
    pub delete: Delete,
}

impl Collection {
    /// Schema name of the relationship.
    #[must_use]
    pub fn schema_name(&self) -> &str {
        &self.name
    }
}

/// A many-to-many relationship through an intersect table.
#[derive(Debug, Clone)]
pub struct ManyToMany {
    /// Schema name; also the navigation property unless given.
    pub name: &'static str,
    /// Intersect table.
    pub intersect: &'static str,
    /// First table, its id column in the intersect table.
    pub first: (&'static str, &'static str),
    /// Second table, its id column in the intersect table.
    pub second: (&'static str, &'static str),
}

impl ManyToMany {
    /// Navigation property on `table`, if the table takes part.
    #[must_use]
    pub fn navigation_from(&self, table: &str) -> Option<&'static str> {
        (self.first.0 == table || self.second.0 == table).then_some(self.name)
    }

    /// Own and other side, seen from `table`.
    #[must_use]
    pub fn sides(&self, table: &str) -> ((&'static str, &'static str), (&'static str, &'static str)) {
        if self.first.0 == table { (self.first, self.second) } else { (self.second, self.first) }
    }
}

/// The many-to-many relationships of users, teams and roles.
#[must_use]
pub fn many_to_many() -> Vec<ManyToMany> {
    vec![
        ManyToMany {
            name: "teamroles_association",
            intersect: "teamroles",
            first: ("team", "teamid"),
            second: ("role", "roleid"),
        },
        ManyToMany {
            name: "teammembership_association",
            intersect: "teammembership",
            first: ("team", "teamid"),
            second: ("systemuser", "systemuserid"),
        },
        ManyToMany {
            name: "systemuserroles_association",
            intersect: "systemuserroles",
            first: ("systemuser", "systemuserid"),
            second: ("role", "roleid"),
        },
    ]
}

/// Names that the real organization uses for its collections: (referencing table, lookup, referenced table, name, delete).
const KNOWN: [(&str, &str, &str, &str, Delete); 29] = [
    ("contact", "parentcustomerid", "account", "contact_customer_accounts", Delete::RemoveLink),
    ("contact", "parentcustomerid", "contact", "contact_customer_contacts", Delete::RemoveLink),
    ("account", "parentaccountid", "account", "account_parent_account", Delete::RemoveLink),
    ("account", "primarycontactid", "contact", "account_primary_contact", Delete::RemoveLink),
    ("opportunity", "customerid", "account", "opportunity_customer_accounts", Delete::Cascade),
    ("opportunity", "customerid", "contact", "opportunity_customer_contacts", Delete::Cascade),
    ("opportunity", "parentaccountid", "account", "opportunity_parent_account", Delete::RemoveLink),
    ("quote", "customerid", "account", "quote_customer_accounts", Delete::Cascade),
    ("quote", "customerid", "contact", "quote_customer_contacts", Delete::Cascade),
    ("quote", "opportunityid", "opportunity", "opportunity_quotes", Delete::Cascade),
    ("salesorder", "customerid", "account", "order_customer_accounts", Delete::Restrict),
    ("salesorder", "customerid", "contact", "order_customer_contacts", Delete::Restrict),
    ("salesorder", "opportunityid", "opportunity", "opportunity_sales_orders", Delete::Restrict),
    ("salesorder", "quoteid", "quote", "quote_orders", Delete::Restrict),
    ("invoice", "customerid", "account", "invoice_customer_accounts", Delete::Restrict),
    ("invoice", "customerid", "contact", "invoice_customer_contacts", Delete::Restrict),
    ("invoice", "salesorderid", "salesorder", "order_invoices", Delete::Restrict),
    ("quotedetail", "quoteid", "quote", "quote_details", Delete::Cascade),
    ("salesorderdetail", "salesorderid", "salesorder", "order_details", Delete::Cascade),
    ("invoicedetail", "invoiceid", "invoice", "invoice_details", Delete::Cascade),
    ("productpricelevel", "pricelevelid", "pricelevel", "price_level_product_price_levels", Delete::Restrict),
    ("productpricelevel", "productid", "product", "product_price_levels", Delete::Cascade),
    ("productpricelevel", "uomid", "uom", "unit_of_measurement_product_price_levels", Delete::Restrict),
    ("uom", "uomscheduleid", "uomschedule", "unit_of_measure_schedule_conversions", Delete::Cascade),
    ("uom", "baseuom", "uom", "unit_of_measurement_base_unit", Delete::Cascade),
    ("product", "defaultuomscheduleid", "uomschedule", "unit_of_measurement_schedule_products", Delete::Restrict),
    ("product", "defaultuomid", "uom", "unit_of_measurement_products", Delete::Restrict),
    ("product", "pricelevelid", "pricelevel", "price_level_products", Delete::Restrict),
    ("salesorderdetail", "productid", "product", "product_order_details", Delete::Restrict),
];

/// One collection for every lookup and target, by (referenced table, navigation property).
#[must_use]
pub fn collections(tables: &[Arc<Table>]) -> HashMap<(String, String), Collection> {
    let mut all = HashMap::new();
    let mut taken: HashSet<(String, String)> = HashSet::new();
    for table in tables.iter().filter(|table| !table.name.is_empty()) {
        for column in &table.columns {
            let Kind::Lookup(targets) = &column.kind else {
                continue;
            };
            for target in targets {
                let known = KNOWN.iter().find(|(to, lookup, from, ..)| {
                    *to == table.name && *lookup == column.name && *from == target.as_str()
                });
                let mut name = match (known, &column.relationship) {
                    (_, Some(name)) => name.clone(),
                    (Some((_, _, _, name, _)), None) => (*name).to_owned(),
                    (None, None) => generic_name(&table.name, &column.name, target),
                };
                while !taken.insert((target.clone(), name.clone())) {
                    name.push('1');
                }
                let partner = column
                    .navigation
                    .iter()
                    .find(|(to, _)| to == target || to == "principal")
                    .map_or_else(|| column.name.clone(), |(_, name)| name.clone());
                let delete = known.map_or_else(|| generic_delete(&table.name, &column.name), |(.., delete)| *delete);
                all.insert(
                    (target.clone(), name.clone()),
                    Collection {
                        from: target.clone(),
                        name,
                        to: table.name.clone(),
                        column: column.name.clone(),
                        partner,
                        delete,
                    },
                );
            }
        }
    }
    all
}

fn generic_name(table: &str, column: &str, target: &str) -> String {
    match column {
        "createdby" | "modifiedby" | "createdonbehalfby" | "modifiedonbehalfby" => {
            format!("lk_{table}_{column}")
        }
        "owninguser" => format!("user_{table}"),
        "owningteam" => format!("team_{table}"),
        "owningbusinessunit" => format!("business_unit_{table}s"),
        "ownerid" => format!("owner_{table}s_{target}"),
        "transactioncurrencyid" => format!("transactioncurrency_{table}"),
        "objectid" if target == "product" => "Product_Annotations".to_owned(),
        "objectid" => format!("{}_Annotation", schema_name(target)),
        "regardingobjectid" => format!("{target}_{}s", schema_name(table)),
        _ => format!("{target}_{table}_{column}"),
    }
}

fn generic_delete(table: &str, column: &str) -> Delete {
    match column {
        "objectid" => Delete::Cascade,
        "regardingobjectid" if table == "post" => Delete::Cascade,
        "transactioncurrencyid" | "owningbusinessunit" | "ownerid" => Delete::Restrict,
        "productid" => Delete::Restrict,
        _ => Delete::RemoveLink,
    }
}
