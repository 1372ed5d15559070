//! Words about a failure, in two forms: all of it, for the store and the person who mends the record, and what a log may
//! repeat. What a service says may hold values of records, and so may any text that was put together: it is logged only if
//! whoever wrote the code said that it holds none.

use std::fmt;
use std::ops::Deref;

/// Words about a failure. Shown and compared by their whole text; [`Said::for_log`] is what a log may repeat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    text: Box<str>,
    /// What a log repeats, if not the whole text.
    logged: Option<Box<str>>,
}

/// What a log says of words that it may not repeat.
const KEPT: &str = "what it said is kept in the store";

impl Said {
    /// Words that hold no value of a record: made of names, ids, numbers and times.
    pub fn safe(text: impl Into<String>) -> Self {
        Self { text: text.into().into(), logged: None }
    }

    /// Words for the store, and other ones for a log.
    pub fn split(text: impl Into<String>, logged: impl Into<String>) -> Self {
        Self { text: text.into().into(), logged: Some(logged.into().into()) }
    }

    /// The same with words behind it that hold no value of a record.
    #[must_use]
    pub fn followed_by(self, more: &str) -> Self {
        let with = |text: Box<str>| (text.into_string() + more).into_boxed_str();
        Self { text: with(self.text), logged: self.logged.map(with) }
    }

    /// What a log may repeat.
    pub fn for_log(&self) -> &str {
        self.logged.as_deref().unwrap_or(&self.text)
    }

    /// Whether a log may repeat all of it.
    pub fn may_be_logged(&self) -> bool {
        self.logged.is_none()
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.text.into_string()
    }
}

/// What is written in the code holds no value.
impl From<&'static str> for Said {
    fn from(text: &'static str) -> Self {
        Self::safe(text)
    }
}

/// What was put together may hold one.
impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::split(text, KEPT)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Deref for Said {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq<str> for Said {
    fn eq(&self, other: &str) -> bool {
        &*self.text == other
    }
}

impl PartialEq<&str> for Said {
    fn eq(&self, other: &&str) -> bool {
        &*self.text == *other
    }
}

impl PartialEq<String> for Said {
    fn eq(&self, other: &String) -> bool {
        *self.text == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f28_only_what_is_written_in_the_code_or_said_to_be_safe_is_logged() {
        for (said, logged) in [
            (Said::from("no answer"), "no answer"),
            (Said::from(format!("{} is no number", "Jo")), KEPT),
            (Said::safe(format!("until {}", 9)), "until 9"),
            (Said::split("Jo is gone", "one is gone"), "one is gone"),
            (Said::split("Jo", "one").followed_by(" is gone"), "one is gone"),
        ] {
            assert_eq!(said.for_log(), logged, "{said}");
        }
    }
}
