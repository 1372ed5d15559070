//! The `$` options of a request's query.

use percent_encoding::percent_decode_str;

use super::filter::{Dialect, Filter};
use crate::documents;
use crate::errors::ApiError;
use crate::navigation;
use crate::schema::{Route, TableId, schema};

/// One criterion of `$orderby`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub at: usize,
    pub descending: bool,
}

/// One navigation of `$expand` with its own options.
#[derive(Clone, Debug)]
pub(crate) struct Expand {
    pub navigation: navigation::Navigation,
    pub query: Query,
}

/// The options of one read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub select: Option<Vec<usize>>,
    pub filter: Option<Filter>,
    pub order: Vec<Order>,
    pub top: Option<usize>,
    pub skip: usize,
    pub count: bool,
    pub expand: Vec<Expand>,
    pub skip_token: Option<String>,
}

/// Splits a raw query into decoded pairs.
pub(crate) fn pairs(raw: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    raw.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, value)) => (decode(name), decode(value)),
            None => (decode(part), String::new()),
        })
        .collect()
}

impl Query {
    pub(crate) fn parse(raw: &str, table: TableId, route: Route, wildcards: bool) -> Result<Self, ApiError> {
        let pairs = pairs(raw);
        let version = pairs.iter().find(|(name, _)| name == "$schemaversion").map(|(_, version)| version.as_str());
        let dialect = Dialect { nested: version == Some("2.1"), wildcards };
        Self::from_pairs(&pairs, table, route, dialect, 0)
    }

    fn from_pairs(
        pairs: &[(String, String)],
        table: TableId,
        route: Route,
        dialect: Dialect,
        depth: usize,
    ) -> Result<Self, ApiError> {
        let definition = schema().table(table);
        let entity = definition.set(route).map_or("", |set| set.entity.as_str());
        let property = |name: &str| {
            definition.position_on(route, name).ok_or_else(|| ApiError::unknown_property_in_query(name, entity))
        };
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "$select" if value.trim() == "*" => {}
                "$select" => {
                    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                    query.select = Some(names.map(property).collect::<Result<_, _>>()?);
                }
                "$filter" => query.filter = Some(Filter::parse(value, table, route, dialect)?),
                "$orderby" => {
                    query.order = value.split(',').map(|part| order(part, &property)).collect::<Result<_, _>>()?
                }
                "$top" => query.top = Some(number(name, value)?),
                "$skip" => query.skip = number(name, value)?,
                "$count" => query.count = boolean(value)?,
                "$expand" => query.expand = expand(value, table, route, dialect, depth)?,
                "$skiptoken" => query.skip_token = Some(value.clone()),
                "$schemaversion" | "$format" => {}
                "$search" | "$apply" | "$compute" | "$deltatoken" | "$levels" => {
                    return Err(ApiError::not_implemented(format!("The query option '{name}' is not supported.")));
                }
                _ if name.starts_with('$') => {
                    return Err(ApiError::bad_request(format!("The query parameter '{name}' is not supported.")));
                }
                _ => {}
            }
        }
        if let Some(view) = documents::page_view(table, route) {
            query.filter = Some(Filter::All(
                query
                    .filter
                    .into_iter()
                    .chain([view])
                    .flat_map(|filter| if let Filter::All(parts) = filter { parts } else { vec![filter] })
                    .collect(),
            ));
        }
        Ok(query)
    }
}

fn number(name: &str, value: &str) -> Result<usize, ApiError> {
    value.trim().parse().map_err(|_| ApiError::bad_request(format!("Invalid value '{value}' for {name} query option found. The {name} query option requires a non-negative integer value.")))
}

fn boolean(value: &str) -> Result<bool, ApiError> {
    value.trim().parse().map_err(|_| {
        ApiError::bad_request(format!(
            "Invalid value '{value}' for $count query option found. Valid values are 'true' and 'false'."
        ))
    })
}

fn order(text: &str, property: &impl Fn(&str) -> Result<usize, ApiError>) -> Result<Order, ApiError> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or_else(|| ApiError::syntax("Syntax error in $orderby."))?;
    let descending = match words.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(ApiError::syntax(format!("Syntax error in $orderby at '{other}'."))),
    };
    if name.contains('(') || name.contains('/') {
        return Err(ApiError::not_implemented("The orderby expression is not supported."));
    }
    Ok(Order { at: property(name)?, descending })
}

const DEEPEST_EXPAND: usize = 6;

fn expand(text: &str, table: TableId, route: Route, dialect: Dialect, depth: usize) -> Result<Vec<Expand>, ApiError> {
    if depth >= DEEPEST_EXPAND {
        return Err(ApiError::bad_request("The request includes an $expand path which is too deep."));
    }
    let entity = schema().table(table).set(route).map_or("", |set| set.entity.as_str());
    let mut out = Vec::new();
    for part in split_outside(text, ',') {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (name, options) = match part.split_once('(') {
            Some((name, rest)) => (
                name.trim(),
                rest.strip_suffix(')')
                    .ok_or_else(|| ApiError::syntax("Syntax error in $expand: a bracket is not closed."))?,
            ),
            None => (part, ""),
        };
        let navigation =
            navigation::find(table, route, name).ok_or_else(|| ApiError::unknown_property_in_query(name, entity))?;
        let pairs: Vec<(String, String)> = split_outside(options, ';')
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                part.split_once('=')
                    .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                    .ok_or_else(|| ApiError::syntax("Syntax error in $expand."))
            })
            .collect::<Result<_, _>>()?;
        let query = Query::from_pairs(&pairs, navigation.target, route, dialect, depth + 1)?;
        out.push(Expand { navigation, query });
    }
    Ok(out)
}

/// Splits where the separator stands outside of brackets and quotes.
fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    let mut out = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if character == separator && depth == 0 && !quoted => {
                out.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}
