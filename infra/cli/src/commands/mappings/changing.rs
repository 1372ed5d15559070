//! `couplet mapping set`, `filter`, `template`, `add`, `reset` and `import`: each makes another overlay of the one that stands.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use couplet_engine::{ChangeError, Engine, StandingMappings};
use couplet_model::catalogue::{
    Catalogue, ConditionFile, DeletionRule, Difference, Overlay, TableAdditions, TemplateFile, differences, nearest,
    read_conditions,
};
use couplet_model::ids::MappingName;
use couplet_model::message::Direction;
use couplet_model::switches::Switches;
use couplet_model::table::Side;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::arguments::{
    AddOptions, ChangingOptions, FilterOptions, ImportOptions, ResetOptions, SetOptions, TemplateOptions,
};
use crate::installation;
use crate::output;
use crate::place::Place;
use crate::tables::{table, text};

/// The mappings while they are changed.
pub struct Change<'a> {
    /// What the installation changes from now on.
    pub overlay: Overlay,
    /// The mappings as they stand.
    pub catalogue: &'a Catalogue,
    /// The switches of the installation.
    pub switches: &'a Switches,
}

/// The mapping of that name under these switches, whatever its case.
///
/// # Errors
/// When there is none, with the nearest name or the reason.
pub fn named(catalogue: &Catalogue, switches: &Switches, name: &str) -> anyhow::Result<MappingName> {
    catalogue.active_mapping(name, switches).map(|mapping| mapping.name).map_err(|unknown| {
        let unknown = unknown.to_string();
        let hint = if unknown.contains("did you mean") || unknown.contains("switched off") {
            ""
        } else {
            "; couplet mapping list shows them"
        };
        anyhow::anyhow!("{unknown}{hint}")
    })
}

/// Changes how a mapping travels.
pub async fn set(place: &Place, options: &SetOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        let what = &options.what;
        let of = change.overlay.mappings.entry(mapping).or_default();
        of.direction = what.direction.map(Into::into).or(of.direction);
        of.only_coupled = what.only_coupled.or(of.only_coupled);
        of.update_conflict = what.update_conflict.map(Into::into).or(of.update_conflict);
        of.deletion_conflict = what.deletion_conflict.map(Into::into).or(of.deletion_conflict);
        of.synchronize_after_coupling = what.synchronize_after_coupling.or(of.synchronize_after_coupling);
        of.create_when_no_match = what.create_when_no_match.or(of.create_when_no_match);
        Ok(())
    })
    .await
}

/// Changes which records take part.
pub async fn filter(place: &Place, options: &FilterOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        for (side, text) in options.given() {
            let mut conditions = read_conditions(text, side).with_context(|| format!("{mapping}, {side}"))?;
            let standing = change.catalogue.filter_of(&mapping, side, change.switches);
            conditions
                .extend(standing.into_iter().filter(|one| keeps_companies_apart(one, &conditions)).collect::<Vec<_>>());
            let of = change.overlay.mappings.entry(mapping.clone()).or_default();
            match side {
                Side::BusinessCentral => of.business_central_filter = Some(conditions),
                Side::Dataverse => of.dataverse_filter = Some(conditions),
            }
        }
        Ok(())
    })
    .await
}

/// Whether a condition keeps rows of other companies out, and the filter that takes its place says nothing of that column.
fn keeps_companies_apart(condition: &ConditionFile, others: &[ConditionFile]) -> bool {
    let names_company = |value: &Value| value == &json!("$company_id");
    let about_company = names_company(&condition.value)
        || condition.value.as_array().is_some_and(|values| values.iter().any(names_company));
    about_company && others.iter().all(|other| other.column != condition.column || other.property != condition.property)
}

