//! The tokens of a source file, those of tests told from the others. Comments and attributes are left out.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::Source;

/// A token, with the line it begins on.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Line in the file, from 1.
    pub line: usize,
    /// Whether it belongs to code that is compiled for tests only.
    pub in_test: bool,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Ident(String),
    /// A sign.
    Punct(char),
    /// The value of a text, without its quotes and escapes.
    Text(String),
    /// Any other literal.
    Literal,
    /// A bracket that opens.
    Open(char),
    /// A bracket that closes.
    Close(char),
}

impl Token {
    /// The name, if it is one.
    pub fn ident(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is this sign.
    pub fn is(&self, sign: char) -> bool {
        self.kind == Kind::Punct(sign)
    }
}

/// The tokens of a file, in order.
///
/// # Panics
/// When it is no Rust.
pub fn of(source: &Source) -> Vec<Token> {
    let stream: TokenStream = source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path));
    let mut tokens = Vec::new();
    flatten(stream, source.is_test(), &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, in_test: bool, into: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if let Some(length) = attribute(&trees[at..]) {
            if concerns_tests(&trees[at..at + length]) {
                let item = at + length + item_length(&trees[at + length..]);
                flatten(trees[at + length..item].iter().cloned().collect(), true, into);
                at = item;
            } else {
                at += length;
            }
            continue;
        }
        let line = tree.span().start().line;
        let mut push = |kind| into.push(Token { kind, line, in_test });
        match tree {
            TokenTree::Ident(name) => push(Kind::Ident(name.to_string())),
            TokenTree::Punct(sign) => push(Kind::Punct(sign.as_char())),
            TokenTree::Literal(literal) => push(text(&literal.to_string()).map_or(Kind::Literal, Kind::Text)),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                push(Kind::Open(open));
                flatten(group.stream(), in_test, into);
                let line = group.span_close().start().line;
                into.push(Token { kind: Kind::Close(close), line, in_test });
            }
        }
        at += 1;
    }
}

/// How many trees the attribute here has, if there is one.
fn attribute(trees: &[TokenTree]) -> Option<usize> {
    let sign = |at: usize, sign: char| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign);
    let bracket = |at: usize| matches!(trees.get(at), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Bracket);
    match (sign(0, '#'), sign(1, '!')) {
        (true, true) if bracket(2) => Some(3),
        (true, false) if bracket(1) => Some(2),
        _ => None,
    }
}

/// Whether an attribute marks what is compiled for tests only: `#[cfg(test)]`, `#[test]`, `#[tokio::test]`.
fn concerns_tests(attribute: &[TokenTree]) -> bool {
    let inner = attribute.last().and_then(|tree| match tree {
        TokenTree::Group(group) => Some(group.stream().to_string().replace(' ', "")),
        _ => None,
    });
    inner.is_some_and(|inner| {
        inner == "test"
            || inner.starts_with("tokio::test")
            || inner.starts_with("cfg(test")
            || inner.starts_with("cfg(all(test")
    })
}

/// How many trees the item here has, its further attributes included: up to its end sign or its body.
fn item_length(trees: &[TokenTree]) -> usize {
    let mut at = 0;
    while let Some(length) = attribute(&trees[at..]) {
        at += length;
    }
    while let Some(tree) = trees.get(at) {
        at += 1;
        match tree {
            TokenTree::Punct(sign) if sign.as_char() == ';' => break,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            _ => {}
        }
    }
    at
}

/// The value of a text literal, as far as the rules here need it: raw and byte texts, and simple escapes.
fn text(literal: &str) -> Option<String> {
    let literal = literal.strip_prefix(['b', 'c']).unwrap_or(literal);
    if let Some(raw) = literal.strip_prefix('r') {
        let inner = raw.trim_matches('#');
        return inner.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_tests_is_told_from_other_code_and_attributes_are_left_out() {
        let text = r##"
            #[doc = "not seen"]
            fn shown() { call("one", r#"t"wo"#) }
            #[cfg(test)]
            mod tests { use super::*; #[test] fn hidden() { sleep("three") } }
            #[cfg(unix)]
            fn also_shown() {}
            #[tokio::test(start_paused = true)]
            #[ignore]
            async fn hidden_too() { sleep() }
            fn last() {}
        "##;
        let tokens = of(&Source::new("shared/model/src/thing.rs", text));
        let names = |in_test| -> Vec<&str> {
            tokens.iter().filter(|token| token.in_test == in_test).filter_map(Token::ident).collect()
        };
        assert_eq!(names(false), ["fn", "shown", "call", "fn", "also_shown", "fn", "last"]);
        assert!(names(true).contains(&"hidden") && names(true).contains(&"hidden_too"));
        let texts: Vec<(&Kind, usize)> = tokens
            .iter()
            .filter(|token| matches!(token.kind, Kind::Text(_)))
            .map(|token| (&token.kind, token.line))
            .collect();
        assert_eq!(texts[0], (&Kind::Text("one".to_owned()), 3));
        assert_eq!(texts[1], (&Kind::Text("t\"wo".to_owned()), 3));
        assert_eq!(texts.len(), 3, "{texts:?}");
    }
}
