//! Parses `$filter` text into an expression that still speaks of names.

use std::collections::HashMap;

use super::lexer::{Literal, SyntaxError, Token, tokens};

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`.
    Equal,
    /// `ne`: also true for rows without a value.
    NotEqual,
    /// `gt`.
    Greater,
    /// `ge`.
    GreaterOrEqual,
    /// `lt`.
    Less,
    /// `le`.
    LessOrEqual,
}

/// Text functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMatch {
    /// `contains`.
    Contains,
    /// `startswith`.
    StartsWith,
    /// `endswith`.
    EndsWith,
    /// SQL's `LIKE`: the pattern as it is.
    Like,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A property, possibly through single-valued navigations.
    Path(Vec<String>),
    /// A literal.
    Literal(Literal),
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// All hold.
    And(Vec<Expression>),
    /// One holds.
    Or(Vec<Expression>),
    /// Does not hold.
    Not(Box<Expression>),
    /// Two values compared.
    Compare(Operand, Comparison, Operand),
    /// A text function over a property.
    Text(TextMatch, Vec<String>, String),
    /// `Microsoft.Dynamics.CRM.<name>(PropertyName='…',PropertyValues=[…])`.
    Dynamics {
        /// Function name without namespace.
        name: String,
        /// `PropertyName`.
        property: Vec<String>,
        /// `PropertyValue` or `PropertyValues`.
        values: Vec<String>,
    },
    /// `collection/any(x: …)` (`all` when the flag is set); without a condition: the collection is not empty.
    Lambda {
        /// Path to the collection.
        path: Vec<String>,
        /// `all` instead of `any`.
        all: bool,
        /// Variable and condition.
        body: Option<(String, Box<Expression>)>,
    },
    /// A bare boolean property or literal.
    Truth(Operand),
}

/// Nesting beyond this is refused.
const DEEPEST: usize = 60;

/// Parses a filter; `aliases` are the `@name` query options.
///
/// # Errors
/// When the text is not a filter.
pub fn parse(text: &str, aliases: &HashMap<String, String>) -> Result<Expression, SyntaxError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, aliases, depth: 0 };
    let expression = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.error());
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    aliases: &'a HashMap<String, String>,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self) -> SyntaxError {
        let at = self.tokens.get(self.at).map_or_else(|| self.text.chars().count(), |(at, _)| *at);
        SyntaxError::At { at, text: self.text.to_owned() }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn take(&mut self, token: &Token) -> Result<(), SyntaxError> {
        if self.peek() == Some(token) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error())
    }

    fn or(&mut self) -> Result<Expression, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SyntaxError::TooDeep);
        }
        let mut parts = vec![self.and()?];
        while self.word() == Some("or") {
            self.at += 1;
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::Or(parts) })
    }

    fn and(&mut self) -> Result<Expression, SyntaxError> {
        let mut parts = vec![self.unary()?];
        while self.word() == Some("and") {
            self.at += 1;
            parts.push(self.unary()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expression::And(parts) })
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        if self.word() == Some("not") {
            self.at += 1;
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(SyntaxError::TooDeep);
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or()?;
            self.take(&Token::Close)?;
            return Ok(inner);
        }
        if let (Some(name), Some((_, Token::Open))) = (self.word().map(str::to_owned), self.tokens.get(self.at + 1)) {
            return self.call(&name);
        }
        let left = self.operand()?;
        let comparison = match self.word() {
            Some("eq") => Comparison::Equal,
            Some("ne") => Comparison::NotEqual,
            Some("gt") => Comparison::Greater,
            Some("ge") => Comparison::GreaterOrEqual,
            Some("lt") => Comparison::Less,
            Some("le") => Comparison::LessOrEqual,
            Some("and" | "or") | None => return Ok(Expression::Truth(left)),
            Some(_) => return Err(self.error()),
        };
        self.at += 1;
        let right = self.operand()?;
        Ok(Expression::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        let operand = match self.peek() {
            Some(Token::Literal(literal)) => Operand::Literal(literal.clone()),
            Some(Token::Name(name)) if name.starts_with('@') => Operand::Literal(self.alias(name)?),
            Some(Token::Name(name))
                if !matches!(name.as_str(), "and" | "or" | "not" | "eq" | "ne" | "gt" | "ge" | "lt" | "le") =>
            {
                Operand::Path(path(name))
            }
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(operand)
    }

    fn alias(&self, name: &str) -> Result<Literal, SyntaxError> {
        let text = self.aliases.get(name).ok_or_else(|| SyntaxError::Alias { name: name.to_owned() })?;
        match tokens(text)?.as_slice() {
            [(_, Token::Literal(literal))] => Ok(literal.clone()),
            _ => Err(SyntaxError::At { at: 0, text: text.clone() }),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expression, SyntaxError> {
        if let Some(function) = name.strip_prefix("Microsoft.Dynamics.CRM.") {
            self.at += 2;
            return self.dynamics(function);
        }
        if let Some((collection, operator @ ("any" | "all"))) = name.rsplit_once('/') {
            self.at += 2;
            return self.lambda(path(collection), operator == "all");
        }
        let function = match name {
            "contains" => TextMatch::Contains,
            "startswith" => TextMatch::StartsWith,
            "endswith" => TextMatch::EndsWith,
            // Known words of the grammar followed by a parenthesis are misplaced, everything else is an unknown function.
            "and" | "or" | "eq" | "ne" | "gt" | "ge" | "lt" | "le" => return Err(self.error()),
            _ => {
                return Err(SyntaxError::UnknownFunction { name: name.to_owned() });
            }
        };
        self.at += 2;
        let Operand::Path(property) = self.operand()? else {
            return Err(self.error());
        };
        self.take(&Token::Comma)?;
        let text = match self.operand()? {
            Operand::Literal(Literal::Text(text)) => text,
            _ => return Err(self.error()),
        };
        self.take(&Token::Close)?;
        let expression = Expression::Text(function, property, text);
        self.compared_with_truth(expression)
    }

    /// `contains(…) eq true` is the same as `contains(…)`.
    fn compared_with_truth(&mut self, expression: Expression) -> Result<Expression, SyntaxError> {
        let negated = match self.word() {
            Some("eq") => false,
            Some("ne") => true,
            _ => return Ok(expression),
        };
        self.at += 1;
        let Some(Token::Literal(Literal::Bool(value))) = self.peek().cloned() else {
            return Err(self.error());
        };
        self.at += 1;
        Ok(if value == negated { Expression::Not(Box::new(expression)) } else { expression })
    }

    fn dynamics(&mut self, name: &str) -> Result<Expression, SyntaxError> {
        let mut property = Vec::new();
        let mut values = Vec::new();
        while self.peek() != Some(&Token::Close) {
            let Some(parameter) = self.word().map(str::to_owned) else {
                return Err(self.error());
            };
            self.at += 1;
            self.take(&Token::Equals)?;
            let given = match self.peek().cloned() {
                Some(Token::List(list)) => list,
                Some(Token::Literal(literal)) => vec![literal_text(&literal)],
                Some(Token::Name(alias)) if alias.starts_with('@') => self.alias_list(&alias)?,
                _ => return Err(self.error()),
            };
            match parameter.as_str() {
                "PropertyName" => property = given.first().map(|name| path(name)).unwrap_or_default(),
                "PropertyValue" | "PropertyValues" | "PropertyValue1" | "PropertyValue2" => values.extend(given),
                _ => return Err(self.error()),
            }
            self.at += 1;
            if self.peek() == Some(&Token::Comma) {
                self.at += 1;
            } else if self.peek() != Some(&Token::Close) {
                return Err(self.error());
            }
        }
        self.take(&Token::Close)?;
        if property.is_empty() {
            return Err(SyntaxError::UnknownFunction { name: format!("Microsoft.Dynamics.CRM.{name}") });
        }
        Ok(Expression::Dynamics { name: name.to_owned(), property, values })
    }

    fn alias_list(&self, alias: &str) -> Result<Vec<String>, SyntaxError> {
        let text = self.aliases.get(alias).ok_or_else(|| SyntaxError::Alias { name: alias.to_owned() })?;
        match tokens(text)?.as_slice() {
            [(_, Token::List(list))] => Ok(list.clone()),
            [(_, Token::Literal(literal))] => Ok(vec![literal_text(literal)]),
            _ => Err(SyntaxError::At { at: 0, text: text.clone() }),
        }
    }

    fn lambda(&mut self, path: Vec<String>, all: bool) -> Result<Expression, SyntaxError> {
        if self.peek() == Some(&Token::Close) {
            self.at += 1;
            return if all { Err(self.error()) } else { Ok(Expression::Lambda { path, all, body: None }) };
        }
        let Some(variable) = self.word().map(str::to_owned) else {
            return Err(self.error());
        };
        self.at += 1;
        self.take(&Token::Colon)?;
        let body = self.or()?;
        self.take(&Token::Close)?;
        Ok(Expression::Lambda { path, all, body: Some((variable, Box::new(body))) })
    }
}

fn path(name: &str) -> Vec<String> {
    name.split('/').map(str::to_owned).collect()
}

/// A literal as the text a query function would have been given.
#[must_use]
pub fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Number(value) => value.to_string(),
        Literal::Text(text) | Literal::Time(text) => text.clone(),
        Literal::Guid(id) => id.to_string(),
    }
}
