//! `$metadata`: the model as CSDL.

use std::fmt::Write as _;

use super::Context;
use crate::schema::{Kind, Schema, Table};
use crate::store::edm;
use crate::wire::request::ApiResponse;

/// Answers `$metadata`.
pub(crate) fn get(context: &Context<'_>) -> ApiResponse {
    let schema = std::sync::Arc::clone(&context.world.read().schema);
    let annotated = context.target.option("annotations") == Some("true");
    let mut response = ApiResponse::json(200, document(&schema, annotated).into_bytes());
    response.headers = vec![("Content-Type", "application/xml".to_owned()), ("OData-Version", "4.0".to_owned())];
    response
}

/// The whole document.
#[must_use]
pub(crate) fn document(schema: &Schema, annotated: bool) -> String {
    let mut xml = String::with_capacity(1 << 20);
    xml.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:Reference Uri=\"http://vocabularies.odata.org/OData.Community.Keys.V1.xml\"><edmx:Include Namespace=\"OData.Community.Keys.V1\" Alias=\"Keys\" /></edmx:Reference><edmx:DataServices><Schema Namespace=\"Microsoft.Dynamics.CRM\" Alias=\"mscrm\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\"><EntityType Name=\"crmbaseentity\" Abstract=\"true\" /><EntityType Name=\"expando\" BaseType=\"mscrm.crmbaseentity\" OpenType=\"true\" /><EntityType Name=\"principal\" BaseType=\"mscrm.crmbaseentity\"><Key><PropertyRef Name=\"ownerid\" /></Key><Property Name=\"ownerid\" Type=\"Edm.Guid\" /></EntityType>");
    for table in schema.living() {
        entity(&mut xml, schema, table);
    }
    operations(&mut xml, schema);
    xml.push_str("<EntityContainer Name=\"System\">");
    for table in schema.living() {
        set(&mut xml, schema, table, annotated);
    }
    xml.push_str("<FunctionImport Name=\"WhoAmI\" Function=\"mscrm.WhoAmI\" /><FunctionImport Name=\"RetrieveVersion\" Function=\"mscrm.RetrieveVersion\" />");
    for action in [
        "WinQuote",
        "CloseQuote",
        "ConvertQuoteToSalesOrder",
        "CancelSalesOrder",
        "CalculatePrice",
        "InsertOptionValue",
        "UpdateOptionValue",
        "PublishXml",
    ] {
        let _ = write!(xml, "<ActionImport Name=\"{action}\" Action=\"mscrm.{action}\" />");
    }
    xml.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
    xml
}

