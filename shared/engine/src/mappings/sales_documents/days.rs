//! Days that Dataverse keeps as a moment: the midnight of whoever entered them, or noon where Couplet did. From UTC-12 to UTC+11 the
//! day is the one that was meant. The midnight of UTC+12 to UTC+14 (New Zealand, Fiji, Tonga, Kiribati) is the noon before it or
//! earlier, which cannot be told from a day of the other side of the earth: there a day that a person enters arrives as the one
//! before.

use couplet_model::Record;
use couplet_model::Value;
use couplet_model::decision::TransferredField;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A little less than half a day: noon belongs to its own day.
const HALF_A_DAY: SignedDuration = SignedDuration::from_secs(12 * 3600 - 1);

/// The day that a moment stands for: that of the nearest midnight, so that the zone of whoever entered it does not matter, from
/// UTC-12 to UTC+11.
pub(crate) fn day_meant(at: Timestamp) -> Date {
    at.checked_add(HALF_A_DAY).unwrap_or(at).to_zoned(TimeZone::UTC).date()
}

/// The moment by which a day is written: noon, which is the same day in nearly every zone.
pub(crate) fn noon_of(day: Date) -> Option<Timestamp> {
    day.to_datetime(time(12, 0, 0, 0)).to_zoned(TimeZone::UTC).ok().map(|noon| noon.timestamp())
}

/// Towards Business Central, makes dates of moments the days that were meant.
pub(crate) fn as_days(source: &Record, fields: &mut [TransferredField]) {
    for field in fields {
        if let (Value::Date(_), Some(column)) = (&field.desired, &field.source)
            && let Value::DateTime(at) = source.get(&column.name)
        {
            field.desired = Value::Date(day_meant(*at));
        }
    }
}

/// Towards Dataverse, makes moments of days: that which is there if it means the day already, else noon.
pub(crate) fn as_moments(source: &Record, destination: Option<&Record>, fields: &mut [TransferredField]) {
    for field in fields {
        if let (Value::DateTime(_), Some(column)) = (&field.desired, &field.source)
            && let Value::Date(day) = source.get(&column.name)
        {
            let held = destination.map(|row| row.get(&field.destination.name));
            match held {
                Some(Value::DateTime(at)) if day_meant(*at) == *day => field.desired = Value::DateTime(*at),
                _ => {
                    if let Some(noon) = noon_of(*day) {
                        field.desired = Value::DateTime(noon);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_one_that_was_meant_from_utc_minus_12_to_utc_plus_11_and_the_one_before_beyond() {
        for (at, day) in [
            ("2026-12-01T00:00:00Z", "2026-12-01"),
            ("2026-11-30T23:00:00Z", "2026-12-01"),
            ("2026-12-01T05:00:00Z", "2026-12-01"),
            ("2026-12-01T11:00:00Z", "2026-12-01"),
            ("2026-12-01T12:00:00Z", "2026-12-01"),
            ("2026-11-30T13:00:00Z", "2026-12-01"),
            // The midnight of 1 December in Auckland and in Kiribati.
            ("2026-11-30T12:00:00Z", "2026-11-30"),
            ("2026-11-30T10:00:00Z", "2026-11-30"),
        ] {
            let day: Date = day.parse().expect("a day");
            assert_eq!(day_meant(at.parse().expect("a moment")), day, "{at}");
        }
        for day in ["2026-12-01", "2024-02-29", "1900-01-01"] {
            let day: Date = day.parse().expect("a day");
            assert_eq!(noon_of(day).map(day_meant), Some(day), "what is written is read as the same day");
        }
    }
}
