//! The `Prefer` header.

/// Preferences of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefer {
    /// `odata.maxpagesize`.
    pub page_size: Option<usize>,
    /// `return=representation`.
    pub representation: bool,
    /// Patterns of `odata.include-annotations`.
    pub annotations: Vec<String>,
    /// `odata.track-changes`.
    pub track_changes: bool,
    /// `odata.continue-on-error`.
    pub continue_on_error: bool,
    /// `respond-async`.
    pub respond_async: bool,
}

impl Prefer {
    /// Reads one or more header values; unknown preferences are ignored, as HTTP demands.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let mut prefer = Self::default();
        for preference in outside_quotes(header, ',') {
            let (name, value) = preference
                .split_once('=')
                .map_or((preference.trim(), ""), |(name, value)| (name.trim(), value.trim().trim_matches('"')));
            match name.trim_start_matches("odata.") {
                "maxpagesize" => prefer.page_size = value.parse().ok(),
                "return" => prefer.representation = value == "representation",
                "include-annotations" => {
                    prefer.annotations = value
                        .split(',')
                        .map(|pattern| pattern.trim().to_owned())
                        .filter(|pattern| !pattern.is_empty())
                        .collect()
                }
                "track-changes" => prefer.track_changes = true,
                "continue-on-error" => prefer.continue_on_error = value != "false",
                "respond-async" => prefer.respond_async = true,
                _ => {}
            }
        }
        prefer
    }

    /// The annotation was asked for.
    #[must_use]
    pub fn annotates(&self, annotation: &str) -> bool {
        let mut wanted = false;
        for pattern in &self.annotations {
            let (pattern, meaning) = pattern.strip_prefix('-').map_or((pattern.as_str(), true), |rest| (rest, false));
            let matches =
                pattern.strip_suffix('*').map_or(pattern == annotation, |prefix| annotation.starts_with(prefix));
            if matches {
                wanted = meaning;
            }
        }
        wanted
    }

    /// Any annotation was asked for.
    #[must_use]
    pub fn annotated(&self) -> bool {
        !self.annotations.is_empty()
    }
}

/// Splits at `separator`, but not inside double quotes.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        } else if character == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}
