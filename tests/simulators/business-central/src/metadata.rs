//! What the service says about itself: service document, CSDL, entity definitions.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::navigation;
use crate::schema::{Kind, Property, Route, Source, Table, TableId, schema};
use crate::service::Context;

pub(crate) fn service_document(context: &Context, route: Route) -> Value {
    let mut sets: Vec<Value> = vec![json!({"name": "companies", "kind": "EntitySet", "url": "companies"})];
    sets.extend(tables(route).map(|(_, table)| {
        let name = table.set(route).map_or("", |set| set.name.as_str());
        json!({"name": name, "kind": "EntitySet", "url": name})
    }));
    json!({"@odata.context": format!("{}/$metadata", context.root(route)), "value": sets})
}

pub(crate) fn entity_definitions(context: &Context, route: Route) -> Value {
    let definitions: Vec<Value> = tables(route)
        .filter_map(|(_, table)| table.set(route))
        .map(|set| json!({"entityName": set.entity, "entitySetName": set.name, "insertAllowed": set.insert, "modifyAllowed": set.modify, "deleteAllowed": set.delete, "entityCaptions": []}))
        .collect();
    json!({"@odata.context": format!("{}/$metadata#entityDefinitions", context.root(route)), "value": definitions})
}

fn tables(route: Route) -> impl Iterator<Item = (TableId, &'static Table)> {
    schema().ids().map(|id| (id, schema().table(id))).filter(move |(_, table)| table.set(route).is_some())
}

/// The CSDL document of a route.
pub(crate) fn csdl(route: Route) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"Microsoft.NAV\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    );
    let written = types(&mut out, route).and_then(|()| container(&mut out, route));
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
    out.push_str("</Schema></edmx:DataServices></edmx:Edmx>");
    out
}

fn types(out: &mut String, route: Route) -> std::fmt::Result {
    out.push_str("<EntityType Name=\"company\"><Key><PropertyRef Name=\"id\"/></Key><Property Name=\"id\" Type=\"Edm.Guid\" Nullable=\"false\"/>");
    for (name, kind) in [
        ("systemVersion", "Edm.String"),
        ("timestamp", "Edm.Int64"),
        ("name", "Edm.String"),
        ("displayName", "Edm.String"),
        ("businessProfileId", "Edm.String"),
        ("systemCreatedAt", "Edm.DateTimeOffset"),
        ("systemCreatedBy", "Edm.Guid"),
        ("systemModifiedAt", "Edm.DateTimeOffset"),
        ("systemModifiedBy", "Edm.Guid"),
    ] {
        write!(out, "<Property Name=\"{name}\" Type=\"{kind}\"/>")?;
    }
    for (_, table) in tables(route) {
        let (entity, set) = names(table, route);
        write!(
            out,
            "<NavigationProperty Name=\"{set}\" Type=\"Collection(Microsoft.NAV.{entity})\" ContainsTarget=\"true\"/>"
        )?;
    }
    out.push_str("</EntityType>");
    for (id, table) in tables(route) {
        let (entity, _) = names(table, route);
        write!(out, "<EntityType Name=\"{entity}\"><Key>")?;
        for name in wire_key(table, route) {
            write!(out, "<PropertyRef Name=\"{name}\"/>")?;
        }
        out.push_str("</Key>");
        for property in table.properties.iter().filter(|property| property.on(route)) {
            describe(out, table, property, route)?;
        }
        for navigation in navigation::of(id, route) {
            let (target, _) = names(schema().table(navigation.target), route);
            let kind = if navigation.is_many() {
                format!("Collection(Microsoft.NAV.{target})")
            } else {
                format!("Microsoft.NAV.{target}")
            };
            let contained = if navigation.is_many() { " ContainsTarget=\"true\"" } else { "" };
            write!(out, "<NavigationProperty Name=\"{}\" Type=\"{kind}\"{contained}/>", navigation.name)?;
        }
        out.push_str("</EntityType>");
        for property in table.properties.iter().filter(|property| property.on(route)) {
            if let Kind::Enum(members) = &property.kind {
                write!(out, "<EnumType Name=\"{}\">", enum_type(table, property))?;
                for (value, member) in members.encoded.iter().enumerate() {
                    write!(out, "<Member Name=\"{member}\" Value=\"{value}\"/>")?;
                }
                out.push_str("</EnumType>");
            }
        }
    }
    actions(out, route)
}

