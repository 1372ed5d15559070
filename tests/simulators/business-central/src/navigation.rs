//! Navigation properties: lines of a document, and the record behind an id.

use uuid::Uuid;

use crate::schema::{Kind, Route, TableId, schema};
use crate::store::{Row, Store};

/// How the other end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Rows of the target whose property (at the position) holds this record's id.
    Many { foreign: usize },
    /// The row of the target whose id this record's property holds.
    One { local: usize },
    /// The row of the target with this record's own id (another view of the same record).
    Same,
}

/// One navigation from a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Navigation {
    pub name: String,
    pub target: TableId,
    pub link: Link,
}

impl Navigation {
    pub(crate) fn is_many(&self) -> bool {
        matches!(self.link, Link::Many { .. })
    }
}

/// Single-valued navigations by the id property they follow.
const SINGLE: &[(&str, &str)] = &[
    ("customerId", "customer"),
    ("currencyId", "currency"),
    ("paymentTermsId", "paymentTerm"),
    ("shipmentMethodId", "shipmentMethod"),
    ("paymentMethodId", "paymentMethod"),
    ("itemId", "item"),
    ("unitOfMeasureId", "unitOfMeasure"),
    ("baseUnitOfMeasureId", "baseUnitOfMeasure"),
    ("locationId", "location"),
];

/// Collections under a record: owner, collection's table, property of the target that holds the owner's id.
const MANY: &[(&str, &str, &str)] = &[
    ("Sales Header", "Sales Line", "documentId"),
    ("Sales Header (Quote)", "Sales Line (Quote)", "documentId"),
    ("Sales Invoice Header", "Sales Invoice Line", "documentId"),
    ("Sales Shipment Header", "Sales Shipment Line", "documentId"),
    ("Item", "Item Variant", "itemId"),
    ("Customer", "Contact Information Buffer", "relatedId"),
    ("Vendor", "Contact Information Buffer", "relatedId"),
    ("Customer", "Document Attachment", "parentId"),
    ("Vendor", "Document Attachment", "parentId"),
    ("Item", "Document Attachment", "parentId"),
    ("Sales Header", "Document Attachment", "parentId"),
    ("Sales Header (Quote)", "Document Attachment", "parentId"),
    ("Sales Invoice Header", "Document Attachment", "parentId"),
];

/// Parents of lines, by their entity name.
const PARENT: &[(&str, &str, &str)] = &[
    ("Sales Line", "salesOrder", "Sales Header"),
    ("Sales Line (Quote)", "salesQuote", "Sales Header (Quote)"),
    ("Sales Invoice Line", "salesInvoice", "Sales Invoice Header"),
    ("Sales Shipment Line", "salesShipment", "Sales Shipment Header"),
];

/// All navigations of a table on a route.
pub(crate) fn of(table: TableId, route: Route) -> Vec<Navigation> {
    let schema = schema();
    let definition = schema.table(table);
    let mut out = Vec::new();
    for (owner, target, foreign) in MANY {
        if definition.name == *owner {
            let target = schema.known(target);
            if let (Some(set), Some(foreign)) =
                (schema.table(target).set(route), schema.table(target).position_on(route, foreign))
            {
                out.push(Navigation { name: set.name.clone(), target, link: Link::Many { foreign } });
            }
        }
    }
    for (lines, name, parent) in PARENT {
        let target = schema.known(parent);
        if definition.name == *lines
            && schema.table(target).set(route).is_some()
            && let Some(local) = definition.position_on(route, "documentId")
        {
            out.push(Navigation { name: (*name).to_owned(), target, link: Link::One { local } });
        }
    }
    for (property, name) in SINGLE {
        if let Some(local) =
            definition.position_on(route, property).filter(|at| definition.properties[*at].kind == Kind::Guid)
            && let Some(target) =
                definition.properties[local].related.filter(|target| schema.table(*target).set(route).is_some())
        {
            out.push(Navigation { name: (*name).to_owned(), target, link: Link::One { local } });
        }
    }
    if definition.name == "Customer" && route == Route::Standard {
        out.push(Navigation {
            name: "customerFinancialDetails".into(),
            target: schema.known("Customer (financial details)"),
            link: Link::Same,
        });
    }
    out
}

pub(crate) fn find(table: TableId, route: Route, name: &str) -> Option<Navigation> {
    of(table, route).into_iter().find(|navigation| navigation.name == name)
}

/// The record a single-valued navigation leads to.
pub(crate) fn follow<'a>(store: &'a Store, row: &Row, navigation: &Navigation) -> Option<&'a Row> {
    match navigation.link {
        Link::One { local } => store.row(navigation.target, row.cells[local].as_guid()),
        Link::Same => store.row(navigation.target, row.id),
        Link::Many { .. } => None,
    }
}

/// The records of a collection under an owner.
pub(crate) fn members(store: &Store, owner: Uuid, target: TableId, foreign: usize) -> Vec<&Row> {
    let mut rows: Vec<&Row> =
        if store.has_lines(target) && schema().table(target).properties[foreign].name == "documentId" {
            store.lines(target, owner).collect()
        } else {
            store.rows(target).filter(|row| row.cells[foreign].as_guid() == owner).collect()
        };
    rows.sort_by_cached_key(|row| store.key(target, row));
    rows
}
