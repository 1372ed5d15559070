//! `couplet field add`, `set`, `enable` and `disable`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use couplet_model::catalogue::{FieldChange, Transformation, row_name};
use couplet_model::ids::MappingName;

use super::changing::{Change, change, named, or_nearest, value_of};
use crate::arguments::{FieldOptions, RowsOptions};
use crate::place::Place;

/// The columns of a row, Business Central first.
type Columns = (Option<String>, Option<String>);

/// Adds a row.
pub async fn add_field(place: &Place, options: &FieldOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        let (business_central, dataverse) = both(&options.row)?;
        if change.catalogue.row_names(&mapping, change.switches).contains(&options.row) {
            bail!("{mapping} has a field row {} already; change it with couplet field set", options.row);
        }
        let of = change.overlay.mappings.entry(mapping).or_default();
        let row = of.field(business_central.as_deref(), dataverse.as_deref());
        row.added = true;
        write(row, options)
    })
    .await
}

/// Changes a row.
pub async fn set_field(place: &Place, options: &FieldOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        let (business_central, dataverse) = row_of(change, &mapping, &options.row)?;
        let of = change.overlay.mappings.entry(mapping).or_default();
        write(of.field(business_central.as_deref(), dataverse.as_deref()), options)
    })
    .await
}

/// Uses rows, or leaves them alone.
pub async fn enable(place: &Place, options: &RowsOptions, used: bool) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        for row in &options.rows {
            let (business_central, dataverse) = row_of(change, &mapping, row)?;
            let of = change.overlay.mappings.entry(mapping.clone()).or_default();
            // Used is how every row is that nothing is said of.
            of.field(business_central.as_deref(), dataverse.as_deref()).enabled = (!used).then_some(false);
        }
        Ok(())
    })
    .await
}

/// Takes back what is changed of rows.
pub async fn reset(place: &Place, options: &RowsOptions) -> anyhow::Result<ExitCode> {
    change(place, options.how, |change| {
        let mapping = named(change.catalogue, change.switches, &options.mapping)?;
        for row in &options.rows {
            let (business_central, dataverse) = row_of(change, &mapping, row)?;
            let name = row_name(business_central.as_deref(), dataverse.as_deref());
            if let Some(of) = change.overlay.mappings.get_mut(&mapping) {
                of.fields.retain(|field| field.name() != name);
            }
        }
        Ok(())
    })
    .await
}

/// Both columns of a row that is added.
fn both(row: &str) -> anyhow::Result<Columns> {
    match row.split_once('=').map(|(business_central, dataverse)| (column(business_central), column(dataverse))) {
        Some((None, None)) | None => bail!(
            "{row:?} names no field row: write the field of Business Central, =, and the column of Dataverse, as in faxNo=fax; leave \
             out one of them for a constant, as in =creditonhold"
        ),
        Some(columns) => Ok(columns),
    }
}

fn column(name: &str) -> Option<String> {
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The columns of the row that a name means: of both columns, or of one that no other row has.
fn row_of(change: &Change<'_>, mapping: &MappingName, name: &str) -> anyhow::Result<Columns> {
    let known = change.catalogue.row_names(mapping, change.switches);
    let is_it = |row: &&String| match name.contains('=') {
        true => row.eq_ignore_ascii_case(name),
        false => row.split('=').any(|column| column.eq_ignore_ascii_case(name)),
    };
    let found: Vec<&String> = known.iter().filter(is_it).collect();
    match found.as_slice() {
        [row] => both(row),
        [] => {
            let columns = known.iter().map(String::as_str).chain(known.iter().flat_map(|row| row.split('=')));
            let near = or_nearest(name, columns.filter(|column| !column.is_empty()));
            bail!("{mapping} has no field row {name}{near}")
        }
        several => {
            let several: Vec<&str> = several.iter().map(|row| row.as_str()).collect();
            bail!("{mapping} has {} field rows with {name}; name one of {}", several.len(), several.join(", "))
        }
    }
}

fn write(row: &mut FieldChange, options: &FieldOptions) -> anyhow::Result<()> {
    row.direction = options.direction.map(Into::into).or(row.direction);
    row.constant = options.constant.as_deref().map(value_of).or_else(|| row.constant.take());
    row.clear_on_failure = options.clear_on_failure.or(row.clear_on_failure);
    row.not_null = options.not_null.or(row.not_null);
    row.travels_without = options.travels_without.or(row.travels_without);
    if !options.resolved_through.is_empty() {
        row.resolved_through = Some(options.resolved_through.clone());
    }
    if let Some(rule) = &options.transform {
        row.transformation = transformation(rule)?;
        row.transformation_direction = options.transform_direction.map(Into::into);
    }
    Ok(())
}

/// The transformation that a person wrote; `None` takes it back.
fn transformation(text: &str) -> anyhow::Result<Option<Transformation>> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let number = |text: &str| text.parse().with_context(|| format!("{text:?} is no number of letters"));
    Ok(Some(match parts.as_slice() {
        ["none"] => return Ok(None),
        ["uppercase"] => Transformation::Uppercase,
        ["lowercase"] => Transformation::Lowercase,
        ["trim"] => Transformation::Trim,
        ["replace", find, with] => Transformation::Replace { find: (*find).to_owned(), with: (*with).to_owned() },
        ["substring", from, length] => Transformation::Substring { from: number(from)?, length: number(length)? },
        _ => {
            let known = ["none", "uppercase", "lowercase", "trim", "replace", "substring"];
            let near = or_nearest(parts[0], known.into_iter());
            bail!(
                "{text:?} is no transformation{near} There are uppercase, lowercase, trim, replace:FIND:WITH, substring:FROM:LENGTH and none",
                near = if near.is_empty() { "." } else { near.as_str() }
            )
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r142_a_transformation_is_read_as_people_write_it() {
        let replace = |find: &str, with: &str| Transformation::Replace { find: find.to_owned(), with: with.to_owned() };
        for (text, expected) in [
            ("none", None),
            ("uppercase", Some(Transformation::Uppercase)),
            ("trim", Some(Transformation::Trim)),
            ("replace:+49:0", Some(replace("+49", "0"))),
            ("replace: :", Some(replace(" ", ""))),
            ("replace:a:b:c", Some(replace("a", "b:c"))),
            ("substring:1:30", Some(Transformation::Substring { from: 1, length: 30 })),
        ] {
            assert_eq!(transformation(text).expect(text), expected);
        }
        for (text, said) in [
            ("upercase", "did you mean uppercase?"),
            ("replace:a", "replace:FIND:WITH"),
            ("substring:one:2", "\"one\" is no number of letters"),
        ] {
            let error = transformation(text).expect_err(text).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_row_is_named_by_its_columns() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(both("faxNo=fax").expect("a row"), (some("faxNo"), some("fax")));
        assert_eq!(both("=creditonhold").expect("a constant"), (None, some("creditonhold")));
        assert_eq!(both("taxLiable=").expect("a constant"), (some("taxLiable"), None));
        for wrong in ["faxNo", "=", ""] {
            assert!(both(wrong).is_err(), "{wrong}");
        }
    }
}
