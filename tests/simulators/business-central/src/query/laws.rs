//! Laws of the parsers: whatever comes over the wire, they answer or refuse, and what they take they take whole.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::Query;
use super::filter::{Dialect, Filter, like};
use super::selection;
use crate::schema::{Route, schema};
use crate::store::{Company, Store};

const DIALECT: Dialect = Dialect { nested: true, wildcards: true };

fn store() -> Store {
    Store::new(Company::new(Uuid::nil(), "Test", "USD"), Arc::default())
}

/// Pieces that are near enough to filters to get far into the parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("number".to_owned()),
        Just("blocked".to_owned()),
        Just("lastModifiedDateTime".to_owned()),
        Just(" eq ".to_owned()),
        Just(" and ".to_owned()),
        Just(" or ".to_owned()),
        Just(" in ".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(",".to_owned()),
        Just("'".to_owned()),
        Just("''".to_owned()),
        Just("substring(tolower(".to_owned()),
        Just("contains(".to_owned()),
        Just("x/any(".to_owned()),
        Just("2024-01-01T00:00:00Z".to_owned()),
        "[ -~é]{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_filter_makes_the_parser_panic(pieces in prop::collection::vec(piece(), 0..24)) {
        let table = schema().known("Item");
        let _ = Filter::parse(&pieces.concat(), table, Route::Standard, DIALECT);
    }

    #[test]
    fn no_query_makes_the_parser_panic(raw in "(\\$(select|filter|orderby|expand|top|skip|count|skiptoken)=[ -~é]{0,30}&?){0,4}") {
        let table = schema().known("Sales Header");
        if let Ok(query) = Query::parse(&raw, table, Route::Standard, true) {
            let _ = selection::select(&store(), table, &query, None, 10);
        }
    }

    #[test]
    fn a_quoted_text_comes_back_as_it_was_written(text in "[^*]{0,20}") {
        let table = schema().known("Item");
        let filter = Filter::parse(&format!("displayName eq '{}'", text.replace('\'', "''")), table, Route::Standard, DIALECT);
        let at = schema().table(table).position("displayName").expect("a name");
        let values = filter.expect("a filter").wanted_values(at).expect("one value");
        prop_assert_eq!(values[0].as_text(), text);
    }

    #[test]
    fn a_pattern_of_stars_matches_everything(text in ".{0,12}", stars in "[*]{1,4}") {
        prop_assert!(like(&text, &stars));
    }

    #[test]
    fn a_text_matches_the_pattern_made_from_its_ends(text in "[a-c]{2,12}", cut in 0_usize..12) {
        let cut = cut.min(text.len());
        let pattern = format!("{}*{}", &text[..cut], &text[cut..]);
        prop_assert!(like(&text, &pattern));
    }
}
