//! Moments as people write them.

use couplet_model::Clock;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

/// A moment before or at now, for an argument of the command: an instant (`2026-01-31T08:00:00Z`), a date or a date with
/// a time, both in UTC (`2026-01-31` is its beginning), or how long ago it was (`90m`, `2h`, `3d`).
pub fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Clock::default().now())
}

fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if let Ok(date) = text.parse::<civil::DateTime>() {
        return date.to_zoned(TimeZone::UTC).map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let wrong = || {
        "write an instant such as 2026-01-31T08:00:00Z, a date such as 2026-01-31, or how long ago, such as 2h or 3d"
            .to_owned()
    };
    let ago: Span = text.parse().map_err(|_| wrong())?;
    // "2h ago" means the same as "2h".
    let at = now.to_zoned(TimeZone::UTC).checked_sub(ago.abs()).map_err(|_| wrong())?;
    Ok(at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_an_instant_a_date_or_how_long_ago() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
        for (text, meant) in [
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31T09:00:00+01:00", "2026-01-31T08:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T08:00", "2026-01-31T08:00:00Z"),
            ("2026-01-31 08:00", "2026-01-31T08:00:00Z"),
            ("2h", "2026-03-02T10:00:00Z"),
            ("2h ago", "2026-03-02T10:00:00Z"),
            ("90 minutes", "2026-03-02T10:30:00Z"),
            ("3d", "2026-02-27T12:00:00Z"),
            ("1w", "2026-02-23T12:00:00Z"),
            ("P1D", "2026-03-01T12:00:00Z"),
        ] {
            let meant: Timestamp = meant.parse().expect("a time");
            assert_eq!(moment_before(text, now), Ok(meant), "{text}");
        }
    }

    #[test]
    fn anything_else_is_answered_with_examples() {
        for text in ["", "yesterday", "5", "2026-13-01", "99999999999y"] {
            let error = moment_before(text, Timestamp::now()).expect_err(text);
            assert!(error.contains("such as 2h or 3d"), "{text}: {error}");
        }
    }
}
