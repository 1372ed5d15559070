//! Times and numbers as people read them, with the exact time behind.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// A time as it lies from now: the exact one shows when pointed at.
pub fn time(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(exact(at)) title=(exact(at)) { (distance(now, at)) } }
}

/// A time, or a dash.
pub fn time_if_any(now: Timestamp, at: Option<Timestamp>) -> Markup {
    at.map_or_else(|| html! { "–" }, |at| time(now, at))
}

/// A time without its fractions.
pub fn exact(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// How far a moment is from now, in its largest unit.
pub fn distance(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let far = match seconds.unsigned_abs() {
        0..=4 => return "just now".to_owned(),
        far @ ..120 => format!("{far} s"),
        far @ ..7_200 => format!("{} min", far / 60),
        far @ ..172_800 => format!("{} h", far / 3_600),
        far => format!("{} days", far / 86_400),
    };
    if seconds < 0 { format!("in {far}") } else { format!("{far} ago") }
}

/// How long something took.
pub fn duration(took: SignedDuration) -> String {
    let milliseconds = took.as_millis().max(0);
    match milliseconds {
        0..=9_999 => format!("{:.1} s", took.as_secs_f64().max(0.0)),
        10_000..=119_999 => format!("{} s", milliseconds / 1_000),
        120_000..=7_199_999 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

/// A number with its thousands parted.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut parted = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            parted.push('\u{202f}');
        }
        parted.push(digit);
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
        for (at, told) in [
            ("2026-03-02T12:00:00Z", "just now"),
            ("2026-03-02T11:59:15Z", "45 s ago"),
            ("2026-03-02T11:58:00Z", "2 min ago"),
            ("2026-03-02T10:00:01Z", "119 min ago"),
            ("2026-03-01T12:00:00Z", "24 h ago"),
            ("2026-02-20T12:00:00Z", "10 days ago"),
            ("2026-03-02T12:05:00Z", "in 5 min"),
        ] {
            assert_eq!(distance(now, at.parse().expect("a time")), told, "{at}");
        }
    }

    #[test]
    fn durations_and_numbers_are_short() {
        for (milliseconds, told) in
            [(140, "0.1 s"), (9_999, "10.0 s"), (61_000, "61 s"), (150_000, "2 min"), (-5, "0.0 s")]
        {
            assert_eq!(duration(SignedDuration::from_millis(milliseconds)), told, "{milliseconds}");
        }
        for (number, told) in [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), told);
        }
    }
}
