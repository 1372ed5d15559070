//! Splits the text of `$filter` into tokens. What a word means depends on the service and its tables; here it stays text.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterToken {
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
    /// `['a',"b",c]` with its texts.
    List(Vec<String>),
    /// A name, a number, a date, a GUID: everything that is not quoted.
    Word(String),
    /// `'text'`, quotes undoubled.
    Quoted(String),
    /// A value of an enumeration: `Microsoft.NAV.status'Open'`.
    Member {
        /// The qualified name of the enumeration.
        of: String,
        /// The name of the value.
        name: String,
    },
}

/// Why text has no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// A quote or a bracket that begins at this character has no end.
    Unterminated(usize),
    /// A character that begins no token, and where it stands.
    Character(char, usize),
}

/// All tokens with the positions of their first characters.
///
/// # Errors
/// When the text has an unfinished text or list, or a character that begins no token.
pub fn filter_tokens(text: &str) -> Result<Vec<(usize, FilterToken)>, TokenError> {
    let mut reader = Reader { characters: text.chars().collect(), at: 0 };
    let mut found = Vec::new();
    while let Some(character) = reader.peek() {
        let start = reader.at;
        let token = match character {
            character if character.is_whitespace() => {
                reader.at += 1;
                continue;
            }
            '(' => reader.single(FilterToken::Open),
            ')' => reader.single(FilterToken::Close),
            ',' => reader.single(FilterToken::Comma),
            '=' => reader.single(FilterToken::Equals),
            ':' => reader.single(FilterToken::Colon),
            '\'' => FilterToken::Quoted(reader.quoted('\'')?),
            '[' => FilterToken::List(reader.list()?),
            character if in_word(character) => reader.word()?,
            character => return Err(TokenError::Character(character, start)),
        };
        found.push((start, token));
    }
    Ok(found)
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | '@' | '{' | '}' | '$' | '+' | '*')
}

struct Reader {
    characters: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn single(&mut self, token: FilterToken) -> FilterToken {
        self.at += 1;
        token
    }

    /// A text in quotes, at whose first quote the reader stands.
    fn quoted(&mut self, quote: char) -> Result<String, TokenError> {
        let start = self.at;
        let mut value = String::new();
        self.at += 1;
        while let Some(character) = self.peek() {
            self.at += 1;
            if character != quote {
                value.push(character);
            } else if self.peek() == Some(quote) {
                value.push(quote);
                self.at += 1;
            } else {
                return Ok(value);
            }
        }
        Err(TokenError::Unterminated(start))
    }

    fn list(&mut self) -> Result<Vec<String>, TokenError> {
        let start = self.at;
        let mut values = Vec::new();
        let mut bare = String::new();
        self.at += 1;
        while let Some(character) = self.peek() {
            match character {
                '"' | '\'' => {
                    values.push(self.quoted(character)?);
                    continue;
                }
                ',' | ']' if !bare.is_empty() => values.push(std::mem::take(&mut bare)),
                ',' | ']' => {}
                _ if character.is_whitespace() => {}
                _ => bare.push(character),
            }
            self.at += 1;
            if character == ']' {
                return Ok(values);
            }
        }
        Err(TokenError::Unterminated(start))
    }

    fn word(&mut self) -> Result<FilterToken, TokenError> {
        let start = self.at;
        // A colon belongs to a time such as 2024-01-01T10:00:00Z, not to a lambda variable.
        let digits = self.characters[start].is_ascii_digit();
        while self.peek().is_some_and(|character| in_word(character) || (digits && character == ':')) {
            self.at += 1;
        }
        let word: String = self.characters[start..self.at].iter().collect();
        if self.peek() == Some('\'') && word.contains('.') && !digits {
            return Ok(FilterToken::Member { of: word, name: self.quoted('\'')? });
        }
        Ok(FilterToken::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> FilterToken {
        FilterToken::Word(text.to_owned())
    }

    fn plain(text: &str) -> Vec<FilterToken> {
        filter_tokens(text).expect("tokens").into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn text_is_split_into_tokens() {
        use FilterToken::{Close, Colon, Comma, Equals, List, Member, Open, Quoted};
        let cases = [
            ("name eq 'O''Neil'", vec![word("name"), word("eq"), Quoted("O'Neil".into())]),
            ("at ge 2024-01-01T10:00:00Z", vec![word("at"), word("ge"), word("2024-01-01T10:00:00Z")]),
            (
                "lines/any(l:l/n eq 1)",
                vec![word("lines/any"), Open, word("l"), Colon, word("l/n"), word("eq"), word("1"), Close],
            ),
            (
                "F(Names=['a', b],x)",
                vec![
                    word("F"),
                    Open,
                    word("Names"),
                    Equals,
                    List(vec!["a".into(), "b".into()]),
                    Comma,
                    word("x"),
                    Close,
                ],
            ),
            ("Microsoft.NAV.status'Open'", vec![Member { of: "Microsoft.NAV.status".into(), name: "Open".into() }]),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_eq!(filter_tokens("é 'ü' x").expect("tokens")[2].0, 6, "positions count characters");
    }

    #[test]
    fn what_has_no_end_or_no_meaning_is_refused_where_it_stands() {
        let cases = [
            ("a eq 'x", TokenError::Unterminated(5)),
            ("a in ['x'", TokenError::Unterminated(5)),
            ("a eq 1 & b", TokenError::Character('&', 7)),
        ];
        for (text, expected) in cases {
            assert_eq!(filter_tokens(text), Err(expected), "{text}");
        }
    }
}
