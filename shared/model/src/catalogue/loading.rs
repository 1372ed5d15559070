//! Reading one mapping file, and judging all of them together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::error::CatalogueError;
use super::files::{self, ConditionFile, FieldFile, MappingFile, NamedFile, TemplateFile};
use super::lines::DocumentLines;
use super::mapping::{
    Clearing, ConditionTemplate, DeletionRule, FieldMapping, FilterTemplate, JobDefaults, Mapping, MappingDirection,
    MappingKind, MatchField, Operand, Resolution, Template,
};
use super::nearest::nearest;
use super::rules::RulesId;
use super::templates;
use crate::decision::ConflictRule;
use crate::filter::Operator;
use crate::ids::MappingName;
use crate::message::Direction;
use crate::table::{Access, Column, FieldType, Side, Table};
use crate::value::Value;

type Tables = BTreeMap<String, Arc<Table>>;

/// Place in the list of mappings that name none.
const LAST: u32 = 1000;

/// Reads and validates one file.
pub fn load(file: &NamedFile, bc_tables: &Tables, dv_tables: &Tables) -> Result<Mapping, CatalogueError> {
    let raw: MappingFile = files::parse(file)?;
    let name = MappingName(raw.name.clone());
    let wrong = |row, problem: String| CatalogueError::of_mapping(&file.name, &name, row, problem);
    let table = |tables: &Tables, wanted: &str, system: &str| {
        tables
            .get(wanted)
            .cloned()
            .ok_or_else(|| wrong(None, format!("{system} has no table {wanted}{}", suggestion(wanted, tables.keys()))))
    };
    let business_central = table(bc_tables, &raw.business_central_table, "Business Central")?;
    let dataverse = table(dv_tables, &raw.dataverse_table, "Dataverse")?;
    let direction = direction(&raw.direction).map_err(|problem| wrong(None, problem))?;
    let (kind, dataverse) = match (raw.kind.as_str(), raw.option_column) {
        ("table", None) => (MappingKind::Table, dataverse),
        ("option_set", Some(choice)) => {
            let choice = column(&dataverse, &choice).map_err(|problem| wrong(None, problem))?;
            let options = Table::of_options(&dataverse, &choice, raw.option_mirrors.clone());
            let kind = MappingKind::OptionSet { column: choice.name.clone(), mirrors: raw.option_mirrors };
            (kind, Arc::new(options))
        }
        ("option_set", None) => return Err(wrong(None, "an option_set mapping needs option_column".into())),
        ("table", Some(_)) => return Err(wrong(None, "option_column belongs to option_set mappings only".into())),
        (other, _) => return Err(wrong(None, format!("unknown kind {other}; use table or option_set"))),
    };
    if (kind != MappingKind::Table) != (raw.rules == RulesId::Options) {
        return Err(wrong(None, "the rules options belong to option_set mappings, and to these alone".into()));
    }
    if kind != MappingKind::Table && direction == MappingDirection::Bidirectional {
        return Err(wrong(None, "option mappings go one way only (EE8)".into()));
    }
    let designed_for = direction;
    let direction = match &raw.travels {
        None => designed_for,
        Some(part) => narrowed(designed_for, part).map_err(|problem| wrong(None, problem))?,
    };
    for way in direction.directions() {
        // A row whose direction is no direction is told of on its own.
        let travels = |row: &FieldFile| self::direction(&row.direction).map_or(true, |ways| ways.includes(way));
        if !raw.fields.iter().any(|row| row.enabled && travels(row)) {
            return Err(wrong(
                None,
                format!(
                    "travels {way}, but there are no field mapping rows for that; enable or add a row, or change the direction"
                ),
            ));
        }
    }
    let mut fields = Vec::with_capacity(raw.fields.len());
    for (index, row) in raw.fields.iter().enumerate() {
        let mut field = field(index + 1, row, designed_for, &business_central, &dataverse)
            .map_err(|problem| wrong(Some(index + 1), problem))?;
        // The options of its own column are the mapping's rows; it does not look them up.
        if kind != MappingKind::Table && field.resolution == Resolution::Option(name.clone()) {
            field.resolution = Resolution::Copy;
        }
        fields.push(field);
    }
    let filter = |raw: &[ConditionFile], table: &Table| {
        raw.iter().map(|raw| condition(raw, table)).collect::<Result<FilterTemplate, String>>()
    };
    let business_central_filter =
        filter(&raw.business_central_filter, &business_central).map_err(|problem| wrong(None, problem))?;
    let dataverse_filter = filter(&raw.dataverse_filter, &dataverse).map_err(|problem| wrong(None, problem))?;
    let mut match_fields = Vec::new();
    for pair in &raw.match_fields {
        match_fields.push(MatchField {
            business_central: column(&business_central, &pair.business_central).map_err(|p| wrong(None, p))?,
            dataverse: column(&dataverse, &pair.dataverse).map_err(|p| wrong(None, p))?,
            priority: pair.priority,
            case_sensitive: pair.case_sensitive,
        });
    }
    // Whether a create that broke off has made a record is told by nothing else.
    if raw.rules == RulesId::Plain
        && designed_for.includes(Direction::FromDataverse)
        && !business_central.companion_takes_id
        && match_fields.is_empty()
    {
        return Err(wrong(
            None,
            format!(
                "makes records of {}, which take no id of their own; name the fields by which one is known in match_fields",
                business_central.name
            ),
        ));
    }
    let update_conflict = match raw.update_conflict.as_str() {
        "none" => ConflictRule::None,
        "to_dataverse" => ConflictRule::ToDataverse,
        "from_dataverse" => ConflictRule::FromDataverse,
        other => {
            return Err(wrong(
                None,
                format!("unknown update_conflict {other}; use none, to_dataverse or from_dataverse"),
            ));
        }
    };
    let deletion_conflict = match raw.deletion_conflict.as_str() {
        "none" => DeletionRule::None,
        "restore" => DeletionRule::Restore,
        "remove_coupling" => DeletionRule::RemoveCoupling,
        "keep" => DeletionRule::Keep,
        other => {
            return Err(wrong(
                None,
                format!("unknown deletion_conflict {other}; use none, restore, remove_coupling or keep"),
            ));
        }
    };
    let mut named_by = Vec::with_capacity(raw.named_by.len());
    for rows in raw.named_by {
        let named = match rows.side() {
            Side::BusinessCentral => &business_central,
            Side::Dataverse => &dataverse,
        };
        let rows =
            rows.check(bc_tables, dv_tables, named).map_err(|problem| wrong(None, format!("named_by: {problem}")))?;
        if !designed_for.includes(rows.direction) {
            return Err(wrong(None, format!("named_by: the mapping does not travel {}", rows.direction)));
        }
        named_by.push(rows);
    }
    let job = match raw.job {
        None => None,
        Some(job) => {
            let ways = job.direction.map_or(Ok(designed_for), |text| self::direction(&text));
            let ways = ways.map_err(|problem| wrong(None, format!("job: {problem}")))?;
            if let Some(other) = ways.directions().find(|way| !designed_for.includes(*way)) {
                return Err(wrong(None, format!("job: the mapping does not travel {other}")));
            }
            ways.within(direction).map(|direction| JobDefaults {
                description: job.description,
                every_minutes: job.every_minutes,
                inactivity_minutes: job.inactivity_minutes,
                direction,
                when: job.when,
            })
        }
    };
    let mut templates = Vec::new();
    for (index, template) in raw.templates.unwrap_or_default().into_iter().enumerate() {
        let template = self::template(&template, designed_for, &business_central, &dataverse)
            .map_err(|problem| wrong(None, format!("template {}: {problem}", index + 1)))?;
        templates.push(template);
    }
    templates::put_in_order(&mut templates).map_err(|problem| wrong(None, problem))?;
    let names = |names: Vec<String>| names.into_iter().map(MappingName).collect::<Vec<_>>();
    Ok(Mapping {
        file: file.name.clone(),
        variant: raw.variant,
        kind,
        rules: raw.rules,
        business_central,
        dataverse,
        direction,
        designed_for,
        only_coupled: raw.only_coupled,
        when: raw.when,
        dependencies: names(raw.dependencies),
        dependencies_when: raw.dependencies_when.into_iter().map(|(when, list)| (when, names(list))).collect(),
        order: raw.order.sales.or(raw.order.dataverse).unwrap_or(LAST),
        update_conflict,
        deletion_conflict,
        synchronize_after_coupling: raw.synchronize_after_coupling,
        create_when_no_match: raw.create_when_no_match,
        uncouple_job: raw.uncouple_job,
        match_fields,
        templates,
        business_central_filter,
        dataverse_filter,
        job,
        named_by,
        lines: raw.lines.map(Into::into),
        fields,
        name,
    })
}