fn actions(out: &mut String, route: Route) -> std::fmt::Result {
    for (id, table) in tables(route) {
        for name in crate::documents::actions(id, route) {
            let (entity, _) = names(table, route);
            write!(
                out,
                "<Action Name=\"{name}\" IsBound=\"true\"><Parameter Name=\"bindingParameter\" Type=\"Microsoft.NAV.{entity}\"/></Action>"
            )?;
        }
    }
    Ok(())
}

fn container(out: &mut String, route: Route) -> std::fmt::Result {
    out.push_str("<EntityContainer Name=\"NAV\"><EntitySet Name=\"companies\" EntityType=\"Microsoft.NAV.company\">");
    for (_, table) in tables(route) {
        let (_, set) = names(table, route);
        write!(out, "<NavigationPropertyBinding Path=\"{set}\" Target=\"{set}\"/>")?;
    }
    out.push_str("</EntitySet>");
    for (_, table) in tables(route) {
        let (entity, set) = names(table, route);
        write!(out, "<EntitySet Name=\"{set}\" EntityType=\"Microsoft.NAV.{entity}\">")?;
        if let Some(rights) = table.set(route) {
            for (term, property, allowed) in [
                ("InsertRestrictions", "Insertable", rights.insert),
                ("UpdateRestrictions", "Updatable", rights.modify),
                ("DeleteRestrictions", "Deletable", rights.delete),
            ] {
                write!(
                    out,
                    "<Annotation Term=\"Org.OData.Capabilities.V1.{term}\"><Record><PropertyValue Property=\"{property}\" Bool=\"{allowed}\"/></Record></Annotation>"
                )?;
            }
        }
        out.push_str("</EntitySet>");
    }
    out.push_str("</EntityContainer>");
    Ok(())
}

fn names(table: &Table, route: Route) -> (&str, &str) {
    table.set(route).map_or(("", ""), |set| (set.entity.as_str(), set.name.as_str()))
}

fn wire_key(table: &Table, route: Route) -> Vec<&str> {
    if table.position_on(route, "id").is_some() {
        return vec!["id"];
    }
    table.key.iter().map(|at| table.properties[*at].name.as_str()).collect()
}

fn enum_type(table: &Table, property: &Property) -> String {
    let owner: String = table.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut name = property.name.clone();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("{owner}{name}")
}

fn describe(out: &mut String, table: &Table, property: &Property, route: Route) -> std::fmt::Result {
    let kind = match &property.kind {
        Kind::Text | Kind::Code => "Edm.String".to_owned(),
        Kind::Decimal => "Edm.Decimal".to_owned(),
        Kind::Bool => "Edm.Boolean".to_owned(),
        Kind::Int => "Edm.Int32".to_owned(),
        Kind::Guid => "Edm.Guid".to_owned(),
        Kind::Date => "Edm.Date".to_owned(),
        Kind::DateTime => "Edm.DateTimeOffset".to_owned(),
        Kind::Enum(_) => format!("Microsoft.NAV.{}", enum_type(table, property)),
    };
    write!(out, "<Property Name=\"{}\" Type=\"{kind}\"", property.name)?;
    if property.source == Source::Id {
        out.push_str(" Nullable=\"false\"");
    }
    if let Some(length) = property.length {
        write!(out, " MaxLength=\"{length}\"")?;
    }
    if property.kind == Kind::Decimal {
        out.push_str(" Scale=\"Variable\"");
    }
    if property.takes_values_on(route) || property.source == Source::Id {
        out.push_str("/>");
        return Ok(());
    }
    out.push_str("><Annotation Term=\"Org.OData.Core.V1.Computed\" Bool=\"true\"/></Property>");
    Ok(())
}