/// Changes what new records hold.
pub async fn template(place: &Place, options: &TemplateOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        let direction = Direction::from(options.direction);
        let mut templates = change.catalogue.templates_of(&mapping, change.switches);
        let before = templates.len();
        templates.retain(|template| (template.direction, template.priority) != (direction, options.priority));
        if options.remove {
            if templates.len() == before {
                bail!(
                    "{mapping} has no template {direction} with the priority {}; couplet mapping show {mapping:?} lists them",
                    options.priority,
                    mapping = mapping.as_str()
                );
            }
        } else {
            let filter = options.filter.as_deref().unwrap_or_default();
            let filter = read_conditions(filter, direction.source()).with_context(|| format!("{mapping}, template"))?;
            let values = options.values.iter().map(|text| {
                let (column, value) = text
                    .split_once('=')
                    .with_context(|| format!("{text:?} is no value of a template: write column=value"))?;
                Ok((column.trim().to_owned(), value_of(value)))
            });
            let values = values.collect::<anyhow::Result<_>>()?;
            templates.push(TemplateFile { priority: options.priority, direction, filter, values });
        }
        change.overlay.mappings.entry(mapping).or_default().templates = Some(templates);
        Ok(())
    })
    .await
}

/// A value as people write it: JSON where it is a number, true, false, null or a text in quotes; else the text itself.
pub fn value_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Array(_) | Value::Object(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}

/// The file of a mapping that is added.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addition {
    mapping: Value,
    #[serde(default)]
    tables: TableAdditions,
}

/// Adds a mapping.
pub async fn add(place: &Place, options: &AddOptions) -> anyhow::Result<ExitCode> {
    let addition: Addition = read(&options.file, "a mapping with its tables: {\"mapping\": …, \"tables\": …}")?;
    change(place, options.how, |change| {
        let Some(name) = addition.mapping["name"].as_str() else {
            bail!("{}: the mapping has no name; write one as its \"name\"", options.file.display());
        };
        let is_there = |known: &str| known.eq_ignore_ascii_case(name);
        if change.catalogue.mappings().iter().any(|mapping| is_there(mapping.name.as_str())) {
            bail!("there is a mapping {name} already; give yours another name, or change that one with couplet mapping set");
        }
        change.overlay.added.push(addition.mapping.clone());
        change.overlay.tables.business_central.extend(addition.tables.business_central.clone());
        change.overlay.tables.dataverse.extend(addition.tables.dataverse.clone());
        Ok(())
    })
    .await
}

/// Takes changes back.
pub async fn reset(place: &Place, options: &ResetOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        if options.all {
            change.overlay = Overlay::default();
            return Ok(());
        }
        for name in &options.mappings {
            let overlay = &mut change.overlay;
            let is_it = |known: &str| known.eq_ignore_ascii_case(name);
            let (before, added) = (overlay.mappings.len(), overlay.added.len());
            overlay.mappings.retain(|known, _| !is_it(known.as_str()));
            overlay.added.retain(|mapping| !mapping["name"].as_str().is_some_and(is_it));
            drop_unused_tables(overlay);
            if (overlay.mappings.len(), overlay.added.len()) == (before, added) {
                // It is as the catalogue has it, or nobody knows it.
                named(change.catalogue, change.switches, name)?;
            }
        }
        Ok(())
    })
    .await
}

/// Takes away the tables that came with added mappings of which none is left. Columns that were added to tables of the catalogue
/// stay: rows of other mappings may have them.
fn drop_unused_tables(overlay: &mut Overlay) {
    let Overlay { added, tables, .. } = overlay;
    let is_used = |side: &str, table: &Value| added.iter().any(|mapping| mapping[side] == table["name"]);
    tables
        .business_central
        .retain(|table| table.get("primary_key").is_none() || is_used("business_central_table", table));
    tables
        .dataverse
        .retain(|table| table.get("reset_company_on_uncouple").is_none() || is_used("dataverse_table", table));
}

/// Takes over what was exported.
pub async fn import(place: &Place, options: &ImportOptions) -> anyhow::Result<ExitCode> {
    let overlay: Overlay = read(&options.file, "what couplet mapping export writes")?;
    change(place, options.how, |change| {
        change.overlay = overlay.clone();
        Ok(())
    })
    .await
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path, what: &str) -> anyhow::Result<T> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is not {what}"))
}

