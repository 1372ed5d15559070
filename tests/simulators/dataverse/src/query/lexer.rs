//! Splits `$filter` text into tokens.

use rust_decimal::Decimal;
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
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let start = at;
        let token = match characters[at] {
            character if character.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => single(&mut at, Token::Open),
            ')' => single(&mut at, Token::Close),
            ',' => single(&mut at, Token::Comma),
            '=' => single(&mut at, Token::Equals),
            ':' => single(&mut at, Token::Colon),
            '\'' => Token::Literal(Literal::Text(quoted(&characters, &mut at, '\'', text)?)),
            '[' => Token::List(list(&characters, &mut at, text)?),
            character if word_character(character) => word(&characters, &mut at, text)?,
            character => {
                return Err(SyntaxError::Character { character, at, text: text.to_owned() });
            }
        };
        found.push((start, token));
    }
    Ok(found)
}

fn single(at: &mut usize, token: Token) -> Token {
    *at += 1;
    token
}

fn word_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | '@' | '{' | '}' | '$' | '+' | '*')
}

fn quoted(characters: &[char], at: &mut usize, quote: char, text: &str) -> Result<String, SyntaxError> {
    let start = *at;
    let mut value = String::new();
    *at += 1;
    while let Some(&character) = characters.get(*at) {
        *at += 1;
        if character != quote {
            value.push(character);
        } else if characters.get(*at) == Some(&quote) {
            value.push(quote);
            *at += 1;
        } else {
            return Ok(value);
        }
    }
    Err(SyntaxError::Unterminated { at: start, text: text.to_owned() })
}

fn list(characters: &[char], at: &mut usize, text: &str) -> Result<Vec<String>, SyntaxError> {
    let start = *at;
    let mut values = Vec::new();
    let mut bare = String::new();
    *at += 1;
    while let Some(&character) = characters.get(*at) {
        match character {
            ']' => {
                if !bare.is_empty() {
                    values.push(bare);
                }
                *at += 1;
                return Ok(values);
            }
            '"' | '\'' => values.push(quoted(characters, at, character, text)?),
            ',' => {
                if !bare.is_empty() {
                    values.push(std::mem::take(&mut bare));
                }
                *at += 1;
            }
            _ => {
                if !character.is_whitespace() {
                    bare.push(character);
                }
                *at += 1;
            }
        }
    }
    Err(SyntaxError::Unterminated { at: start, text: text.to_owned() })
}

fn word(characters: &[char], at: &mut usize, text: &str) -> Result<Token, SyntaxError> {
    let start = *at;
    while let Some(&character) = characters.get(*at) {
        // A colon belongs to a time such as 2024-01-01T10:00:00Z, not to a lambda variable.
        let in_time = character == ':' && characters[start].is_ascii_digit();
        if word_character(character) || in_time {
            *at += 1;
        } else {
            break;
        }
    }
    let word: String = characters[start..*at].iter().collect();
    // An enumeration literal: Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'.
    if characters.get(*at) == Some(&'\'') && word.contains('.') {
        return Ok(Token::Literal(Literal::Text(quoted(characters, at, '\'', text)?)));
    }
    Ok(match word.as_str() {
        "null" => Token::Literal(Literal::Null),
        "true" => Token::Literal(Literal::Bool(true)),
        "false" => Token::Literal(Literal::Bool(false)),
        _ => bare_literal(&word).map_or(Token::Name(word), Token::Literal),
    })
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
