//! Ties a parsed filter to the columns of a table: unknown names and unfit types end here.

use std::collections::HashSet;

use super::filter::{Comparison, Expression, Operand, TextMatch};
use super::lexer::Literal;
use super::members::members;
use super::predicate::{Path, Predicate, Side};
use crate::schema::{Kind, Schema};
use crate::store::{Cell, Key, day, day_only, edm, guid, instant, seconds};
use crate::wire::error::{ApiError, ApiResult};

/// Resolves a path of property names.
///
/// # Errors
/// When a name is not a property of its table.
pub fn path(schema: &Schema, table: usize, names: &[String]) -> ApiResult<Path> {
    let mut hops = Vec::new();
    let mut at = table;
    let Some((last, before)) = names.split_last() else {
        return Err(ApiError::odata("An empty property path is not allowed."));
    };
    for name in before {
        let hop = hop(schema, at, name)?;
        at = hop.1;
        hops.push(hop);
    }
    let here = schema.table(at);
    let column = here.property(last).ok_or_else(|| ApiError::unknown_property(last, &here.type_name()))?;
    Ok(Path { hops, table: at, column })
}

fn hop(schema: &Schema, table: usize, name: &str) -> ApiResult<(usize, usize)> {
    let here = schema.table(table);
    let unknown = || ApiError::unknown_property(name, &here.type_name());
    let (column, target) = here.navigation(name).ok_or_else(unknown)?;
    // `ownerid` leads to the abstract principal; users are by far the usual owners, teams answer by their own columns of the same name.
    let target = if target == "principal" { "systemuser" } else { target };
    Ok((column, schema.position(target).ok_or_else(unknown)?))
}

/// Ties a parsed filter to a table.
///
/// # Errors
/// When it names unknown properties or compares values of different types.
pub fn bind(schema: &Schema, table: usize, expression: &Expression) -> ApiResult<Predicate> {
    Binder { schema, variable: None }.bind(table, expression)
}

struct Binder<'a> {
    schema: &'a Schema,
    variable: Option<String>,
}

