//! Whether coupled records agree, judged by somebody who knows the mappings as documents and nothing of how Couplet
//! transfers or decides: the rows of both systems as they are stored, compared as a person would.

mod documents;
mod fields;
mod prices;
mod products;

use std::collections::HashSet;

use couplet_model::ActiveMapping;
use couplet_model::catalogue::{MappingDirection, MappingKind};

use super::row::Row;
use super::world::{Pair, World};

/// Compares every coupled pair; one line per field that does not agree.
pub fn compare(world: &World, mappings: &[&ActiveMapping]) -> Vec<String> {
    let mut mismatches = Vec::new();
    let tables = mappings.iter().filter(|mapping| mapping.kind == MappingKind::Table);
    for mapping in tables.filter(|mapping| !world.pairs(mapping.name.as_str()).is_empty()) {
        let pairs = world.pairs(mapping.name.as_str());
        coupled_once(mapping, pairs, &mut mismatches);
        nobody_forgotten(world, mapping, pairs, &mut mismatches);
        for pair in pairs {
            compare_pair(world, mappings, mapping, *pair, &mut mismatches);
        }
    }
    products::one_price_each(world, &mut mismatches);
    documents::nothing_lost(world, &mut mismatches);
    mismatches
}

fn compare_pair(
    world: &World,
    mappings: &[&ActiveMapping],
    mapping: &ActiveMapping,
    pair: Pair,
    mismatches: &mut Vec<String>,
) {
    let record = world.business_central_row(&mapping.business_central.name, pair.business_central);
    let row = world.dataverse_row(&mapping.dataverse.name, pair.dataverse);
    let (Some(record), Some(row)) = (record, row) else {
        mismatches.push(format!("{} {}: one of the coupled records is gone", mapping.name, pair.business_central));
        return;
    };
    if let Some(problems) = documents::compare(world, mapping, record, row) {
        let label = label(mapping, record);
        mismatches.extend(problems.into_iter().map(|problem| format!("{} {label}: {problem}", mapping.name)));
        return;
    }
    let mut problems = Vec::new();
    let is_group = mapping.dataverse.name == "uomschedule";
    let has_owner = is_group && record.get("sourceNo").is_some();
    for field in mapping.fields.iter().filter(|_| !has_owner) {
        problems.extend(fields::compare(world, mappings, mapping, field, record, row));
    }
    if mapping.dataverse.name == "product" {
        products::compare(world, mapping, pair, record, row, &mut problems);
    }
    if prices::are_lines(mapping) {
        prices::compare(world, record, row, &mut problems);
    }
    if is_group {
        let wanted = match text(record.get("sourceType")).as_str() {
            "" => format!("NAV {}", text(record.get("code"))),
            kind => format!("{} {} UOM GR", kind.to_uppercase(), text(record.get("sourceNo"))),
        };
        if text(row.get("name")) != wanted {
            problems.push(format!("name is {:?} instead of {wanted:?}", text(row.get("name"))));
        }
    }
    let label = label(mapping, record);
    mismatches.extend(problems.into_iter().map(|problem| format!("{} {label}: {problem}", mapping.name)));
}

fn coupled_once(mapping: &ActiveMapping, pairs: &[Pair], mismatches: &mut Vec<String>) {
    let ours: HashSet<_> = pairs.iter().map(|pair| pair.business_central).collect();
    let theirs: HashSet<_> = pairs.iter().map(|pair| pair.dataverse).collect();
    if ours.len() != pairs.len() || theirs.len() != pairs.len() {
        mismatches.push(format!("{}: a record is coupled more than once", mapping.name));
    }
}

/// After a full synchronization every record that is not blocked, every line that can be a price, and every person with a
/// company has a partner.
fn nobody_forgotten(world: &World, mapping: &ActiveMapping, pairs: &[Pair], mismatches: &mut Vec<String>) {
    if mapping.direction == MappingDirection::FromDataverse {
        return;
    }
    let coupled: HashSet<_> = pairs.iter().map(|pair| pair.business_central).collect();
    let Some(rows) = world.business_central.get(&mapping.business_central.name) else { return };
    let is_stray = |record: &Row| {
        mapping.business_central.name == "Contact"
            && (text(record.get("type")) != "Person" || text(record.get("companyNumber")).is_empty())
    };
    let may_have_one =
        |record: &Row| !is_stray(record) && (!prices::are_lines(mapping) || prices::has_a_place(world, record));
    let forgotten = rows.iter().filter(|(id, record)| {
        !coupled.contains(id)
            && !is_blocked(record)
            && may_have_one(record)
            && !documents::needs_no_partner(world, mapping, record)
    });
    mismatches
        .extend(forgotten.map(|(_, record)| format!("{} {}: has no partner", mapping.name, label(mapping, record))));
}

/// `true`, or any option but the blank one.
fn is_blocked(record: &Row) -> bool {
    !matches!(record.get("blocked").unwrap_or_default().trim(), "" | "_x0020_" | "false")
}

fn label(mapping: &ActiveMapping, record: &Row) -> String {
    let column = mapping.business_central.label_column.as_deref().unwrap_or("number");
    let label = text(record.get(column));
    if label.is_empty() { text(record.get("id")) } else { label }
}

/// A value as text; blank when it is null.
fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests;
