//! The query options of a request: `$select`, `$filter`, `$orderby`, `$top`, `$count`, `$expand`.

use std::collections::HashMap;

use super::bind;
use super::filter;
use super::members::{self, Members};
use super::predicate::{Path, Predicate};
use crate::schema::{Kind, Schema};
use crate::wire::error::{ApiError, ApiResult};

/// A query tied to a table.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Columns asked for, by position; `None` is all.
    pub select: Option<Vec<usize>>,
    /// The text of `$select` with blanks removed, for the context URL.
    pub select_text: String,
    /// `$filter`.
    pub filter: Option<Predicate>,
    /// `$orderby`: path and whether it is descending.
    pub order: Vec<(Path, bool)>,
    /// `$top`.
    pub top: Option<usize>,
    /// `$count`.
    pub count: bool,
    /// `$expand`.
    pub expand: Vec<Expand>,
}

/// One expanded navigation property.
#[derive(Debug, Clone)]
pub struct Expand {
    /// Navigation property.
    pub name: String,
    /// Where it leads.
    pub to: Expanded,
    /// Options in its parentheses.
    pub query: Query,
}

/// Where a navigation property leads.
#[derive(Debug, Clone)]
pub enum Expanded {
    /// At most one row.
    One {
        /// The lookup.
        column: usize,
        /// The table.
        table: usize,
    },
    /// Any number of rows.
    Many(Members),
}

/// Options that are OData or Dataverse, but not of a plain query; handled where they mean something.
const ELSEWHERE: [&str; 9] =
    ["$skiptoken", "$deltatoken", "fetchXml", "savedQuery", "userQuery", "tag", "annotations", "sql", "$id"];

impl Query {
    /// Reads the options of a URL.
    ///
    /// # Errors
    /// When an option is unknown or its text is not understood.
    pub fn parse(schema: &Schema, table: usize, options: &[(String, String)]) -> ApiResult<Self> {
        let aliases: HashMap<String, String> =
            options.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect();
        Self::read(schema, table, options, &aliases, 0)
    }

    fn read(
        schema: &Schema,
        table: usize,
        options: &[(String, String)],
        aliases: &HashMap<String, String>,
        depth: usize,
    ) -> ApiResult<Self> {
        let mut query = Self::default();
        for (name, text) in options {
            match name.as_str() {
                "$select" => query.select(schema, table, text)?,
                "$filter" => {
                    let expression =
                        filter::parse(text, aliases).map_err(|error| ApiError::odata(error.to_string()))?;
                    query.filter = Some(bind::bind(schema, table, &expression)?);
                }
                "$orderby" => query.order(schema, table, text)?,
                "$top" => {
                    let top: i64 = text.trim().parse().map_err(|_| ApiError::odata(format!("Invalid value '{text}' for $top query option found. The $top query option requires a non-negative integer value.")))?;
                    query.top = Some(usize::try_from(top).map_err(|_| ApiError::odata(format!("Invalid value '{text}' for $top query option found. The $top query option requires a non-negative integer value.")))?);
                }
                "$count" => match text.as_str() {
                    "true" => query.count = true,
                    "false" => query.count = false,
                    _ => {
                        return Err(ApiError::odata(format!("'{text}' is not a valid count option.")));
                    }
                },
                "$expand" => query.expand(schema, table, text, aliases, depth)?,
                "$skip" => return Err(ApiError::odata("Skip Clause is not supported in CRM")),
                "$apply" => return Err(ApiError::not_supported("$apply")),
                "$search" | "$compute" | "$index" | "$levels" | "$format" => {
                    return Err(ApiError::odata(format!("The query parameter {name} is not supported.")));
                }
                _ if name.starts_with('@') || ELSEWHERE.contains(&name.as_str()) => {}
                _ if name.starts_with('$') => {
                    return Err(ApiError::odata(format!("The query parameter '{name}' is not supported.")));
                }
                // The service refuses what it does not know, because a misspelled option would return too much.
                _ => {
                    return Err(ApiError::odata(format!("The query parameter {name} is not supported")));
                }
            }
        }
        Ok(query)
    }

    fn select(&mut self, schema: &Schema, table: usize, text: &str) -> ApiResult<()> {
        let here = schema.table(table);
        let mut columns = Vec::new();
        let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        for name in &names {
            if *name == "*" {
                return Ok(());
            }
            let column = here
                .property(name)
                .or_else(|| here.navigation(name).map(|(column, _)| column))
                .ok_or_else(|| ApiError::unknown_property(name, &here.type_name()))?;
            if !columns.contains(&column) {
                columns.push(column);
            }
            if matches!(here.columns[column].kind, Kind::Money)
                && let Some(currency) = here.column("transactioncurrencyid")
                && !columns.contains(&currency)
            {
                columns.push(currency);
            }
        }
        if !names.is_empty() {
            self.select_text = names.join(",");
            self.select = Some(columns);
        }
        Ok(())
    }

    fn order(&mut self, schema: &Schema, table: usize, text: &str) -> ApiResult<()> {
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut words = part.split_whitespace();
            let (name, direction) = (words.next().unwrap_or_default(), words.next());
            let descending = match direction {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => {
                    return Err(ApiError::odata(format!("Syntax error at position {} in '{text}'.", part.len())));
                }
            };
            let names: Vec<String> = name.split('/').map(str::to_owned).collect();
            self.order.push((bind::path(schema, table, &names)?, descending));
        }
        Ok(())
    }

    fn expand(
        &mut self,
        schema: &Schema,
        table: usize,
        text: &str,
        aliases: &HashMap<String, String>,
        depth: usize,
    ) -> ApiResult<()> {
        if depth > 5 {
            return Err(ApiError::odata("The request includes a $expand path which is too deep."));
        }
        let here = schema.table(table);
        for part in outside_parentheses(text, ',') {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let (name, inner) =
                part.split_once('(').map_or((part, ""), |(name, rest)| (name, rest.strip_suffix(')').unwrap_or(rest)));
            let unknown = || ApiError::unknown_property(name, &here.type_name());
            let (name, only_links) = name.strip_suffix("/$ref").map_or((name, false), |name| (name, true));
            let to = if let Some((column, target)) = here.navigation(name) {
                let target = if target == "principal" { "systemuser" } else { target };
                Expanded::One { column, table: schema.position(target).ok_or_else(unknown)? }
            } else {
                Expanded::Many(members::members(schema, here, name).ok_or_else(unknown)?)
            };
            let target = match &to {
                Expanded::One { table, .. } => *table,
                Expanded::Many(members) => members.table(),
            };
            let options: Vec<(String, String)> = outside_parentheses(inner, ';')
                .into_iter()
                .filter(|option| !option.trim().is_empty())
                .map(|option| {
                    option.split_once('=').map_or((option.trim().to_owned(), String::new()), |(name, value)| {
                        (name.trim().to_owned(), value.to_owned())
                    })
                })
                .collect();
            let mut query = Self::read(schema, target, &options, aliases, depth + 1)?;
            if only_links {
                query.select = Some(vec![schema.table(target).id]);
            }
            self.expand.push(Expand { name: name.to_owned(), to, query });
        }
        Ok(())
    }
}

/// Splits at `separator` outside of parentheses and quotes.
#[must_use]
pub fn outside_parentheses(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if character == separator && depth == 0 && !quoted => {
                parts.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