impl Binder<'_> {
    fn path(&self, table: usize, names: &[String]) -> ApiResult<Path> {
        match (&self.variable, names.split_first()) {
            (Some(variable), Some((first, rest))) if first == variable && !rest.is_empty() => {
                path(self.schema, table, rest)
            }
            _ => path(self.schema, table, names),
        }
    }

    fn bind(&self, table: usize, expression: &Expression) -> ApiResult<Predicate> {
        Ok(match expression {
            Expression::And(parts) => {
                Predicate::And(parts.iter().map(|part| self.bind(table, part)).collect::<ApiResult<_>>()?)
            }
            Expression::Or(parts) => {
                Predicate::Or(parts.iter().map(|part| self.bind(table, part)).collect::<ApiResult<_>>()?)
            }
            Expression::Not(inner) => Predicate::Not(Box::new(self.bind(table, inner)?)),
            Expression::Truth(Operand::Literal(Literal::Bool(value))) => Predicate::Constant(*value),
            Expression::Truth(Operand::Literal(_)) => {
                return Err(ApiError::odata("The $filter expression must evaluate to a single boolean value."));
            }
            Expression::Truth(Operand::Path(names)) => {
                let path = self.path(table, names)?;
                if !matches!(self.kind(&path), Kind::Boolean) {
                    return Err(ApiError::odata("The $filter expression must evaluate to a single boolean value."));
                }
                Predicate::Compare(Side::Path(path), Comparison::Equal, Side::Value(Some(Cell::Bool(true))))
            }
            Expression::Compare(left, comparison, right) => self.comparison(table, left, *comparison, right)?,
            Expression::Text(function, names, text) => {
                let path = self.path(table, names)?;
                if !matches!(self.kind(&path), Kind::Text(_) | Kind::Memo(_) | Kind::EntityName) {
                    return Err(ApiError::odata(format!(
                        "No function signature for the function with name '{}' matches the specified arguments.",
                        match function {
                            TextMatch::Contains => "contains",
                            TextMatch::StartsWith => "startswith",
                            TextMatch::EndsWith => "endswith",
                            TextMatch::Like => "like",
                        }
                    )));
                }
                Predicate::Text(*function, path, text.to_lowercase())
            }
            Expression::Dynamics { name, property, values } => self.dynamics(table, name, property, values)?,
            Expression::Lambda { path, all, body } => self.lambda(table, path, *all, body.as_ref())?,
        })
    }

    fn kind(&self, path: &Path) -> &Kind {
        &self.schema.table(path.table).columns[path.column].kind
    }

    fn comparison(
        &self,
        table: usize,
        left: &Operand,
        comparison: Comparison,
        right: &Operand,
    ) -> ApiResult<Predicate> {
        let (left, right) = match (left, right) {
            (Operand::Path(left), Operand::Path(right)) => {
                (Side::Path(self.path(table, left)?), Side::Path(self.path(table, right)?))
            }
            (Operand::Path(names), Operand::Literal(literal)) => {
                let path = self.path(table, names)?;
                let value = self.literal(&path, literal, comparison)?;
                (Side::Path(path), value)
            }
            (Operand::Literal(literal), Operand::Path(names)) => {
                let path = self.path(table, names)?;
                (self.literal(&path, literal, comparison)?, Side::Path(path))
            }
            (Operand::Literal(left), Operand::Literal(right)) => {
                return Ok(Predicate::Constant((left == right) == (comparison == Comparison::Equal)));
            }
        };
        Ok(Predicate::Compare(left, comparison, right))
    }

    fn literal(&self, path: &Path, literal: &Literal, comparison: Comparison) -> ApiResult<Side> {
        let kind = self.kind(path);
        cell_for(kind, literal).map(Side::Value).ok_or_else(|| {
            ApiError::odata(format!(
                "A binary operator with incompatible types was detected. Found operand types '{}' and '{}' for operator kind '{}'.",
                edm(kind),
                literal_edm(literal),
                match comparison {
                    Comparison::Equal => "Equal",
                    Comparison::NotEqual => "NotEqual",
                    Comparison::Greater => "GreaterThan",
                    Comparison::GreaterOrEqual => "GreaterThanOrEqual",
                    Comparison::Less => "LessThan",
                    Comparison::LessOrEqual => "LessThanOrEqual",
                }
            ))
        })
    }

    fn dynamics(&self, table: usize, name: &str, property: &[String], values: &[String]) -> ApiResult<Predicate> {
        let path = self.dynamics_path(table, property)?;
        let kind = self.kind(&path).clone();
        let cell = |text: &String| {
            text_cell(&kind, text).ok_or_else(|| {
                ApiError::odata(format!("The value '{text}' is not valid for property '{}'.", property.join("/")))
            })
        };
        let one = |comparison| -> ApiResult<Predicate> {
            let value = values
                .first()
                .ok_or_else(|| ApiError::odata(format!("The function Microsoft.Dynamics.CRM.{name} needs a value.")))?;
            Ok(Predicate::Compare(Side::Path(path.clone()), comparison, Side::Value(Some(cell(value)?))))
        };
        let keys = || -> ApiResult<HashSet<Key>> {
            values.iter().map(|text| cell(text).map(|cell| Key::of(&cell))).filter_map(Result::transpose).collect()
        };
        Ok(match name {
            "In" => Predicate::In(path.clone(), keys()?),
            "NotIn" => Predicate::Not(Box::new(Predicate::In(path.clone(), keys()?))),
            "Between" | "NotBetween" => {
                let [low, high] = values else {
                    return Err(ApiError::odata(format!(
                        "The function Microsoft.Dynamics.CRM.{name} needs two values."
                    )));
                };
                let between = Predicate::And(vec![
                    Predicate::Compare(
                        Side::Path(path.clone()),
                        Comparison::GreaterOrEqual,
                        Side::Value(Some(cell(low)?)),
                    ),
                    Predicate::Compare(
                        Side::Path(path.clone()),
                        Comparison::LessOrEqual,
                        Side::Value(Some(cell(high)?)),
                    ),
                ]);
                if name == "Between" { between } else { Predicate::Not(Box::new(between)) }
            }
            "OnOrAfter" => one(Comparison::GreaterOrEqual)?,
            "OnOrBefore" | "On" if matches!(kind, Kind::DateTime) => {
                let start = values
                    .first()
                    .and_then(|text| seconds(text))
                    .ok_or_else(|| ApiError::odata("The value is not a date."))?;
                let start = start - start.rem_euclid(86_400);
                let before_end = Predicate::Compare(
                    Side::Path(path.clone()),
                    Comparison::Less,
                    Side::Value(Some(Cell::Time(start + 86_400))),
                );
                if name == "OnOrBefore" {
                    before_end
                } else {
                    Predicate::And(vec![
                        Predicate::Compare(
                            Side::Path(path.clone()),
                            Comparison::GreaterOrEqual,
                            Side::Value(Some(Cell::Time(start))),
                        ),
                        before_end,
                    ])
                }
            }
            "OnOrBefore" => one(Comparison::LessOrEqual)?,
            "On" | "EqualTo" => one(Comparison::Equal)?,
            _ => {
                return Err(ApiError::not_supported(&format!("The query function Microsoft.Dynamics.CRM.{name}")));
            }
        })
    }

    /// Query functions take the lookup's column name as well as its property name.
    fn dynamics_path(&self, table: usize, names: &[String]) -> ApiResult<Path> {
        self.path(table, names).or_else(|error| match names {
            [name] => self
                .schema
                .table(table)
                .column(name)
                .map(|column| Path { hops: Vec::new(), table, column })
                .ok_or(error),
            _ => Err(error),
        })
    }

    fn lambda(
        &self,
        table: usize,
        names: &[String],
        all: bool,
        body: Option<&(String, Box<Expression>)>,
    ) -> ApiResult<Predicate> {
        let names = match (&self.variable, names.split_first()) {
            (Some(variable), Some((first, rest))) if first == variable => rest,
            _ => names,
        };
        let Some((last, before)) = names.split_last() else {
            return Err(ApiError::odata("A collection is missing before the lambda operator."));
        };
        let mut at = table;
        let mut hops = Vec::new();
        for name in before {
            let hop = hop(self.schema, at, name)?;
            at = hop.1;
            hops.push(hop);
        }
        let here = self.schema.table(at);
        let members =
            members(self.schema, here, last).ok_or_else(|| ApiError::unknown_property(last, &here.type_name()))?;
        let body = body
            .map(|(variable, body)| {
                Binder { schema: self.schema, variable: Some(variable.clone()) }
                    .bind(members.table(), body)
                    .map(Box::new)
            })
            .transpose()?;
        Ok(Predicate::Lambda { hops, members, all, body })
    }
}

