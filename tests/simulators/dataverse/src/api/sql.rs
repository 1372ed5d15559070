//! `?sql=SELECT …`: the read-only SQL subset that Microsoft's Python client offers.

use super::Context;
use super::cookie::page_number;
use super::joined::{Page, answer};
use super::read::LARGEST_PAGE;
use crate::query::bind::text_cell;
use crate::query::filter::{Comparison, TextMatch};
use crate::query::joined::{Aggregate, Condition, Joined, Link, Order, OrderBy, Output, Source};
use crate::query::predicate::{Path, Predicate, Side};
use crate::schema::Schema;
use crate::store::{Cell, Key, Store};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Answers `?sql=`.
pub(crate) fn get(context: &Context<'_>, store: &Store) -> ApiResult<ApiResponse> {
    let joined = parse(&store.schema, context.target.option("sql").unwrap_or_default())?;
    let number = context.target.option("$skiptoken").map_or(Ok(1), page_number)?;
    answer(context, store, &joined, Page { number, size: LARGEST_PAGE, total: false, cookies: false })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(String),
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(400, "0x80040203", format!("The SQL statement is not valid or not supported: {}", text.into()))
}

fn tokens(text: &str) -> ApiResult<Vec<Token>> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let character = characters[at];
        let word = |character: &char| character.is_alphanumeric() || matches!(character, '_' | '.');
        if character.is_whitespace() {
            at += 1;
        } else if character == '\'' || (matches!(character, 'N' | 'n') && characters.get(at + 1) == Some(&'\'')) {
            at += if character == '\'' { 1 } else { 2 };
            let mut value = String::new();
            loop {
                match (characters.get(at), characters.get(at + 1)) {
                    (Some('\''), Some('\'')) => {
                        value.push('\'');
                        at += 2;
                    }
                    (Some('\''), _) => {
                        at += 1;
                        break;
                    }
                    (Some(character), _) => {
                        value.push(*character);
                        at += 1;
                    }
                    (None, _) => return Err(invalid("a text is not closed")),
                }
            }
            tokens.push(Token::Text(value));
        } else if character == '[' {
            let end = characters[at..]
                .iter()
                .position(|character| *character == ']')
                .ok_or_else(|| invalid("a bracket is not closed"))?;
            tokens.push(Token::Word(characters[at + 1..at + end].iter().collect()));
            at += end + 1;
        } else if word(&character) {
            let end = characters[at..]
                .iter()
                .position(|character| !word(character))
                .map_or(characters.len(), |length| at + length);
            let text: String = characters[at..end].iter().collect();
            tokens.push(if character.is_ascii_digit() { Token::Number(text) } else { Token::Word(text) });
            at = end;
        } else {
            let two: String = characters[at..(at + 2).min(characters.len())].iter().collect();
            let sign = if matches!(two.as_str(), "<>" | "<=" | ">=" | "!=") { two } else { character.to_string() };
            at += sign.chars().count();
            tokens.push(Token::Sign(sign));
        }
    }
    Ok(tokens)
}

/// Reads one SELECT statement.
pub(crate) fn parse(schema: &Schema, text: &str) -> ApiResult<Joined> {
    let tokens = tokens(text)?;
    let mut parser = Parser { schema, tokens, at: 0, joined: Joined::default(), depth: 0 };
    parser.statement()?;
    Ok(parser.joined)
}

struct Parser<'a> {
    schema: &'a Schema,
    tokens: Vec<Token>,
    at: usize,
    joined: Joined,
    depth: usize,
}

