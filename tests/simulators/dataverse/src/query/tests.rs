//! Table tests of the filter parser, and laws: no text makes a parser panic or hang.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::filter::{Comparison, Expression, Operand, parse};
use super::lexer::Literal;
use super::like::like;
use crate::api::parser_entries::{fetch_xml, multipart, sql};
use crate::schema::{CustomNavigation, Schema};
use crate::wire::path::Target;
use crate::wire::prefer::Prefer;

fn read(text: &str) -> Result<Expression, String> {
    parse(text, &HashMap::new()).map_err(|error| error.to_string())
}

#[test]
fn filters_are_read_with_the_usual_precedence() {
    let Expression::Or(parts) = read("a eq 1 or b eq 2 and not c eq 3").unwrap() else { panic!("or binds least") };
    assert_eq!(parts.len(), 2);
    assert!(matches!(&parts[1], Expression::And(parts) if matches!(parts[1], Expression::Not(_))));
}

#[test]
fn literals_are_told_apart() {
    for (text, literal) in [
        ("x eq 'O''Brien'", Literal::Text("O'Brien".to_owned())),
        ("x eq null", Literal::Null),
        ("x eq true", Literal::Bool(true)),
        ("x eq -1.5", Literal::Number("-1.5".parse().unwrap())),
        ("x eq 2024-01-01T10:00:00Z", Literal::Time("2024-01-01T10:00:00Z".to_owned())),
        ("x eq 2024-01-01", Literal::Time("2024-01-01".to_owned())),
        (
            "x eq 5F1B7C0E-54d1-4a8e-9f1c-2f1d7a550099",
            Literal::Guid("5f1b7c0e-54d1-4a8e-9f1c-2f1d7a550099".parse().unwrap()),
        ),
        ("x eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", Literal::Text("UserOwned".to_owned())),
    ] {
        let Expression::Compare(_, Comparison::Equal, Operand::Literal(found)) = read(text).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(found, literal, "{text}");
    }
}

#[test]
fn broken_filters_are_refused_with_a_reason() {
    for text in [
        "",
        "x",
        "x eq",
        "eq 1",
        "x eq 'open",
        "(x eq 1",
        "x eq 1)",
        "x foo 1",
        "tolower(x) eq 'a'",
        "x eq 1 and",
        "contains(x)",
        "x add 1 eq 2",
        "x eq @p",
    ] {
        let result = read(text);
        // A lone name is a boolean column as far as the grammar goes.
        assert!(result.is_err() || text == "x", "{text}: {result:?}");
    }
}

#[test]
fn aliases_stand_for_literals() {
    let aliases = HashMap::from([("@p".to_owned(), "'v'".to_owned())]);
    assert!(
        matches!(parse("x eq @p", &aliases).unwrap(), Expression::Compare(_, _, Operand::Literal(Literal::Text(text))) if text == "v")
    );
}

#[test]
fn wildcards_match_as_in_sql() {
    for (text, pattern, expected) in [
        ("contoso", "con%", true),
        ("contoso", "%to%", true),
        ("contoso", "c_ntoso", true),
        ("contoso", "[a-d]ontoso", true),
        ("contoso", "[^a-d]ontoso", false),
        ("contoso", "%x%", false),
        ("", "%", true),
        ("", "_", false),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%c", false),
    ] {
        assert_eq!(like(text, pattern), expected, "{text} like {pattern}");
    }
}

#[test]
fn keys_and_segments_are_read() {
    let target = Target::parse(
        "accounts(accountnumber='O''Brien%2FA')/contact_customer_accounts?$select=a,b&$filter=x%20eq%20'a+b'",
    );
    assert_eq!(target.segments.len(), 2);
    assert_eq!(target.option("$filter"), Some("x eq 'a b'"));
    assert_eq!(target.option("$select"), Some("a,b"));
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "name",
        "eq",
        "ne",
        "and",
        "or",
        "not",
        "(",
        ")",
        "'",
        "'a'",
        "1",
        "null",
        ",",
        "contains",
        "/",
        "any",
        "x:",
        "=",
        "[",
        "]",
        "\"b\"",
        "Microsoft.Dynamics.CRM.In",
        "@p",
        "2024-01-01",
        "%",
        "é",
        "PropertyName",
        "select",
        "SELECT",
        "FROM",
        "account",
        "WHERE",
        "LIKE",
        "IN",
        "JOIN",
        "ON",
        "TOP",
        "*",
        "COUNT",
        "ORDER",
        "BY",
        "-",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_the_filter_parser_panic(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_mixture_of_words_makes_the_parsers_panic(text in words()) {
        let schema = Schema::sales(CustomNavigation::SchemaName, false).unwrap();
        let _ = read(&text);
        let _ = sql(&schema, &text);
        let _ = sql(&schema, &format!("SELECT name FROM account WHERE {text}"));
    }

    #[test]
    fn no_text_makes_url_and_header_parsing_panic(text in ".{0,200}") {
        let _ = Target::parse(&text);
        let _ = Prefer::parse(&text);
    }

    #[test]
    fn no_body_makes_the_multipart_parser_panic(body in prop::collection::vec(any::<u8>(), 0..400), boundary in "[a-z]{1,8}") {
        let _ = multipart(&boundary, &body);
    }

    #[test]
    fn multipart_parts_come_out_as_they_went_in(contents in prop::collection::vec("[a-z {}\":]{0,40}", 1..6), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut body = String::new();
        for content in &contents {
            body.push_str(&format!("--b{end}Content-Type: application/http{end}{end}{content}{end}"));
        }
        body.push_str(&format!("--b--{end}"));
        prop_assert_eq!(multipart("b", body.as_bytes()).unwrap(), contents);
    }

    #[test]
    fn no_text_makes_the_fetch_parser_panic(text in ".{0,200}", operator in "[a-z-]{0,12}") {
        let schema = Schema::sales(CustomNavigation::SchemaName, false).unwrap();
        let _ = fetch_xml(&schema, &text);
        let escaped = text.replace(['<', '&', '"', '\''], " ");
        let _ = fetch_xml(&schema, &format!("<fetch><entity name='account'><filter><condition attribute='name' operator='{operator}' value='{escaped}'/></filter></entity></fetch>"));
    }
}
