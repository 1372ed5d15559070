//! What a change feed showed lately: a read that reaches back gives it again, and it is known by this.

use std::collections::{BTreeSet, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// Changes remembered at most, the newest ones: 128 kB in the store, of 400 that it takes. What is not remembered is compared
/// with its base.
const MOST_REMEMBERED: usize = 12_000;

/// Bytes of one remembered change.
const BYTES: usize = size_of::<u64>();

/// Changes that were read lately: one number per record as it was, their bytes in Base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(String);

impl Seen {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Tells what a feed gives for the first time from what it gives again.
#[derive(Clone, Debug, Default)]
pub struct Remembering {
    before: HashSet<u64>,
    now: BTreeSet<(Timestamp, u64)>,
}

impl Remembering {
    /// Begins with what earlier reads remembered.
    pub fn after(seen: &Seen) -> Self {
        // What cannot be read remembers nothing, which costs reading the records again.
        let bytes = STANDARD.decode(&seen.0).unwrap_or_default();
        let (numbers, _) = bytes.as_chunks::<BYTES>();
        Self { before: numbers.iter().map(|number| u64::from_be_bytes(*number)).collect(), now: BTreeSet::new() }
    }

    /// Notes a record, and says whether it was given before exactly as it is now.
    pub fn knows(&mut self, record: &Record) -> bool {
        let Some(modified) = record.modified else { return false };
        let number = fingerprint(record);
        self.now.insert((modified, number));
        if self.now.len() > MOST_REMEMBERED {
            self.now.pop_first();
        }
        self.before.contains(&number)
    }

    /// What the next read has to know: the records it will be given again because they changed after this time.
    pub fn since(&self, time: Timestamp) -> Seen {
        let again = self.now.iter().filter(|(modified, _)| *modified > time);
        Seen(STANDARD.encode(again.flat_map(|(_, number)| number.to_be_bytes()).collect::<Vec<u8>>()))
    }
}

/// FNV-1a over all a record shows. Two states of a record that differ share a number once in 10^19.
pub fn fingerprint(record: &Record) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(record.id.0.as_bytes());
    add(record.version.as_ref().map_or("", |version| version.0.as_str()).as_bytes());
    add(record.modified.map(|modified| modified.to_string()).unwrap_or_default().as_bytes());
    for (name, value) in &record.values {
        add(name.as_bytes());
        add(value.to_json().to_string().as_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;
    use crate::value::Value;
    use uuid::Uuid;

    fn record(number: u128, second: i64, name: &str) -> Record {
        Record {
            id: RecordId(Uuid::from_u128(number)),
            version: None,
            modified: Timestamp::from_second(second).ok(),
            values: [("name".into(), Value::text(name))].into(),
            unreadable: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn f09_a_record_is_known_only_as_it_was() {
        let mut first = Remembering::default();
        for (number, second) in [(1, 100), (2, 200), (3, 300)] {
            assert!(!first.knows(&record(number, second, "A")));
        }
        let seen = first.since(at(100));
        let text = serde_json::to_string(&seen).expect("JSON");
        let mut again = Remembering::after(&serde_json::from_str(&text).expect("what was seen"));
        assert!(!again.knows(&record(1, 100, "A")), "it will not be given again");
        assert!(again.knows(&record(2, 200, "A")));
        assert!(!again.knows(&record(2, 201, "A")), "changed since");
        assert!(!again.knows(&record(3, 300, "B")), "changed in the same second");
        assert!(!again.knows(&record(4, 150, "A")), "committed late");
    }

    #[test]
    fn f09_memory_is_bounded_and_keeps_the_newest() {
        let mut first = Remembering::default();
        for number in 0..15_000_u128 {
            first.knows(&record(number, i64::try_from(number).expect("small"), "A"));
        }
        let seen = first.since(at(0));
        assert!(seen.0.len() <= 128_000, "{} bytes in the store", seen.0.len());
        let mut again = Remembering::after(&seen);
        assert!(again.knows(&record(14_999, 14_999, "A")) && again.knows(&record(3_000, 3_000, "A")));
        assert!(!again.knows(&record(2_999, 2_999, "A")));
    }

    #[test]
    fn what_an_earlier_version_remembered_in_another_way_is_read_again() {
        for text in ["00f1e2d3c4b5a697", "no Base64!"] {
            assert!(!Remembering::after(&Seen(text.to_owned())).knows(&record(1, 100, "A")), "{text}");
        }
    }
}
