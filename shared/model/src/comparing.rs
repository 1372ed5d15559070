//! How both systems compare names: without regard to case, letter by letter, and to blanks at the end.
//!
//! A letter has one counterpart or none: `ß` is not `SS`, and `ı` is not `I`. Rust's own upper case is longer than the
//! text in such places, which makes another name of it.

/// A name in the form under which equal names are one: for keys of maps and of the store, never to be sent or shown.
pub fn folded(name: &str) -> String {
    name.trim_end().chars().map(fold).collect()
}

/// Whether two names are one to the services.
pub fn same(a: &str, b: &str) -> bool {
    a.trim_end().chars().map(fold).eq(b.trim_end().chars().map(fold))
}

fn fold(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        // No letter outside ASCII is the same as one inside.
        (Some(one), None) if one.is_ascii() == letter.is_ascii() => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f04_names_compare_letter_by_letter_without_case() {
        for (a, b, one) in [
            ("MÄRZ", "März", true),
            ("eur", "EUR", true),
            ("GEFÄß", "gefäß", true),
            ("GEFÄß", "GEFÄSS", false),
            ("ПАРА", "пара", true),
            ("STÜCK ", "stück", true),
            (" STÜCK", "STÜCK", false),
            ("SıRA", "SIRA", false),
            ("ŉ", "ʼN", false),
            ("", " ", true),
        ] {
            assert_eq!(same(a, b), one, "{a:?} and {b:?}");
            assert_eq!(folded(a) == folded(b), one, "{a:?} and {b:?}, folded");
        }
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_equals_folding_once(name in "\\PC{0,40}") {
            let once = folded(&name);
            proptest::prop_assert!(same(&name, &once));
            proptest::prop_assert_eq!(&folded(&once), &once);
            proptest::prop_assert!(once.chars().count() <= name.chars().count());
        }
    }
}
