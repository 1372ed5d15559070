//! The text of `$filter`: what of OData the service understands, and what it refuses.

use std::collections::BTreeSet;

use simulator_platform::{FilterToken as Token, TokenError, filter_tokens};

use super::{Dialect, Filter, Operand, Operator, TextTest};
use crate::cell::{self, Cell};
use crate::documents;
use crate::errors::ApiError;
use crate::schema::{Kind, Route, Table, TableId, schema};

/// Deepest nesting of brackets and functions, so that no request can exhaust the stack.
const DEEPEST: usize = 50;

impl Filter {
    pub(crate) fn parse(text: &str, table: TableId, route: Route, dialect: Dialect) -> Result<Self, ApiError> {
        let definition = schema().table(table);
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, at: 0, table: definition, route, dialect, depth: 0 };
        let filter = parser.disjunction()?;
        match parser.peek() {
            None => Ok(filter),
            Some(token) => Err(ApiError::syntax(format!("Syntax error at '{token:?}' in '{text}'."))),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, ApiError> {
    match filter_tokens(text) {
        Ok(tokens) => Ok(tokens.into_iter().map(|(_, token)| token).collect()),
        Err(TokenError::Unterminated(at)) => {
            Err(ApiError::syntax(format!("There is an unterminated literal at position {at} in '{text}'.")))
        }
        Err(TokenError::Character(character, at)) => Err(ApiError::syntax(format!(
            "Syntax error: character '{character}' is not valid at position {at} in '{text}'."
        ))),
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    table: &'a Table,
    route: Route,
    dialect: Dialect,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next == word);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), ApiError> {
        match self.next() {
            Some(next) if next == *token => Ok(()),
            other => Err(ApiError::syntax(format!("Syntax error in the filter: expected {token:?}, found {other:?}."))),
        }
    }

    fn disjunction(&mut self) -> Result<Filter, ApiError> {
        let mut parts = vec![self.conjunction()?];
        while self.take_word("or") {
            parts.push(self.conjunction()?);
        }
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| ApiError::syntax("The filter is empty."));
        }
        let filter = Filter::Any(parts);
        let mut properties = BTreeSet::new();
        filter.properties(&mut properties);
        if properties.len() > 1 {
            return Err(ApiError::not_implemented(
                "The 'OR' operator is not supported on distinct fields on an OData filter.",
            ));
        }
        Ok(filter)
    }

    fn conjunction(&mut self) -> Result<Filter, ApiError> {
        let mut parts = vec![self.condition()?];
        while self.take_word("and") {
            parts.push(self.condition()?);
        }
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| ApiError::syntax("The filter is empty."));
        }
        // Flattened, so that a plan sees every condition.
        let flat =
            parts.into_iter().flat_map(|part| if let Filter::All(inner) = part { inner } else { vec![part] }).collect();
        Ok(Filter::All(flat))
    }

    fn condition(&mut self) -> Result<Filter, ApiError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ApiError::bad_request("The recursion limit of the filter has been exceeded."));
        }
        let condition = self.condition_inside();
        self.depth -= 1;
        condition
    }

    fn condition_inside(&mut self) -> Result<Filter, ApiError> {
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.disjunction()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(ApiError::syntax("Syntax error in the filter: a property or a function was expected."));
        };
        if word == "not" {
            return Err(ApiError::not_implemented("The 'NOT' operator is not supported on an OData filter."));
        }
        let call = self.tokens.get(self.at + 1) == Some(&Token::Open);
        if call && (word.ends_with("/any") || word.ends_with("/all")) {
            self.at += 1;
            self.skip_brackets()?;
            return Ok(Filter::Ignored);
        }
        let test = match word.as_str() {
            "startswith" => Some(TextTest::StartsWith),
            "endswith" => Some(TextTest::EndsWith),
            "contains" => Some(TextTest::Contains),
            _ => None,
        };
        if let (Some(test), true) = (test, call) {
            self.at += 2;
            let operand = self.operand(true)?;
            self.expect(&Token::Comma)?;
            let needle = self.text_argument(&operand)?;
            self.expect(&Token::Close)?;
            // `eq true` after a boolean function says nothing new.
            if matches!((self.peek(), self.tokens.get(self.at + 1)), (Some(Token::Word(operator)), Some(Token::Word(value))) if operator == "eq" && value == "true")
            {
                self.at += 2;
            }
            return Ok(Filter::Text(test, operand, needle));
        }
        let operand = self.operand(false)?;
        self.comparison(operand)
    }

    fn skip_brackets(&mut self) -> Result<(), ApiError> {
        let mut open = 0_usize;
        loop {
            match self.next() {
                Some(Token::Open) => open += 1,
                Some(Token::Close) if open <= 1 => return Ok(()),
                Some(Token::Close) => open -= 1,
                Some(_) => {}
                None => return Err(ApiError::syntax("Syntax error in the filter: a bracket is not closed.")),
            }
        }
    }

    fn operand(&mut self, nested: bool) -> Result<Operand, ApiError> {
        let Some(Token::Word(word)) = self.next() else {
            return Err(ApiError::syntax("Syntax error in the filter: a property was expected."));
        };
        if self.peek() != Some(&Token::Open) {
            let name = word.trim_start_matches("$it/");
            let entity = self.table.set(self.route).map_or("", |set| set.entity.as_str());
            return self
                .table
                .position_on(self.route, name)
                .filter(|_| !is_calculated(self.table, self.route, name))
                .map(Operand::Property)
                .ok_or_else(|| ApiError::unknown_property_in_query(name, entity));
        }
        if !matches!(word.as_str(), "tolower" | "toupper" | "substring") {
            return Err(ApiError::not_implemented(format!(
                "The function '{word}' is not supported on an OData filter."
            )));
        }
        if nested && !self.dialect.nested {
            return Err(ApiError::not_implemented("Nested function calls are not supported on an OData filter."));
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ApiError::bad_request("The recursion limit of the filter has been exceeded."));
        }
        self.at += 1;
        let inner = Box::new(self.operand(true)?);
        self.text_only(&inner)?;
        let operand = match word.as_str() {
            "tolower" => Operand::Lower(inner),
            "toupper" => Operand::Upper(inner),
            _ => {
                self.expect(&Token::Comma)?;
                let from = self.number_argument()?;
                let length = if self.peek() == Some(&Token::Comma) {
                    self.at += 1;
                    Some(self.number_argument()?)
                } else {
                    None
                };
                Operand::Substring(inner, from, length)
            }
        };
        self.expect(&Token::Close)?;
        self.depth -= 1;
        Ok(operand)
    }

    fn number_argument(&mut self) -> Result<usize, ApiError> {
        match self.next() {
            Some(Token::Word(word)) => {
                word.parse().map_err(|_| ApiError::syntax(format!("'{word}' is not a position.")))
            }
            _ => Err(ApiError::syntax("Syntax error in the filter: a number was expected.")),
        }
    }

    fn text_only(&self, operand: &Operand) -> Result<(), ApiError> {
        let property = &self.table.properties[operand.property()];
        match property.kind {
            Kind::Text | Kind::Code => Ok(()),
            _ => Err(ApiError::bad_request(format!(
                "No function signature matches the specified arguments: '{}' is not a text.",
                property.name
            ))),
        }
    }

    fn text_argument(&mut self, operand: &Operand) -> Result<String, ApiError> {
        self.text_only(operand)?;
        match self.next() {
            Some(Token::Quoted(text)) => Ok(match (&self.table.properties[operand.property()].kind, operand) {
                (Kind::Code, Operand::Property(_)) => text.to_uppercase(),
                _ => text,
            }),
            _ => Err(ApiError::syntax("Syntax error in the filter: a quoted text was expected.")),
        }
    }

    fn comparison(&mut self, operand: Operand) -> Result<Filter, ApiError> {
        let Some(Token::Word(word)) = self.next() else {
            return Err(ApiError::syntax("Syntax error in the filter: an operator was expected."));
        };
        if word == "in" {
            if !self.dialect.nested {
                return Err(ApiError::not_implemented(
                    "The 'IN' operator is not supported on an OData filter in this schema version.",
                ));
            }
            self.expect(&Token::Open)?;
            let mut values = vec![self.literal(&operand)?];
            while self.peek() == Some(&Token::Comma) {
                self.at += 1;
                values.push(self.literal(&operand)?);
            }
            self.expect(&Token::Close)?;
            return Ok(Filter::OneOf(operand, values));
        }
        let Some(operator) = Operator::named(&word) else {
            return Err(match word.as_str() {
                "add" | "sub" | "mul" | "div" | "mod" | "has" => {
                    ApiError::not_implemented(format!("The operator '{word}' is not supported on an OData filter."))
                }
                _ => ApiError::syntax(format!("Syntax error in the filter at '{word}'.")),
            });
        };
        let value = self.literal(&operand)?;
        if self.dialect.wildcards
            && operator == Operator::Equal
            && value.as_text().contains('*')
            && let Operand::Property(at) = operand
        {
            return Ok(Filter::Like(at, value.as_text().to_owned()));
        }
        Ok(Filter::Compare(operand, operator, value))
    }

    fn literal(&mut self, operand: &Operand) -> Result<Cell, ApiError> {
        let property = &self.table.properties[operand.property()];
        let token = self.next().ok_or_else(|| ApiError::syntax("Syntax error in the filter: a value was expected."))?;
        let wrong = || {
            ApiError::bad_request(format!(
                "A binary operator with incompatible types was detected. The value does not fit the type of the property '{}'.",
                property.name
            ))
        };
        match (&property.kind, token) {
            (Kind::Code, Token::Quoted(text)) if matches!(operand, Operand::Property(_)) => {
                Ok(Cell::text(cell::as_code(&text)))
            }
            (Kind::Text | Kind::Code, Token::Quoted(text)) => Ok(Cell::text(text)),
            (Kind::Enum(names), Token::Quoted(text)) => {
                names.position(&text).map(Cell::Enum).ok_or_else(|| ApiError::not_an_option(&text, &names.names))
            }
            (Kind::Enum(names), Token::Member { of, name }) if of.starts_with("Microsoft.NAV.") => {
                names.position(&name).map(Cell::Enum).ok_or_else(|| ApiError::not_an_option(&name, &names.names))
            }
            (Kind::Decimal, Token::Word(word)) => {
                cell::parse_decimal(word.trim_end_matches(['M', 'm', 'D', 'd'])).map(Cell::Decimal).ok_or_else(wrong)
            }
            (Kind::Int, Token::Word(word)) => word.parse().map(Cell::Int).map_err(|_| wrong()),
            (Kind::Bool, Token::Word(word)) => word.parse().map(Cell::Bool).map_err(|_| wrong()),
            (Kind::Guid, Token::Word(word)) => cell::parse_guid(&word).map(Cell::Guid).ok_or_else(wrong),
            (Kind::Date, Token::Word(word)) => cell::parse_date(&word).map(Cell::Date).ok_or_else(wrong),
            (Kind::DateTime, Token::Word(word)) => word.parse().map(Cell::DateTime).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}
/// What a page works out for each record that it shows cannot be filtered by.
fn is_calculated(table: &Table, route: Route, name: &str) -> bool {
    route == Route::Companion && table.name == "Record Link" && documents::CALCULATED_OF_NOTES.contains(&name)
}
