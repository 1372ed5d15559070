//! FetchXML: the subset that clients of data synchronization use; the rest is refused by name.

use roxmltree::{Document, Node};

use super::Context;
use super::joined::{Page, answer};
use super::read::LARGEST_PAGE;
use crate::query::bind::text_cell;
use crate::query::filter::{Comparison, TextMatch};
use crate::query::joined::{Aggregate, Condition, Joined, Link, Order, OrderBy, Output, Source};
use crate::query::predicate::{Path, Predicate, Side};
use crate::schema::{Schema, Table};
use crate::store::{Cell, Key, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Links deeper than this are refused, as in the service.
const MOST_LINKS: usize = 15;

/// Answers `?fetchXml=`.
pub(crate) fn get(context: &Context<'_>, store: &Store, table: usize) -> ApiResult<ApiResponse> {
    let text = context.target.option("fetchXml").unwrap_or_default();
    let (joined, page) = parse(&store.schema, Some(table), text, context.request.caller)?;
    answer(context, store, &joined, page)
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(400, "0x8004111c", text)
}

/// Reads FetchXML text.
pub(crate) fn parse(
    schema: &Schema,
    expected: Option<usize>,
    text: &str,
    caller: uuid::Uuid,
) -> ApiResult<(Joined, Page)> {
    let document = Document::parse(text).map_err(|error| invalid(format!("Invalid XML. {error}")))?;
    let fetch = document.root_element();
    if !fetch.has_tag_name("fetch") {
        return Err(invalid(format!("Unexpected element '{}'; expected 'fetch'.", fetch.tag_name().name())));
    }
    let entity = fetch
        .children()
        .find(|node| node.has_tag_name("entity"))
        .ok_or_else(|| invalid("The 'entity' element is missing."))?;
    let name = attribute(entity, "name")?;
    let table = schema.position(name).ok_or_else(|| {
        ApiError::new(
            400,
            "0x80041102",
            format!("The entity with a name = '{name}' was not found in the MetadataCache."),
        )
    })?;
    if expected.is_some_and(|expected| expected != table) {
        return Err(invalid(format!(
            "The entity '{name}' of the FetchXML does not belong to the entity set of the URL."
        )));
    }
    let number = |name: &str| -> ApiResult<Option<usize>> {
        fetch
            .attribute(name)
            .map(|text| {
                text.parse().map_err(|_| invalid(format!("The attribute '{name}' of 'fetch' is not a number.")))
            })
            .transpose()
    };
    let mut reader = Reader {
        schema,
        caller,
        aggregate: truth(fetch.attribute("aggregate")),
        joined: Joined { distinct: truth(fetch.attribute("distinct")), ..Joined::default() },
    };
    reader.joined.sources.push(Source { table, alias: name.to_owned(), link: None });
    reader.entity(entity, 0)?;
    if reader.joined.outputs.is_empty() && !reader.joined.all {
        reader.joined.all = true;
    }
    reader.joined.top = number("top")?;
    let page = Page {
        number: number("page")?.unwrap_or(1).max(1),
        size: number("count")?.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE),
        total: truth(fetch.attribute("returntotalrecordcount")),
        cookies: true,
    };
    Ok((reader.joined, page))
}

fn truth(text: Option<&str>) -> bool {
    matches!(text, Some("true" | "1"))
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> ApiResult<&'a str> {
    node.attribute(name).ok_or_else(|| {
        invalid(format!("The required attribute '{name}' is missing from '{}'.", node.tag_name().name()))
    })
}

struct Reader<'a> {
    schema: &'a Schema,
    caller: uuid::Uuid,
    aggregate: bool,
    joined: Joined,
}