fn entity(xml: &mut String, schema: &Schema, table: &Table) {
    let key = &table.columns[table.id].name;
    let _ = write!(
        xml,
        "<EntityType Name=\"{}\" BaseType=\"mscrm.crmbaseentity\"><Key><PropertyRef Name=\"{key}\" /></Key>",
        table.name
    );
    for column in table.columns.iter().filter(|column| column.exposed) {
        let nullable = if column.name == *key { " Nullable=\"false\"" } else { "" };
        let scale = match column.kind {
            Kind::Money => " Scale=\"4\"",
            Kind::Decimal => " Scale=\"10\"",
            _ => "",
        };
        let _ = write!(xml, "<Property Name=\"{}\" Type=\"{}\"{nullable}{scale}", column.property, edm(&column.kind));
        match &column.kind {
            Kind::Text(length) | Kind::Memo(length) => {
                let _ = write!(xml, " MaxLength=\"{length}\" Unicode=\"true\" />");
            }
            Kind::Lookup(_) => {
                xml.push_str("><Annotation Term=\"Org.OData.Core.V1.Computed\" Bool=\"true\" /></Property>")
            }
            _ => xml.push_str(" />"),
        }
    }
    for column in &table.columns {
        for (target, name) in &column.navigation {
            if target != "principal" && schema.position(target).is_none() {
                continue;
            }
            let partner = schema
                .collections()
                .into_iter()
                .find(|collection| {
                    collection.to == table.name && collection.column == column.name && collection.from == *target
                })
                .map(|collection| collection.name.clone());
            let partner = partner.map(|partner| format!(" Partner=\"{partner}\"")).unwrap_or_default();
            let constraint = if target == "principal" {
                "ownerid".to_owned()
            } else {
                schema
                    .position(target)
                    .map(|at| schema.table(at))
                    .map(|table| table.columns[table.id].name.clone())
                    .unwrap_or_default()
            };
            let _ = write!(
                xml,
                "<NavigationProperty Name=\"{name}\" Type=\"mscrm.{target}\"{partner}><ReferentialConstraint Property=\"{}\" ReferencedProperty=\"{constraint}\" /></NavigationProperty>",
                column.property
            );
        }
    }
    for collection in schema.collections().into_iter().filter(|collection| collection.from == table.name) {
        let _ = write!(
            xml,
            "<NavigationProperty Name=\"{}\" Type=\"Collection(mscrm.{})\" Partner=\"{}\" />",
            collection.name, collection.to, collection.partner
        );
    }
    for relation in schema.many_to_many.iter().filter(|relation| relation.navigation_from(&table.name).is_some()) {
        let (_, other) = relation.sides(&table.name);
        let _ = write!(
            xml,
            "<NavigationProperty Name=\"{}\" Type=\"Collection(mscrm.{})\" Partner=\"{}\" />",
            relation.name, other.0, relation.name
        );
    }
    for key in &table.keys {
        let _ = write!(
            xml,
            "<Annotation Term=\"OData.Community.Keys.V1.AlternateKeys\"><Collection><Record Type=\"OData.Community.Keys.V1.AlternateKey\"><PropertyValue Property=\"Key\"><Collection>"
        );
        for column in &key.columns {
            let name = &table.columns[*column].property;
            let _ = write!(
                xml,
                "<Record Type=\"OData.Community.Keys.V1.PropertyRef\"><PropertyValue Property=\"Alias\" String=\"{name}\" /><PropertyValue Property=\"Name\" PropertyPath=\"{name}\" /></Record>"
            );
        }
        xml.push_str("</Collection></PropertyValue></Record></Collection></Annotation>");
    }
    xml.push_str("</EntityType>");
}

fn set(xml: &mut String, schema: &Schema, table: &Table, annotated: bool) {
    let _ = write!(xml, "<EntitySet Name=\"{}\" EntityType=\"Microsoft.Dynamics.CRM.{}\">", table.set, table.name);
    for column in &table.columns {
        for (target, name) in &column.navigation {
            if let Some(at) = schema.position(target) {
                let _ =
                    write!(xml, "<NavigationPropertyBinding Path=\"{name}\" Target=\"{}\" />", schema.table(at).set);
            }
        }
    }
    if annotated {
        let _ = write!(
            xml,
            "<Annotation Term=\"Org.OData.Capabilities.V1.ChangeTracking\"><Record><PropertyValue Property=\"Supported\" Bool=\"{}\" /></Record></Annotation>",
            table.change_tracking
        );
    }
    xml.push_str("</EntitySet>");
}