/// What can only be judged over all mappings: names, dependencies, lookups.
pub fn check_together(mappings: &[Mapping]) -> Result<(), CatalogueError> {
    let names: BTreeSet<&MappingName> = mappings.iter().map(|mapping| &mapping.name).collect();
    let known = |mapping: &Mapping, row: Option<usize>, wanted: &MappingName, what: &str| {
        if names.contains(wanted) {
            return Ok(());
        }
        let near = suggestion(wanted.as_str(), names.iter().map(|name| &name.0));
        let problem = format!("{what} {wanted}, which is no mapping{near}");
        Err(CatalogueError::of_mapping(&mapping.file, &mapping.name, row, problem))
    };
    for (index, mapping) in mappings.iter().enumerate() {
        let twin =
            mappings[..index].iter().find(|other| other.name == mapping.name && other.variant == mapping.variant);
        if let Some(twin) = twin {
            let problem = format!("also in {}; give them different variants or remove one", twin.file);
            return Err(CatalogueError::of_mapping(&mapping.file, &mapping.name, None, problem));
        }
        let dependencies = mapping.dependencies.iter().chain(mapping.dependencies_when.values().flatten());
        for dependency in dependencies {
            known(mapping, None, dependency, "depends on")?;
            if *dependency == mapping.name {
                let problem = "depends on itself; remove the dependency";
                return Err(CatalogueError::of_mapping(&mapping.file, &mapping.name, None, problem));
            }
        }
        if let Some(lines) = &mapping.lines {
            known(mapping, None, &lines.mapping, "has the lines")?;
            for entry in mappings.iter().filter(|entry| entry.name == lines.mapping) {
                check_lines(mapping, lines, entry).map_err(|problem| {
                    CatalogueError::of_mapping(&mapping.file, &mapping.name, None, format!("lines: {problem}"))
                })?;
            }
        }
        for field in &mapping.fields {
            match &field.resolution {
                Resolution::Copy => {}
                Resolution::Lookup(through) => {
                    for name in through {
                        known(mapping, Some(field.row), name, "is resolved through")?;
                    }
                }
                Resolution::Option(name) => known(mapping, Some(field.row), name, "takes options through")?,
            }
        }
    }
    Ok(())
}