impl Reader<'_> {
    fn table(&self, source: usize) -> &Table {
        self.schema.table(self.joined.sources[source].table)
    }

    fn column(&self, source: usize, name: &str) -> ApiResult<usize> {
        let table = self.table(source);
        table.column(name).ok_or_else(|| {
            ApiError::new(
                400,
                "0x80041103",
                format!(
                    "'{}' entity doesn't contain attribute with Name = '{name}' and NameMapping = 'Logical'.",
                    table.name
                ),
            )
        })
    }

    fn entity(&mut self, node: Node<'_, '_>, source: usize) -> ApiResult<()> {
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "attribute" => self.output(child, source)?,
                "all-attributes" if source == 0 => self.joined.all = true,
                "all-attributes" => {
                    let alias = self.joined.sources[source].alias.clone();
                    let columns: Vec<(usize, String)> = self
                        .table(source)
                        .columns
                        .iter()
                        .enumerate()
                        .filter(|(_, column)| column.exposed)
                        .map(|(at, column)| (at, column.property.clone()))
                        .collect();
                    self.joined.outputs.extend(columns.into_iter().map(|(column, name)| Output {
                        source,
                        column,
                        name: Some(format!("{alias}.{name}")),
                        aggregate: None,
                    }));
                }
                "no-attrs" => {}
                "order" => self.order(child, source)?,
                "filter" => {
                    let condition = self.filter(child, source, 0)?;
                    match &mut self.joined.sources[source].link {
                        Some(link) => link.filter.push(condition),
                        None => self.joined.filter.push(condition),
                    }
                }
                "link-entity" => self.link(child, source)?,
                other => {
                    return Err(invalid(format!(
                        "The element '{other}' is not allowed in '{}'.",
                        node.tag_name().name()
                    )));
                }
            }
        }
        Ok(())
    }

    fn output(&mut self, node: Node<'_, '_>, source: usize) -> ApiResult<()> {
        let column = self.column(source, attribute(node, "name")?)?;
        let alias = node.attribute("alias").map(str::to_owned);
        let aggregate = match node.attribute("aggregate") {
            None => None,
            Some(_) if !self.aggregate => {
                return Err(invalid("An attribute with 'aggregate' needs the fetch attribute aggregate='true'."));
            }
            Some("count") => Some(Aggregate::Count),
            Some("countcolumn") if truth(node.attribute("distinct")) => Some(Aggregate::CountDistinct),
            Some("countcolumn") => Some(Aggregate::CountColumn),
            Some("sum") => Some(Aggregate::Sum),
            Some("avg") => Some(Aggregate::Average),
            Some("min") => Some(Aggregate::Minimum),
            Some("max") => Some(Aggregate::Maximum),
            Some(other) => return Err(invalid(format!("The aggregate '{other}' is not known."))),
        };
        if node.has_attribute("dategrouping") {
            return Err(ApiError::not_supported("FetchXML dategrouping"));
        }
        if self.aggregate && aggregate.is_none() && !truth(node.attribute("groupby")) {
            return Err(invalid("An attribute of an aggregate query must be aggregated or grouped by."));
        }
        if self.aggregate && alias.is_none() {
            return Err(invalid("An attribute of an aggregate query needs an alias."));
        }
        let name = match (alias, source) {
            (Some(alias), _) => Some(alias),
            (None, 0) => None,
            (None, source) => {
                Some(format!("{}.{}", self.joined.sources[source].alias, self.table(source).columns[column].name))
            }
        };
        self.joined.outputs.push(Output { source, column, name, aggregate });
        Ok(())
    }

    fn order(&mut self, node: Node<'_, '_>, source: usize) -> ApiResult<()> {
        let by = if let Some(alias) = node.attribute("alias").filter(|_| self.aggregate) {
            let at = self.joined.outputs.iter().position(|output| output.name.as_deref() == Some(alias));
            OrderBy::Output(at.ok_or_else(|| invalid(format!("The alias '{alias}' is not known.")))?)
        } else {
            OrderBy::Column(source, self.column(source, attribute(node, "attribute")?)?)
        };
        self.joined.order.push(Order { by, descending: truth(node.attribute("descending")) });
        Ok(())
    }

    fn link(&mut self, node: Node<'_, '_>, parent: usize) -> ApiResult<()> {
        if self.joined.sources.len() > MOST_LINKS {
            return Err(ApiError::new(
                400,
                "0x8004430d",
                format!("Number of link entities in query exceeded maximum limit of {MOST_LINKS}."),
            ));
        }
        let name = attribute(node, "name")?;
        let table = self.schema.position(name).ok_or_else(|| {
            ApiError::new(
                400,
                "0x80041102",
                format!("The entity with a name = '{name}' was not found in the MetadataCache."),
            )
        })?;
        let outer = match node.attribute("link-type").unwrap_or("inner") {
            "inner" => false,
            "outer" => true,
            other => return Err(ApiError::not_supported(&format!("FetchXML link-type '{other}'"))),
        };
        let source = self.joined.sources.len();
        let alias = node.attribute("alias").map_or_else(|| format!("{name}{source}"), str::to_owned);
        let to = self.column(parent, attribute(node, "to")?)?;
        self.joined.sources.push(Source { table, alias, link: None });
        let from = self.column(source, attribute(node, "from")?)?;
        self.joined.sources[source].link = Some(Link { parent, from, to, outer, filter: Vec::new() });
        self.entity(node, source)
    }

    fn filter(&self, node: Node<'_, '_>, source: usize, depth: usize) -> ApiResult<Condition> {
        if depth > 50 {
            return Err(invalid("The filters are nested too deeply."));
        }
        let mut parts = Vec::new();
        for child in node.children().filter(Node::is_element) {
            parts.push(match child.tag_name().name() {
                "condition" => self.condition(child, source)?,
                "filter" => self.filter(child, source, depth + 1)?,
                other => return Err(invalid(format!("The element '{other}' is not allowed in 'filter'."))),
            });
        }
        match node.attribute("type").unwrap_or("and") {
            // One condition on one source can be answered by an index.
            "and" if parts.len() == 1 => Ok(parts.swap_remove(0)),
            "and" => Ok(Condition::All(parts)),
            "or" if parts.is_empty() => Ok(Condition::All(parts)),
            "or" => Ok(Condition::Any(parts)),
            other => Err(invalid(format!("The filter type '{other}' is not known."))),
        }
    }

    fn condition(&self, node: Node<'_, '_>, source: usize) -> ApiResult<Condition> {
        let source = match node.attribute("entityname") {
            Some(alias) => self
                .joined
                .sources
                .iter()
                .position(|known| known.alias == alias)
                .ok_or_else(|| invalid(format!("The link-entity alias '{alias}' is not known.")))?,
            None => source,
        };
        let name = attribute(node, "attribute")?;
        let column = self.column(source, name)?;
        let table = self.joined.sources[source].table;
        let path = Path { hops: Vec::new(), table, column };
        let kind = &self.schema.table(table).columns[column].kind;
        let cell = |text: &str| {
            text_cell(kind, text)
                .ok_or_else(|| invalid(format!("The value '{text}' is not valid for the attribute '{name}'.")))
        };
        let value = node.attribute("value");
        let values: Vec<&str> = node
            .children()
            .filter(|child| child.has_tag_name("value"))
            .map(|child| child.text().unwrap_or_default())
            .collect();
        let one = || {
            value.or(values.first().copied()).ok_or_else(|| invalid(format!("The condition on '{name}' has no value.")))
        };
        let compare = |comparison, cell: Option<Cell>| {
            Predicate::Compare(Side::Path(path.clone()), comparison, Side::Value(cell))
        };
        let text = |function, text: &str| Predicate::Text(function, path.clone(), text.to_lowercase());
        let listed = || -> ApiResult<Predicate> {
            let keys = values.iter().map(|text| cell(text)).collect::<ApiResult<Vec<Cell>>>()?;
            Ok(Predicate::In(path.clone(), keys.iter().filter_map(Key::of).collect()))
        };
        let not = |predicate| Predicate::Not(Box::new(predicate));
        let predicate = match attribute(node, "operator")? {
            "eq" => compare(Comparison::Equal, Some(cell(one()?)?)),
            "ne" | "neq" => compare(Comparison::NotEqual, Some(cell(one()?)?)),
            "gt" => compare(Comparison::Greater, Some(cell(one()?)?)),
            "ge" | "on-or-after" => compare(Comparison::GreaterOrEqual, Some(cell(one()?)?)),
            "lt" => compare(Comparison::Less, Some(cell(one()?)?)),
            "le" | "on-or-before" => compare(Comparison::LessOrEqual, Some(cell(one()?)?)),
            "null" => compare(Comparison::Equal, None),
            "not-null" => compare(Comparison::NotEqual, None),
            "like" => text(TextMatch::Like, one()?),
            "not-like" => not(text(TextMatch::Like, one()?)),
            "begins-with" => text(TextMatch::StartsWith, one()?),
            "not-begin-with" => not(text(TextMatch::StartsWith, one()?)),
            "ends-with" => text(TextMatch::EndsWith, one()?),
            "not-end-with" => not(text(TextMatch::EndsWith, one()?)),
            "in" => listed()?,
            "not-in" => not(listed()?),
            "between" | "not-between" => {
                let [low, high] = values.as_slice() else {
                    return Err(invalid("The operator 'between' needs two values."));
                };
                let between = Predicate::And(vec![
                    compare(Comparison::GreaterOrEqual, Some(cell(low)?)),
                    compare(Comparison::LessOrEqual, Some(cell(high)?)),
                ]);
                if node.attribute("operator") == Some("between") { between } else { not(between) }
            }
            "eq-userid" => compare(Comparison::Equal, Some(Cell::Guid(self.caller))),
            "ne-userid" => compare(Comparison::NotEqual, Some(Cell::Guid(self.caller))),
            other => return Err(ApiError::not_supported(&format!("The FetchXML operator '{other}'"))),
        };
        Ok(Condition::On(source, predicate))
    }
}
