//! Which property refers to which table, and which two properties hold one reference in two spellings.

use std::collections::HashMap;

use crate::schema::{Kind, Table, TableId};

/// Properties that refer to another table wherever they occur: by code, or by SystemId where the property is a GUID.
const BY_NAME: &[(&str, &str)] = &[
    ("salespersonCode", "Salesperson/Purchaser"),
    ("purchaserCode", "Salesperson/Purchaser"),
    ("salesperson", "Salesperson/Purchaser"),
    ("currencyCode", "Currency"),
    ("relationalCurrencyCode", "Currency"),
    ("currencyId", "Currency"),
    ("paymentTermsId", "Payment Terms"),
    ("paymentTermsCode", "Payment Terms"),
    ("shipmentMethodId", "Shipment Method"),
    ("shipmentMethodCode", "Shipment Method"),
    ("shippingAgentCode", "Shipping Agent"),
    ("paymentMethodId", "Payment Method"),
    ("baseUnitOfMeasureCode", "Unit of Measure"),
    ("baseUnitOfMeasureId", "Unit of Measure"),
    ("unitOfMeasureCode", "Unit of Measure"),
    ("unitOfMeasureId", "Unit of Measure"),
    ("vendorNo", "Vendor"),
    ("primaryContactNo", "Contact"),
    ("contactNumber", "Contact"),
    ("contactCompanyNo", "Contact"),
    ("customerId", "Customer"),
    ("customerNumber", "Customer"),
    ("billToCustomerId", "Customer"),
    ("billToCustomerNumber", "Customer"),
    ("itemId", "Item"),
    ("itemNumber", "Item"),
    ("itemNo", "Item"),
    ("resourceNo", "Resource"),
    ("priceListCode", "Price List Header"),
    ("locationId", "Location"),
    ("country", "Country/Region"),
    ("sellToCountry", "Country/Region"),
    ("billToCountry", "Country/Region"),
    ("shipToCountry", "Country/Region"),
];

/// Read-only views repeat numbers of records that may be gone, so nothing is checked there.
const UNCHECKED: &[&str] = &[
    "Sales Header Archive",
    "Sales Line Archive",
    "Sales Shipment Header",
    "Sales Shipment Line",
    "Customer (financial details)",
    "Contact Information Buffer",
    "Company Information",
];

const TWINS: &[(&str, &str)] = &[
    ("currencyId", "currencyCode"),
    ("paymentTermsId", "paymentTermsCode"),
    ("shipmentMethodId", "shipmentMethodCode"),
    ("baseUnitOfMeasureId", "baseUnitOfMeasureCode"),
    ("unitOfMeasureId", "unitOfMeasureCode"),
    ("customerId", "customerNumber"),
    ("billToCustomerId", "billToCustomerNumber"),
    ("itemId", "itemNumber"),
];

/// Notes the references of one table on its properties.
pub(crate) fn attach(table: &mut Table, tables: &HashMap<String, TableId>) {
    if UNCHECKED.contains(&table.name.as_str()) {
        return;
    }
    for (name, target) in BY_NAME {
        if let Some(at) = table.position(name) {
            table.properties[at].related = tables.get(*target).copied();
        }
    }
    // The code of a unit belonging to an item or resource is a unit of measure.
    if (table.name == "Item Unit of Measure" || table.name == "Resource Unit of Measure")
        && let Some(at) = table.position("code")
    {
        table.properties[at].related = tables.get("Unit of Measure").copied();
    }
    for (id, code) in TWINS {
        if let (Some(id), Some(code)) = (table.position(id), table.position(code)) {
            table.properties[id].twin = Some(code);
            table.properties[code].twin = Some(id);
        }
    }
    debug_assert!(table.properties.iter().all(|property| property.twin.is_none() || property.related.is_some()));
    debug_assert!(table.properties.iter().all(|property| property.related.is_none() || matches!(property.kind, Kind::Code | Kind::Guid | Kind::Text)));
}
