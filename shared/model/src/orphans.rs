//! Records of both sides of a mapping that have no partner, and records of one side that share the fields by which a partner is
//! found (D2, U10). A plain function of what was read of both sides.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::matching::{Entry, Key};

/// Records sharing a field that are named with one of them; the others are counted.
pub const MOST_NAMED_TWINS: usize = 10;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// It has no partner.
    Uncoupled,
    /// It is a row of Dataverse that belongs to the company although nothing couples it.
    Stray,
    /// Other records of its side hold the same in the fields by which a partner is found.
    Duplicate,
}

/// A record with which something is wrong, by its place in the list that was looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flawed {
    /// Its place.
    pub place: usize,
    /// What is wrong.
    pub flaw: Flaw,
    /// The priority of the fields that it shares, of a duplicate.
    pub priority: usize,
    /// The first of the others that share them.
    pub twins: Vec<usize>,
    /// How many others there are.
    pub count: usize,
}

/// The records of one side with which something is wrong: those without a partner first, then those that share fields. A record
/// may be both. Blank fields are shared by nobody.
pub fn flawed(entries: &[Entry]) -> Vec<Flawed> {
    let alone = |(place, entry): (usize, &Entry)| {
        let flaw = if entry.ours { Flaw::Stray } else { Flaw::Uncoupled };
        (!entry.taken).then_some(Flawed { place, flaw, priority: 0, twins: Vec::new(), count: 0 })
    };
    let mut found: Vec<Flawed> = entries.iter().enumerate().filter_map(alone).collect();
    let priorities = entries.iter().map(|entry| entry.keys.len()).max().unwrap_or(0);
    let mut shared: Vec<Option<Flawed>> = vec![None; entries.len()];
    for priority in 0..priorities {
        let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            if let Some(key) = entry.keys.get(priority).copied().flatten() {
                places.entry(key).or_default().push(place);
            }
        }
        for twins in places.values().filter(|places| places.len() > 1) {
            for place in twins {
                let others = twins.iter().copied().filter(|other| other != place).take(MOST_NAMED_TWINS);
                let (twins, count) = (others.collect(), twins.len() - 1);
                let duplicate = Flawed { place: *place, flaw: Flaw::Duplicate, priority, twins, count };
                shared[*place].get_or_insert(duplicate);
            }
        }
    }
    found.extend(shared.into_iter().flatten());
    found
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::RecordId;

    fn entry(number: u128, keys: &[u8], taken: bool, ours: bool) -> Entry {
        let key = |key: &u8| (*key > 0).then(|| Key::from_bytes([*key; 16]));
        let keys = keys.iter().map(key).collect();
        Entry { ours, ..Entry::new(RecordId(Uuid::from_u128(number)), keys, taken, "a record") }
    }

    /// What is wrong with the records: place, flaw, priority and the others.
    fn found(entries: &[Entry]) -> Vec<(usize, Flaw, usize, Vec<usize>)> {
        flawed(entries).into_iter().map(|one| (one.place, one.flaw, one.priority, one.twins)).collect()
    }

    #[test]
    fn d2_u10_records_without_a_partner_and_records_that_share_fields_are_found() {
        use Flaw::{Duplicate, Stray, Uncoupled};
        for (name, entries, expected) in [
            ("nothing", vec![], vec![]),
            ("a coupled record", vec![entry(1, &[1], true, true)], vec![]),
            ("one without a partner", vec![entry(1, &[1], false, false)], vec![(0, Uncoupled, 0, vec![])]),
            ("one that belongs to the company", vec![entry(1, &[1], false, true)], vec![(0, Stray, 0, vec![])]),
            (
                "two coupled ones that share a field",
                vec![entry(1, &[7], true, true), entry(2, &[8], true, true), entry(3, &[7], true, true)],
                vec![(0, Duplicate, 0, vec![2]), (2, Duplicate, 0, vec![0])],
            ),
            (
                "a pair and one that shares its field",
                vec![entry(1, &[7], true, false), entry(2, &[7], false, false)],
                vec![(1, Uncoupled, 0, vec![]), (0, Duplicate, 0, vec![1]), (1, Duplicate, 0, vec![0])],
            ),
            ("blanks are shared by nobody", vec![entry(1, &[0], true, true), entry(2, &[0], true, true)], vec![]),
            (
                "the first priority that is shared is named",
                vec![entry(1, &[1, 9], true, true), entry(2, &[2, 9], true, true), entry(3, &[2, 9], true, true)],
                vec![(0, Duplicate, 1, vec![1, 2]), (1, Duplicate, 0, vec![2]), (2, Duplicate, 0, vec![1])],
            ),
        ] {
            assert_eq!(found(&entries), expected, "{name}");
        }
    }

    #[test]
    fn of_many_that_share_a_field_the_first_are_named_and_all_are_counted() {
        let entries: Vec<Entry> = (0..40).map(|number| entry(number, &[5], true, true)).collect();
        let found = flawed(&entries);
        assert_eq!((found.len(), found[39].twins.len(), found[39].count), (40, MOST_NAMED_TWINS, 39));
    }
}
