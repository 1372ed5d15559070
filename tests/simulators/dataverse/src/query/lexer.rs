//! What the tokens of `$filter` mean here: names and typed literals.

use rust_decimal::Decimal;
use simulator_platform::{FilterToken, TokenError, filter_tokens};
use uuid::Uuid;

use crate::store::{decimal, guid, instant};

/// A literal value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Decimal),
    /// `'text'`, quotes undoubled.
    Text(String),
    /// A bare GUID.
    Guid(Uuid),
    /// Date-time or date, with its text.
    Time(String),
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `=` inside a function call.
    Equals,
    /// `:` after a lambda variable.
    Colon,
    /// `[…]` with its texts.
    List(Vec<String>),
    /// A name, possibly with `/` or `.`.
    Name(String),
    /// A literal.
    Literal(Literal),
}

/// Why text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A `'` without its partner.
    #[error("There is an unterminated literal at position {at} in '{text}'.")]
    Unterminated {
        /// Character position.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// Something unexpected.
    #[error("Syntax error at position {at} in '{text}'.")]
    At {
        /// Character position.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// A character that begins no token.
    #[error("Syntax error: character '{character}' is not valid at position {at} in '{text}'.")]
    Character {
        /// The character.
        character: char,
        /// Character position.
        at: usize,
        /// The whole text.
        text: String,
    },
    /// A function the service does not have.
    #[error(
        "An unknown function with name '{name}' was found. This may also be a function import or a key lookup on a navigation property, which is not allowed."
    )]
    UnknownFunction {
        /// Name as written.
        name: String,
    },
    /// Nesting that no query needs.
    #[error("The recursion limit has been exceeded.")]
    TooDeep,
    /// A parameter alias without a value.
    #[error("The parameter alias '{name}' is not defined.")]
    Alias {
        /// The alias, with `@`.
        name: String,
    },
}

/// All tokens with their character positions.
///
/// # Errors
/// When the text has an unfinished string or a character that begins no token.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let split = filter_tokens(text).map_err(|error| match error {
        TokenError::Unterminated(at) => SyntaxError::Unterminated { at, text: text.to_owned() },
        TokenError::Character(character, at) => SyntaxError::Character { character, at, text: text.to_owned() },
    })?;
    Ok(split.into_iter().map(|(at, token)| (at, meant(token))).collect())
}

fn meant(token: FilterToken) -> Token {
    match token {
        FilterToken::Open => Token::Open,
        FilterToken::Close => Token::Close,
        FilterToken::Comma => Token::Comma,
        FilterToken::Equals => Token::Equals,
        FilterToken::Colon => Token::Colon,
        FilterToken::List(texts) => Token::List(texts),
        // An enumeration literal, Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned', stands for its text.
        FilterToken::Quoted(text) | FilterToken::Member { name: text, .. } => Token::Literal(Literal::Text(text)),
        FilterToken::Word(word) => match word.as_str() {
            "null" => Token::Literal(Literal::Null),
            "true" => Token::Literal(Literal::Bool(true)),
            "false" => Token::Literal(Literal::Bool(false)),
            _ => bare_literal(&word).map_or(Token::Name(word), Token::Literal),
        },
    }
}

fn bare_literal(word: &str) -> Option<Literal> {
    if let Some(id) = guid(word) {
        return Some(Literal::Guid(id));
    }
    if !word.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '+') {
        return None;
    }
    if word.len() >= 10 && word.as_bytes().get(4) == Some(&b'-') && instant(word).is_some() {
        return Some(Literal::Time(word.to_owned()));
    }
    decimal(word).map(Literal::Number)
}