fn operations(xml: &mut String, schema: &Schema) {
    xml.push_str("<ComplexType Name=\"WhoAmIResponse\"><Property Name=\"BusinessUnitId\" Type=\"Edm.Guid\" Nullable=\"false\" /><Property Name=\"UserId\" Type=\"Edm.Guid\" Nullable=\"false\" /><Property Name=\"OrganizationId\" Type=\"Edm.Guid\" Nullable=\"false\" /></ComplexType>");
    xml.push_str("<ComplexType Name=\"RetrieveVersionResponse\"><Property Name=\"Version\" Type=\"Edm.String\" Unicode=\"false\" /></ComplexType>");
    xml.push_str("<ComplexType Name=\"ColumnSet\"><Property Name=\"AllColumns\" Type=\"Edm.Boolean\" Nullable=\"false\" /><Property Name=\"Columns\" Type=\"Collection(Edm.String)\" Unicode=\"false\" /></ComplexType>");
    xml.push_str("<ComplexType Name=\"CreateMultipleResponse\"><Property Name=\"Ids\" Type=\"Collection(Edm.Guid)\" Nullable=\"false\" /></ComplexType>");
    xml.push_str("<Function Name=\"WhoAmI\"><ReturnType Type=\"mscrm.WhoAmIResponse\" Nullable=\"false\" /></Function><Function Name=\"RetrieveVersion\"><ReturnType Type=\"mscrm.RetrieveVersionResponse\" Nullable=\"false\" /></Function>");
    for table in schema.living().filter(|table| table.bulk) {
        for (action, result) in [
            ("CreateMultiple", "<ReturnType Type=\"mscrm.CreateMultipleResponse\" Nullable=\"false\" />"),
            ("UpdateMultiple", ""),
            ("UpsertMultiple", ""),
        ] {
            let _ = write!(
                xml,
                "<Action Name=\"{action}\" IsBound=\"true\"><Parameter Name=\"entityset\" Type=\"Collection(mscrm.{0})\" Nullable=\"false\" /><Parameter Name=\"Targets\" Type=\"Collection(mscrm.{0})\" Nullable=\"false\" />{result}</Action>",
                table.name
            );
        }
    }
    for (name, parameters) in [
        (
            "WinQuote",
            "<Parameter Name=\"QuoteClose\" Type=\"mscrm.quoteclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        (
            "CloseQuote",
            "<Parameter Name=\"QuoteClose\" Type=\"mscrm.quoteclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        (
            "WinOpportunity",
            "<Parameter Name=\"OpportunityClose\" Type=\"mscrm.opportunityclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        (
            "LoseOpportunity",
            "<Parameter Name=\"OpportunityClose\" Type=\"mscrm.opportunityclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        (
            "ConvertQuoteToSalesOrder",
            "<Parameter Name=\"QuoteId\" Type=\"Edm.Guid\" Nullable=\"false\" /><Parameter Name=\"ColumnSet\" Type=\"mscrm.ColumnSet\" Nullable=\"false\" /><ReturnType Type=\"mscrm.salesorder\" Nullable=\"false\" />",
        ),
        (
            "CancelSalesOrder",
            "<Parameter Name=\"OrderClose\" Type=\"mscrm.orderclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        (
            "CalculatePrice",
            "<Parameter Name=\"Target\" Type=\"mscrm.crmbaseentity\" Nullable=\"false\" /><Parameter Name=\"ParentId\" Type=\"Edm.Guid\" />",
        ),
        (
            "InsertOptionValue",
            "<Parameter Name=\"OptionSetName\" Type=\"Edm.String\" /><Parameter Name=\"EntityLogicalName\" Type=\"Edm.String\" /><Parameter Name=\"AttributeLogicalName\" Type=\"Edm.String\" /><Parameter Name=\"Value\" Type=\"Edm.Int32\" />",
        ),
        (
            "UpdateOptionValue",
            "<Parameter Name=\"OptionSetName\" Type=\"Edm.String\" /><Parameter Name=\"EntityLogicalName\" Type=\"Edm.String\" /><Parameter Name=\"AttributeLogicalName\" Type=\"Edm.String\" /><Parameter Name=\"Value\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        ),
        ("PublishXml", "<Parameter Name=\"ParameterXml\" Type=\"Edm.String\" Nullable=\"false\" />"),
    ] {
        let _ = write!(xml, "<Action Name=\"{name}\">{parameters}</Action>");
    }
    xml.push_str("<Action Name=\"FulfillSalesOrder\" IsBound=\"true\"><Parameter Name=\"entityset\" Type=\"Collection(mscrm.salesorder)\" Nullable=\"false\" /><Parameter Name=\"OrderClose\" Type=\"mscrm.orderclose\" Nullable=\"false\" /><Parameter Name=\"Status\" Type=\"Edm.Int32\" Nullable=\"false\" /></Action>");
    for (name, table) in [
        ("LockSalesOrderPricing", "salesorder"),
        ("LockInvoicePricing", "invoice"),
        ("PublishProductHierarchy", "product"),
        ("ReviseQuote", "quote"),
    ] {
        let _ = write!(
            xml,
            "<Action Name=\"{name}\" IsBound=\"true\"><Parameter Name=\"entity\" Type=\"mscrm.{table}\" Nullable=\"false\" /></Action>"
        );
    }
}