/// Whether an entry can hold the lines of a mapping of headers.
fn check_lines(headers: &Mapping, lines: &DocumentLines, entry: &Mapping) -> Result<(), String> {
    if entry.name == headers.name || entry.lines.is_some() {
        return Err(format!("{} cannot have {} as lines: lines have no lines", headers.name, entry.name));
    }
    if entry.when.zip(headers.when).is_some_and(|(own, other)| own != other) {
        // Another entry of the name, which travels with other headers.
        return Ok(());
    }
    let ways: Vec<Direction> = match lines.direction {
        None => headers.direction.directions().collect(),
        Some(way) => headers.direction.directions().filter(|other| *other == way).collect(),
    };
    if ways.is_empty() || !entry.direction.directions().eq(ways) {
        let problem = "do not travel as their headers do; give both the same direction";
        return Err(format!("the lines {} {problem}", entry.name));
    }
    lines.check(&entry.business_central, &headers.business_central)?;
    lines.check(&entry.dataverse, &headers.dataverse)
}

fn field(
    row: usize,
    raw: &FieldFile,
    mapping_direction: MappingDirection,
    bc: &Table,
    dv: &Table,
) -> Result<FieldMapping, String> {
    let business_central = raw.business_central.as_deref().map(|name| column(bc, name)).transpose()?;
    let dataverse = raw.dataverse.as_deref().map(|name| column(dv, name)).transpose()?;
    let direction = direction(&raw.direction)?;
    let contradiction = match (mapping_direction, direction) {
        (MappingDirection::ToDataverse, MappingDirection::FromDataverse) => {
            Some("from_dataverse in a mapping to_dataverse")
        }
        (MappingDirection::FromDataverse, MappingDirection::ToDataverse) => {
            Some("to_dataverse in a mapping from_dataverse")
        }
        _ => None,
    };
    if let Some(contradiction) = contradiction {
        return Err(format!("direction contradicts the mapping's: {contradiction}"));
    }
    let constant = match (&raw.constant, &business_central, &dataverse) {
        (None, Some(_), Some(_)) => None,
        (None, ..) => return Err("needs business_central and dataverse, or one of them and a constant".to_owned()),
        (Some(_), None, None) => return Err("a constant needs the field it is written to".to_owned()),
        (Some(_), Some(_), Some(_)) => {
            return Err("a constant has only the field it is written to; remove the other".to_owned());
        }
        (Some(json), Some(target), None) | (Some(json), None, Some(target)) => {
            Some(Value::from_json(&target.field, json).map_err(|error| format!("constant {error}"))?)
        }
    };
    if constant.is_some() {
        let right = match business_central {
            Some(_) => MappingDirection::FromDataverse,
            None => MappingDirection::ToDataverse,
        };
        if direction != right {
            return Err("direction contradicts the constant: it is written to the one field it names".to_owned());
        }
    }
    let clearing = match (raw.clear_on_failure, raw.not_null) {
        (false, false) => Clearing::ByBlank,
        (true, false) => Clearing::OnFailure,
        (false, true) => Clearing::Never,
        (true, true) => return Err("clear_on_failure and not_null exclude each other (R6)".to_owned()),
    };
    let resolution = match (&raw.option_mapping, raw.resolved_through.as_slice()) {
        (None, []) => Resolution::Copy,
        (None, through) => Resolution::Lookup(through.iter().cloned().map(MappingName).collect()),
        (Some(through), []) => Resolution::Option(MappingName(through.clone())),
        (Some(_), _) => return Err("option_mapping and resolved_through exclude each other".to_owned()),
    };
    if raw.not_null && !dataverse.as_ref().is_some_and(|column| is_id(column)) {
        return Err("not_null applies to id fields of Dataverse only (EE43)".to_owned());
    }
    let transformation = match &raw.transformation {
        None if raw.transformation_direction.is_some() => {
            return Err("transformation_direction goes with a transformation, and only with it".to_owned());
        }
        None => None,
        Some(transformation) => {
            if resolution != Resolution::Copy || constant.is_some() {
                return Err(
                    "a transformation is for texts that are copied, not for constants, lookups and options".to_owned()
                );
            }
            transformation.check()?;
            // A row of one way transforms its own way (R7).
            let asked = raw.transformation_direction.as_deref().map_or(Ok(direction), self::direction)?;
            let way = asked.within(direction).ok_or("transformation_direction contradicts the direction of the row")?;
            for way in way.directions() {
                let source = if way == Direction::ToDataverse { &business_central } else { &dataverse };
                if let Some(source) = source.as_ref().filter(|column| !column.field.is_text()) {
                    return Err(format!("a transformation is for texts, and {} is a {}", source.name, source.field));
                }
            }
            Some((transformation.clone(), way))
        }
    };
    if !raw.enabled {
        if raw.resolved_by_rules {
            return Err("the rules of the mapping set this field, so the row cannot be disabled".to_owned());
        }
        if business_central.as_ref().is_some_and(|column| bc.label_column.as_deref() == Some(&column.name)) {
            return Err(format!(
                "it is what a record of {} is known by on both sides, so the row cannot be disabled",
                bc.name
            ));
        }
    }
    Ok(FieldMapping {
        row,
        business_central,
        dataverse,
        direction,
        constant,
        resolution,
        clearing,
        travels_without: raw.travels_without,
        resolved_by_rules: raw.resolved_by_rules,
        matches: raw.matches,
        when: raw.when,
        enabled: raw.enabled,
        since: raw.since,
        transformation,
    })
}