/// A literal as a value of a column; the outer `None` says that the types do not go together.
fn cell_for(kind: &Kind, literal: &Literal) -> Option<Option<Cell>> {
    Some(Some(match (kind, literal) {
        (_, Literal::Null) => return Some(None),
        (Kind::Text(_) | Kind::Memo(_) | Kind::EntityName, Literal::Text(text)) => Cell::text(text),
        (
            Kind::Integer | Kind::BigInteger | Kind::Choice(_) | Kind::Decimal | Kind::Money | Kind::Double,
            Literal::Number(number),
        ) => {
            if number.fract().is_zero() && matches!(kind, Kind::Integer | Kind::BigInteger | Kind::Choice(_)) {
                number
                    .to_string()
                    .split('.')
                    .next()
                    .and_then(|whole| whole.parse().ok())
                    .map_or(Cell::Decimal(*number), Cell::Int)
            } else {
                Cell::Decimal(*number)
            }
        }
        (Kind::Boolean, Literal::Bool(value)) => Cell::Bool(*value),
        (Kind::Guid | Kind::Lookup(_), Literal::Guid(id)) => Cell::Guid(*id),
        (Kind::Guid | Kind::Lookup(_), Literal::Text(text)) => Cell::Guid(guid(text)?),
        (Kind::DateTime, Literal::Time(text) | Literal::Text(text)) => Cell::Time(instant(text)?),
        // A day is not compared with an instant.
        (Kind::DateOnly, Literal::Time(text) | Literal::Text(text)) => Cell::Day(day_only(text)?),
        _ => return None,
    }))
}

/// A value of a column from the text that query functions and FetchXML carry.
#[must_use]
pub fn text_cell(kind: &Kind, text: &str) -> Option<Cell> {
    let literal = match kind {
        Kind::DateTime => return seconds(text).map(Cell::Time),
        Kind::DateOnly => return day(text).map(Cell::Day),
        Kind::Text(_) | Kind::Memo(_) | Kind::EntityName | Kind::Guid | Kind::Lookup(_) => {
            Literal::Text(text.to_owned())
        }
        Kind::Boolean => Literal::Bool(matches!(text, "true" | "1")),
        _ => Literal::Number(crate::store::decimal(text)?),
    };
    cell_for(kind, &literal).flatten()
}

fn literal_edm(literal: &Literal) -> &'static str {
    match literal {
        Literal::Null => "<null>",
        Literal::Bool(_) => "Edm.Boolean",
        Literal::Number(number) if number.fract().is_zero() => "Edm.Int32",
        Literal::Number(_) => "Edm.Decimal",
        Literal::Text(_) => "Edm.String",
        Literal::Guid(_) => "Edm.Guid",
        Literal::Time(text) if text.len() == 10 => "Edm.Date",
        Literal::Time(_) => "Edm.DateTimeOffset",
    }
}
