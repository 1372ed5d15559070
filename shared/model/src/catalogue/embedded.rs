//! The catalogue files that are part of the binary.

/// File name and content of one catalogue file.
pub type EmbeddedFile = (&'static str, &'static str);

macro_rules! catalogue_file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../catalogue/", $name)))
    };
}

/// Tables of Business Central.
pub const BUSINESS_CENTRAL: EmbeddedFile = catalogue_file!("tables/business-central.json");
/// Tables of Dataverse.
pub const DATAVERSE: EmbeddedFile = catalogue_file!("tables/dataverse.json");
/// Jobs that belong to no mapping.
pub const JOBS: EmbeddedFile = catalogue_file!("jobs.json");
/// Defaults of names and numbers.
pub const DEFAULTS: EmbeddedFile = catalogue_file!("defaults.json");
/// One file per mapping.
pub const MAPPINGS: &[EmbeddedFile] = &[
    catalogue_file!("mappings/salespeople.json"),
    catalogue_file!("mappings/customer.json"),
    catalogue_file!("mappings/vendor.json"),
    catalogue_file!("mappings/contact.json"),
    catalogue_file!("mappings/currency.json"),
    catalogue_file!("mappings/payment-terms.json"),
    catalogue_file!("mappings/shipment-method.json"),
    catalogue_file!("mappings/shipping-agent.json"),
    catalogue_file!("mappings/unit-of-measure.json"),
    catalogue_file!("mappings/unit-group.json"),
    catalogue_file!("mappings/item-uom.json"),
    catalogue_file!("mappings/resource-uom.json"),
    catalogue_file!("mappings/item-product.json"),
    catalogue_file!("mappings/resource-product.json"),
    catalogue_file!("mappings/custprcgrp-price.json"),
    catalogue_file!("mappings/salesprc-prodprice.json"),
    catalogue_file!("mappings/plheader-price.json"),
    catalogue_file!("mappings/plline-prodprice.json"),
    catalogue_file!("mappings/postedsalesinv-inv.json"),
    catalogue_file!("mappings/postedsalesline-inv.json"),
    catalogue_file!("mappings/opportunity.json"),
    catalogue_file!("mappings/customer-statistics.json"),
    catalogue_file!("mappings/salesorder-order-legacy.json"),
    catalogue_file!("mappings/salesorder-order-bidirectional.json"),
    catalogue_file!("mappings/soline-orderdetail.json"),
    catalogue_file!("mappings/sales-order-notes.json"),
    catalogue_file!("mappings/sales-order-status.json"),
    catalogue_file!("mappings/sales-shipment-status.json"),
    catalogue_file!("mappings/sales-invoice-status.json"),
    catalogue_file!("mappings/soline-orderdetail-legacy.json"),
    catalogue_file!("mappings/archived-sales-orders.json"),
    catalogue_file!("mappings/archived-sales-order-lines.json"),
];
