//! Text functions with SQL wildcards.

use super::filter::TextMatch;

/// Applies a text function; text and pattern are in lower case, `%`, `_` and `[…]` are wildcards.
#[must_use]
pub fn text_matches(function: TextMatch, text: &str, pattern: &str) -> bool {
    if !pattern.contains(['%', '_', '[']) {
        return match function {
            TextMatch::Contains => text.contains(pattern),
            TextMatch::StartsWith => text.starts_with(pattern),
            TextMatch::EndsWith => text.ends_with(pattern),
            TextMatch::Like => text == pattern,
        };
    }
    let pattern = match function {
        TextMatch::Contains => format!("%{pattern}%"),
        TextMatch::StartsWith => format!("{pattern}%"),
        TextMatch::EndsWith => format!("%{pattern}"),
        TextMatch::Like => pattern.to_owned(),
    };
    like(text, &pattern)
}

/// SQL's `LIKE` over lower-case text, without backtracking further than the last `%`.
#[must_use]
pub fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut at, mut wanted) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if wanted < pattern.len() && pattern[wanted] == '%' {
            retry = Some((wanted + 1, at));
            wanted += 1;
            continue;
        }
        if at == text.len() {
            return pattern[wanted..].iter().all(|rest| *rest == '%');
        }
        if let Some(next) = one_matches(text[at], &pattern, wanted) {
            at += 1;
            wanted = next;
            continue;
        }
        let Some((after, from)) = retry else {
            return false;
        };
        retry = Some((after, from + 1));
        wanted = after;
        at = from + 1;
        if at > text.len() {
            return false;
        }
    }
}

fn one_matches(character: char, pattern: &[char], wanted: usize) -> Option<usize> {
    match pattern.get(wanted)? {
        '_' => Some(wanted + 1),
        '[' => {
            let end = wanted + pattern[wanted..].iter().position(|character| *character == ']')?;
            let set = &pattern[wanted + 1..end];
            let (negated, set) =
                set.split_first().filter(|(first, _)| **first == '^').map_or((false, set), |(_, rest)| (true, rest));
            let listed = set.contains(&character)
                || set.windows(3).any(|range| range[1] == '-' && (range[0]..=range[2]).contains(&character));
            (listed != negated).then_some(end + 1)
        }
        other => (*other == character).then_some(wanted + 1),
    }
}