/// The part of its direction that an installation lets a mapping travel.
fn narrowed(designed_for: MappingDirection, part: &str) -> Result<MappingDirection, String> {
    let part = direction(part)?;
    if part.directions().all(|way| designed_for.includes(way)) {
        return Ok(part);
    }
    Err(format!("goes {} only: what is special about it is written for that way", designed_for.in_words()))
}

fn template(raw: &TemplateFile, ways: MappingDirection, bc: &Table, dv: &Table) -> Result<Template, String> {
    if !ways.includes(raw.direction) {
        return Err(format!("the mapping does not travel {}", raw.direction));
    }
    let (source, destination) = match raw.direction {
        Direction::ToDataverse => (bc, dv),
        Direction::FromDataverse => (dv, bc),
    };
    let filter = raw.filter.iter().map(|raw| condition(raw, source)).collect::<Result<FilterTemplate, String>>()?;
    let mut values = Vec::with_capacity(raw.values.len());
    for (name, json) in &raw.values {
        let column = column(destination, name)?;
        if matches!(column.access, Access::Read | Access::Modify) {
            return Err(format!("{name} cannot be written when a record of {} is created", destination.name));
        }
        let value = Value::from_json(&column.field, json).map_err(|error| format!("{name}: {error}"))?;
        values.push((column, value));
    }
    if values.is_empty() {
        return Err("it gives no values; name at least one column in values".to_owned());
    }
    Ok(Template { priority: raw.priority, direction: raw.direction, filter, values })
}