/// Makes a change at a place, or shows what it would be.
pub async fn change(
    place: &Place,
    how: ChangingOptions,
    make: impl Fn(&mut Change<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    match place {
        Place::Here(config) if !how.dry_run => {
            let (application, _folder) = installation::alone_or_new(config.as_deref()).await?;
            at(&application.engine, how, make).await
        }
        _ => at(&place.look().await?.engine, how, make).await,
    }
}

async fn at(
    engine: &Engine,
    how: ChangingOptions,
    make: impl Fn(&mut Change<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let standing = engine.standing_mappings().await?;
    let (shipped, switches) = (engine.catalogue_as_shipped(), engine.switches());
    // What stands may not fit this version any more; then it is changed from what Couplet brings along.
    let before = standing.stored.applied_to(shipped, switches).unwrap_or_else(|_| shipped.clone());
    let mut changing = Change { overlay: standing.stored.overlay.clone(), catalogue: &before, switches };
    make(&mut changing)?;
    let mut overlay = changing.overlay;
    for change in overlay.mappings.values_mut() {
        change.fields.retain(|field| !field.is_empty());
    }
    overlay.mappings.retain(|_, change| !change.is_empty());
    let (_, after) = engine.try_mappings(&standing, overlay.clone()).map_err(in_words)?;
    let differ = differences(&before, &after, switches);
    let is_same = overlay == standing.stored.overlay;
    let revision = match (how.dry_run, is_same) {
        (true, _) | (_, true) => standing.revision,
        (false, false) => engine.change_mappings(&standing, overlay).await.map_err(in_words)?,
    };
    tell(&standing, revision, &differ, how)?;
    for remark in remarks(&after, &differ, switches) {
        output::note(&remark);
    }
    Ok(ExitCode::SUCCESS)
}

/// What follows from the settings of changed mappings and may surprise.
fn remarks(after: &Catalogue, differ: &[Difference], switches: &Switches) -> Vec<String> {
    let is_changed = |name: &MappingName| differ.iter().any(|difference| difference.mapping == *name);
    let mappings = after.active(switches).into_iter().filter(|mapping| is_changed(&mapping.name));
    let comes_back = mappings
        .filter(|mapping| !mapping.only_coupled && mapping.deletion_conflict == DeletionRule::RemoveCoupling)
        .map(|mapping| {
            format!(
                "{} gives uncoupled records a partner, and uncouples what was deleted on the other side: such a record gets a new \
                 partner when it changes (R8)",
                mapping.name
            )
        });
    comes_back.collect()
}

fn in_words(error: ChangeError) -> anyhow::Error {
    match error {
        ChangeError::Invalid(_) => anyhow::anyhow!("nothing was changed: {error}"),
        other => other.into(),
    }
}

fn tell(standing: &StandingMappings, revision: u64, differ: &[Difference], how: ChangingOptions) -> anyhow::Result<()> {
    let is_stored = revision != standing.revision;
    if how.json {
        output::json(
            &json!({ "revision": revision, "changed": is_stored, "dry_run": how.dry_run, "differences": differ }),
        )?;
        return Ok(());
    }
    if !differ.is_empty() {
        let mut shown = table(&["mapping", "what", "before", "after"]);
        for difference in differ {
            let Difference { mapping, what, before, after } = difference;
            shown.add_row(vec![text(mapping), text(what), text(said(before)), text(said(after))]);
        }
        output::result(&shown.to_string())?;
    }
    output::note(&match (is_stored, how.dry_run) {
        (true, _) => format!(
            "revision {revision} of the mappings is in force with the next run of each job; records that did not change since are \
             looked at in a full synchronization"
        ),
        (false, true) if differ.is_empty() => "nothing would change".to_owned(),
        (false, true) => "nothing was changed".to_owned(),
        (false, false) => "the mappings stand like that already".to_owned(),
    });
    Ok(())
}

/// A value in a table of differences.
fn said(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name most like one that leads nowhere, as the end of a sentence.
pub fn or_nearest<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> String {
    nearest(name, candidates).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}