/// A select item whose table is not known yet.
struct Item {
    name: String,
    aggregate: Option<Aggregate>,
    alias: Option<String>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    fn accept_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(text)) if text == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, keyword: &str) -> ApiResult<()> {
        if self.accept(keyword) { Ok(()) } else { Err(invalid(format!("'{keyword}' is expected"))) }
    }

    fn expect_sign(&mut self, sign: &str) -> ApiResult<()> {
        if self.accept_sign(sign) { Ok(()) } else { Err(invalid(format!("'{sign}' is expected"))) }
    }

    fn word(&mut self) -> ApiResult<String> {
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(invalid("a name is expected")),
        }
    }

    fn number(&mut self) -> ApiResult<usize> {
        match self.peek().cloned() {
            Some(Token::Number(text)) => {
                self.at += 1;
                text.parse().map_err(|_| invalid("a whole number is expected"))
            }
            _ => Err(invalid("a number is expected")),
        }
    }

    fn statement(&mut self) -> ApiResult<()> {
        self.expect("SELECT")?;
        self.joined.distinct = self.accept("DISTINCT");
        if self.accept("TOP") {
            let bracket = self.accept_sign("(");
            self.joined.top = Some(self.number()?);
            if bracket {
                self.expect_sign(")")?;
            }
        }
        let mut items = Vec::new();
        let mut all = false;
        loop {
            if self.accept_sign("*") {
                all = true;
            } else {
                items.push(self.item()?);
            }
            if !self.accept_sign(",") {
                break;
            }
        }
        self.expect("FROM")?;
        self.source()?;
        self.joins()?;
        self.joined.all = all;
        for item in items {
            let (source, column) = if item.name == "*" {
                (0, self.schema.table(self.joined.sources[0].table).id)
            } else {
                self.column(&item.name)?
            };
            let name = item
                .alias
                .or_else(|| item.aggregate.map(|_| item.name.clone()))
                .or_else(|| (source > 0).then(|| item.name.clone()));
            self.joined.outputs.push(Output { source, column, name, aggregate: item.aggregate });
        }
        if self.accept("WHERE") {
            let condition = self.or()?;
            match condition {
                Condition::All(parts) => self.joined.filter.extend(parts),
                other => self.joined.filter.push(other),
            }
        }
        if self.accept("GROUP") {
            self.expect("BY")?;
            loop {
                let name = self.word()?;
                let (source, column) = self.column(&name)?;
                if !self.joined.outputs.iter().any(|output| output.source == source && output.column == column) {
                    return Err(invalid("grouping by a column that is not selected"));
                }
                if !self.accept_sign(",") {
                    break;
                }
            }
        }
        self.tail()
    }

    fn tail(&mut self) -> ApiResult<()> {
        if self.accept("ORDER") {
            self.expect("BY")?;
            loop {
                let name = self.word()?;
                let output =
                    self.joined.outputs.iter().position(|output| {
                        output.name.as_deref().is_some_and(|alias| alias.eq_ignore_ascii_case(&name))
                    });
                let by = match output {
                    Some(at) => OrderBy::Output(at),
                    None => {
                        let (source, column) = self.column(&name)?;
                        let at = self.joined.outputs.iter().position(|output| {
                            output.source == source && output.column == column && output.aggregate.is_none()
                        });
                        at.filter(|_| self.joined.aggregated()).map_or(OrderBy::Column(source, column), OrderBy::Output)
                    }
                };
                let descending = self.accept("DESC");
                if !descending {
                    self.accept("ASC");
                }
                self.joined.order.push(Order { by, descending });
                if !self.accept_sign(",") {
                    break;
                }
            }
        }
        if self.accept("OFFSET") {
            self.joined.offset = self.number()?;
            if !self.accept("ROWS") {
                self.expect("ROW")?;
            }
            if self.accept("FETCH") {
                if !self.accept("NEXT") {
                    self.expect("FIRST")?;
                }
                self.joined.top = Some(self.number()?);
                if !self.accept("ROWS") {
                    self.expect("ROW")?;
                }
                self.expect("ONLY")?;
            }
        }
        self.accept_sign(";");
        if self.at < self.tokens.len() { Err(invalid("there is text after the end of the statement")) } else { Ok(()) }
    }

    fn item(&mut self) -> ApiResult<Item> {
        let name = self.word()?;
        let aggregate = match name.to_uppercase().as_str() {
            "COUNT" => Some(Aggregate::CountColumn),
            "SUM" => Some(Aggregate::Sum),
            "AVG" => Some(Aggregate::Average),
            "MIN" => Some(Aggregate::Minimum),
            "MAX" => Some(Aggregate::Maximum),
            _ => None,
        };
        let mut item = Item { name, aggregate: None, alias: None };
        if let (Some(aggregate), true) = (aggregate, self.accept_sign("(")) {
            item.aggregate = Some(aggregate);
            if self.accept_sign("*") {
                item.name = "*".to_owned();
                item.aggregate = Some(Aggregate::Count);
                item.alias = Some("count".to_owned());
            } else {
                if self.accept("DISTINCT") && aggregate == Aggregate::CountColumn {
                    item.aggregate = Some(Aggregate::CountDistinct);
                }
                item.name = self.word()?;
            }
            self.expect_sign(")")?;
        }
        if self.accept("AS") {
            item.alias = Some(self.word()?);
        }
        Ok(item)
    }

    fn source(&mut self) -> ApiResult<usize> {
        let name = self.word()?.to_lowercase();
        let name = name.strip_prefix("dbo.").unwrap_or(&name).to_owned();
        let table = self.schema.position(&name).ok_or_else(|| {
            ApiError::new(
                400,
                "0x80041102",
                format!("The entity with a name = '{name}' was not found in the MetadataCache."),
            )
        })?;
        let mut alias = name;
        let keyword = [
            "WHERE", "ORDER", "GROUP", "JOIN", "INNER", "LEFT", "ON", "OFFSET", "HAVING", "UNION", "RIGHT", "FULL",
            "CROSS",
        ]
        .iter()
        .any(|keyword| self.is(keyword));
        if self.accept("AS") || (!keyword && matches!(self.peek(), Some(Token::Word(_)))) {
            alias = self.word()?.to_lowercase();
        }
        self.joined.sources.push(Source { table, alias, link: None });
        Ok(self.joined.sources.len() - 1)
    }

    fn joins(&mut self) -> ApiResult<()> {
        loop {
            let outer = self.is("LEFT");
            if outer {
                self.at += 1;
                self.accept("OUTER");
                self.expect("JOIN")?;
            } else if self.accept("INNER") {
                self.expect("JOIN")?;
            } else if !self.accept("JOIN") {
                return Ok(());
            }
            let source = self.source()?;
            self.expect("ON")?;
            let (left, right) = (self.word()?, {
                self.expect_sign("=")?;
                self.word()?
            });
            let (left, right) = (self.column(&left)?, self.column(&right)?);
            let (own, parent) = if left.0 == source { (left, right) } else { (right, left) };
            if own.0 != source || parent.0 == source {
                return Err(invalid("a join must compare a column of the joined table with one of a table before it"));
            }
            self.joined.sources[source].link =
                Some(Link { parent: parent.0, from: own.1, to: parent.1, outer, filter: Vec::new() });
        }
    }

    fn column(&self, name: &str) -> ApiResult<(usize, usize)> {
        let name = name.to_lowercase();
        let (alias, bare) = name.rsplit_once('.').map_or((None, name.as_str()), |(alias, bare)| (Some(alias), bare));
        let mut found = None;
        for (at, source) in self.joined.sources.iter().enumerate() {
            if alias.is_some_and(|alias| alias != source.alias) {
                continue;
            }
            let table = self.schema.table(source.table);
            if let Some(column) = table.column(bare).or_else(|| table.property(bare)) {
                found = found.or(Some((at, column)));
            }
        }
        found.ok_or_else(|| ApiError::new(400, "0x80041103", format!("Invalid column name '{name}'.")))
    }

    fn or(&mut self) -> ApiResult<Condition> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(invalid("the conditions are nested too deeply"));
        }
        let mut parts = vec![self.and()?];
        while self.accept("OR") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Condition::Any(parts) })
    }

    fn and(&mut self) -> ApiResult<Condition> {
        let mut parts = vec![self.unary()?];
        while self.accept("AND") {
            parts.push(self.unary()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Condition::All(parts) })
    }

    fn unary(&mut self) -> ApiResult<Condition> {
        if self.accept("NOT") {
            self.depth += 1;
            if self.depth > 50 {
                return Err(invalid("the conditions are nested too deeply"));
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.accept_sign("(") {
            let inner = self.or()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> ApiResult<Condition> {
        let name = self.word()?;
        let (source, column) = self.column(&name)?;
        let table = self.joined.sources[source].table;
        let path = Path { hops: Vec::new(), table, column };
        let on = |predicate| Condition::On(source, predicate);
        if self.accept("IS") {
            let negated = self.accept("NOT");
            self.expect("NULL")?;
            let comparison = if negated { Comparison::NotEqual } else { Comparison::Equal };
            return Ok(on(Predicate::Compare(Side::Path(path), comparison, Side::Value(None))));
        }
        let negated = self.accept("NOT");
        let wrap = |predicate: Predicate| if negated { Predicate::Not(Box::new(predicate)) } else { predicate };
        if self.accept("LIKE") {
            let Some(Token::Text(pattern)) = self.peek().cloned() else { return Err(invalid("LIKE needs a text")) };
            self.at += 1;
            return Ok(on(wrap(Predicate::Text(TextMatch::Like, path, pattern.to_lowercase()))));
        }
        if self.accept("IN") {
            self.expect_sign("(")?;
            let mut keys = std::collections::HashSet::new();
            loop {
                keys.extend(Key::of(&self.literal(table, column)?));
                if !self.accept_sign(",") {
                    break;
                }
            }
            self.expect_sign(")")?;
            return Ok(on(wrap(Predicate::In(path, keys))));
        }
        if self.accept("BETWEEN") {
            let low = self.literal(table, column)?;
            self.expect("AND")?;
            let high = self.literal(table, column)?;
            let low = Predicate::Compare(Side::Path(path.clone()), Comparison::GreaterOrEqual, Side::Value(Some(low)));
            let high = Predicate::Compare(Side::Path(path), Comparison::LessOrEqual, Side::Value(Some(high)));
            return Ok(on(wrap(Predicate::And(vec![low, high]))));
        }
        let Some(Token::Sign(sign)) = self.peek().cloned() else { return Err(invalid("an operator is expected")) };
        self.at += 1;
        let comparison = match sign.as_str() {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            other => return Err(invalid(format!("the operator '{other}'"))),
        };
        let value = self.literal(table, column)?;
        Ok(on(Predicate::Compare(Side::Path(path), comparison, Side::Value(Some(value)))))
    }

    fn literal(&mut self, table: usize, column: usize) -> ApiResult<Cell> {
        let minus = self.accept_sign("-");
        let text = match self.peek().cloned() {
            Some(Token::Text(text)) if !minus => text,
            Some(Token::Number(text)) => format!("{}{text}", if minus { "-" } else { "" }),
            _ => return Err(invalid("a value is expected")),
        };
        self.at += 1;
        text_cell(&self.schema.table(table).columns[column].kind, &text)
            .ok_or_else(|| invalid(format!("the value '{text}' does not fit its column")))
    }
}