fn is_id(column: &Column) -> bool {
    use crate::table::FieldType::{Guid, Lookup};
    matches!(column.field, Guid | Lookup { .. })
}

pub(super) fn condition(raw: &ConditionFile, table: &Table) -> Result<ConditionTemplate, String> {
    let name = raw.property.as_deref().or(raw.column.as_deref()).ok_or("a condition needs a property or a column")?;
    let target = column(table, name).map_err(|problem| format!("filter: {problem}"))?;
    let operator = match raw.op.as_str() {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "in" => Operator::In,
        other => return Err(format!("filter on {name}: unknown op {other}; use eq, ne or in")),
    };
    let is_strange = |text: &str| match &target.field {
        FieldType::Enum { values } if !values.is_empty() => !values.iter().any(|value| value == text),
        _ => false,
    };
    let operand = |json: &Json| match json.as_str() {
        Some(text) if is_strange(text) => {
            let FieldType::Enum { values } = &target.field else { return Err(String::new()) };
            Err(format!("filter on {name}: \"{text}\" is none of its options \"{}\"", values.join("\", \"")))
        }
        Some("$company_id") => Ok(Operand::Company),
        Some("$default_price_list_code_is_set") => Ok(Operand::DefaultPriceListCodeIsSet),
        _ => Value::from_json(&target.field, json)
            .map(Operand::Value)
            .map_err(|error| format!("filter on {name}: {error}")),
    };
    let operands = match (&raw.value, operator) {
        (Json::Array(list), Operator::In) => list.iter().map(operand).collect::<Result<_, _>>()?,
        (Json::Array(_), _) | (_, Operator::In) => {
            return Err(format!("filter on {name}: a list goes with op in, and only with it"));
        }
        (single, _) => vec![operand(single)?],
    };
    let only_if_company_exists = match raw.only_if.as_deref() {
        None => false,
        Some("company_exists_in_dataverse") => true,
        Some(other) => return Err(format!("filter on {name}: unknown only_if {other}")),
    };
    Ok(ConditionTemplate { column: Arc::from(name), operator, operands, only_if_company_exists })
}

fn direction(text: &str) -> Result<MappingDirection, String> {
    MappingDirection::parse(text)
        .ok_or_else(|| format!("unknown direction {text}; use to_dataverse, from_dataverse or bidirectional"))
}

fn column(table: &Table, name: &str) -> Result<Arc<Column>, String> {
    table.column(name).cloned().ok_or_else(|| {
        format!("{} table {} has no field {name}{}", table.side, table.name, suggestion(name, table.columns.keys()))
    })
}

fn suggestion<'a>(name: &str, candidates: impl Iterator<Item = &'a String>) -> String {
    nearest(name, candidates.map(String::as_str)).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}
