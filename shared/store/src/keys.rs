//! The key layout of the table: every kind of item at a glance.
//!
//! | What | `pk` | `sk` | Attributes besides `data` (JSON) |
//! |---|---|---|---|
//! | coupling | `<company>#<mapping>#<shard of BC id>` | `coupling#<BC id>` | `rev`, `state`, `dv`, `key` |
//! | its Dataverse id | `<company>#<mapping>#<shard of DV id>` | `dataverse#<DV id>` | `bc`; no `data` |
//! | its key (`No.`, `Code`) | `<company>#<mapping>#<shard of key>` | `key#<key>` | `bc`; no `data` |
//! | line of a document | `<company>#<mapping of lines>#<shard of header's BC id>` | `document#<header's BC id>#<BC id>` | `bc`; no `data` |
//! | failure to be retried or mended | `<company>#<mapping>#<shard of source id>` | `failure#<direction>#<source id>` | |
//! | wait, by who waits | `<company>#<mapping>#<shard of source id>` | `waiting#<direction>#<source id>#<needed mapping>#<side>#<key>` | |
//! | wait, by what is needed | `<company>#<needed mapping>#<shard of key>` | `wait#<side>#<key>#<mapping>#<direction>#<source id>` | |
//! | mark: something waits for this | `<company>#<needed mapping>#<shard of key>` | `needed#<side>#<key>` | `expires`; no `data` |
//! | run | `<company>#run#<job>` | `<run>` | times, `mappings` (their revision), counters, `message`, `expires`; no `data` |
//! | a part of its counters | `<company>#run#<job>` | `<run>#<slot>` | counters, `expires`; no `data` |
//! | job and its lease | `<company>#jobs` | `<job>` | `state`, `run`, `leg`, `place`, `lease_until`, `full_since`, `held`, times, `message`; no `data` |
//! | when a job was last due to start early | `<company>#early` | `<job>` | `due`, `expires`; no `data` |
//! | error, history | `<company>#errors#<mapping>` | `<time>#<run>#<direction>#<source id>` | `expires` |
//! | what became of a record, and why | `<company>#history#<mapping>#<BC id; DV id of a row without one>` | `<run>#<direction>#<change>` | `expires` |
//! | why a message became a dead letter | `<company>#dead-letters#<shard of message id>` | `<message id>` | `expires` |
//! | cursor | `<company>#cursors` | `<mapping>#<direction>` | |
//! | which revision of the mappings is in force | `<company>#mappings` | `in force` | `revision`; no `data` |
//! | a revision of the mappings | `<company>#mappings` | `<revision>` | `expires` once another is in force |
//! | setting | `<company>#settings` | `<name>` | |
//! | mark: this reservation may have made a record | `<company>#intents#<mapping>` | `<stand-in BC id>` | `expires`; no `data` |
//! | a page of what a run gathers to match it | `<company>#matching#<run>` | `page#<side>#<number>` | `attempt`, `chunks`, `next_page`, `expires`; no `data` |
//! | a part of such a page | `<company>#matching#<run>` | `part#<side>#<attempt>#<place>` | `bytes`, `expires`; no `data` |
//! | mark: a step of the run is counted | `<company>#matching#<run>` | `step#<step>` | `expires`; no `data` |
//! | plan of the full synchronization | `<company>#full-sync` | `plan` | `rev` |
//! | whom the table belongs to | `store` | `owner` | |
//!
//! Couplings and what hangs on records are spread over [`SHARDS`] partitions per mapping. The shard follows from the
//! id, so a point read knows where to look, and a listing asks each shard once. Counters of a run are spread over
//! [`COUNTER_SLOTS`] items, because transactions that add to one item at the same time cancel each other.
//!
//! Keys that people write are folded as the systems compare them: letter by letter, without case.
//!
//! Company and mapping are part of every key of a coupling: two mappings on one table never see each other.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use couplet_model::comparing::folded;
use couplet_model::history::HistoryEntry;
use couplet_model::message::Direction;
use couplet_model::outcome::Dependency;
use couplet_model::{CompanyId, MappingName, RecordId, RunId, Side};
use jiff::Timestamp;
use uuid::Uuid;

/// Partitions per mapping; each takes 1,000 writes per second.
pub const SHARDS: u8 = 16;

/// Items the counters of one run are spread over.
pub const COUNTER_SLOTS: u8 = 16;

/// Sort keys end at 1,024 bytes; a longer part is replaced by a hash.
const LONGEST_PART: usize = 400;

/// Namespace of hashes standing for long keys.
const LONG_KEY_NAMESPACE: Uuid = Uuid::from_u128(0x2b8e_40d1_77a4_5c02_8d35_1f6a_90cc_0002);

/// Start of the sort key of a coupling.
pub(crate) const COUPLING: &str = "coupling#";

/// Start of the sort key of a wait, listed by who waits.
pub(crate) const WAITING: &str = "waiting#";

/// The primary key of one item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    /// The key as attributes.
    pub fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk.clone())),
            ("sk".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of an item that was read; `None` when it has none.
    pub fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { pk: part("pk")?, sk: part("sk")? })
    }
}

/// The shard of some bytes: FNV-1a, folded. Stored keys depend on it; it must never change.
fn shard(bytes: &[u8]) -> u8 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let folded = hash ^ (hash >> 32);
    (folded % u64::from(SHARDS)) as u8
}

fn part(text: &str) -> String {
    if text.len() <= LONGEST_PART {
        text.to_owned()
    } else {
        format!("hash:{}", Uuid::new_v5(&LONG_KEY_NAMESPACE, text.as_bytes()))
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "bc",
        Side::Dataverse => "dv",
    }
}

/// The partition of one shard of a mapping.
pub(crate) fn shard_pk(company: CompanyId, mapping: &MappingName, shard: u8) -> String {
    format!("{company}#{mapping}#{shard:x}")
}

fn record_pk(company: CompanyId, mapping: &MappingName, record: RecordId) -> String {
    shard_pk(company, mapping, shard(record.0.as_bytes()))
}

fn text_pk(company: CompanyId, mapping: &MappingName, text: &str) -> String {
    shard_pk(company, mapping, shard(text.as_bytes()))
}

/// A coupling.
pub(crate) fn coupling(company: CompanyId, mapping: &MappingName, system_id: RecordId) -> Key {
    Key { pk: record_pk(company, mapping, system_id), sk: format!("{COUPLING}{system_id}") }
}

/// Where the Dataverse id of a coupling points to it.
pub(crate) fn dataverse(company: CompanyId, mapping: &MappingName, dataverse_id: RecordId) -> Key {
    Key { pk: record_pk(company, mapping, dataverse_id), sk: format!("dataverse#{dataverse_id}") }
}

/// Where the key of a coupling points to it: keys that are one to the systems have one place.
pub(crate) fn code(company: CompanyId, mapping: &MappingName, key: &str) -> Key {
    code_as_written(company, mapping, &folded(key))
}

/// Where a key is that was stored exactly as it was written, as earlier versions did.
pub(crate) fn code_as_written(company: CompanyId, mapping: &MappingName, key: &str) -> Key {
    Key { pk: text_pk(company, mapping, key), sk: format!("key#{}", part(key)) }
}

/// Where a document points to the coupling of one of its lines.
pub(crate) fn line(company: CompanyId, mapping: &MappingName, document: RecordId, line: RecordId) -> Key {
    Key { pk: record_pk(company, mapping, document), sk: format!("{}{line}", lines_prefix(document)) }
}

/// The partition of the lines of a document, and the start of their sort keys.
pub(crate) fn lines(company: CompanyId, mapping: &MappingName, document: RecordId) -> (String, String) {
    (record_pk(company, mapping, document), lines_prefix(document))
}

fn lines_prefix(document: RecordId) -> String {
    format!("document#{document}#")
}

/// A dependency's key in the one form it is stored under; ids stay as they are.
fn needed_key(needed: &Dependency) -> String {
    match needed.side {
        Side::BusinessCentral => folded(&needed.key),
        Side::Dataverse => needed.key.clone(),
    }
}

/// Start of the sort keys of failures in one direction.
pub(crate) fn failure_prefix(direction: Direction) -> String {
    format!("{FAILURES}{}#", direction.as_str())
}

/// Begins the sort keys of failures of both directions.
pub(crate) const FAILURES: &str = "failure#";

/// A failure.
pub(crate) fn failure(company: CompanyId, mapping: &MappingName, direction: Direction, record: RecordId) -> Key {
    Key { pk: record_pk(company, mapping, record), sk: format!("{}{record}", failure_prefix(direction)) }
}

/// A wait, found by who waits.
pub(crate) fn waiting(
    company: CompanyId,
    mapping: &MappingName,
    direction: Direction,
    record: RecordId,
    needed: &Dependency,
) -> Key {
    Key {
        pk: record_pk(company, mapping, record),
        sk: format!(
            "{WAITING}{}#{record}#{}#{}#{}",
            direction.as_str(),
            needed.mapping,
            side_name(needed.side),
            part(&needed_key(needed))
        ),
    }
}

/// The partition of what a record waits for in a direction, and the start of the sort keys.
pub(crate) fn waits_of_record(
    company: CompanyId,
    mapping: &MappingName,
    direction: Direction,
    record: RecordId,
) -> (String, String) {
    (record_pk(company, mapping, record), format!("{WAITING}{}#{record}#", direction.as_str()))
}

/// Start of the sort keys of everything that waits for one record.
pub(crate) fn wait_prefix(needed: &Dependency) -> String {
    format!("wait#{}#{}#", side_name(needed.side), part(&needed_key(needed)))
}

/// A wait, found by what is needed.
pub(crate) fn wait(
    company: CompanyId,
    mapping: &MappingName,
    direction: Direction,
    record: RecordId,
    needed: &Dependency,
) -> Key {
    Key {
        pk: needed_pk(company, needed),
        sk: format!("{}{mapping}#{}#{record}", wait_prefix(needed), direction.as_str()),
    }
}

/// The partition of what waits for one record.
pub(crate) fn needed_pk(company: CompanyId, needed: &Dependency) -> String {
    text_pk(company, &needed.mapping, &needed_key(needed))
}

/// The mark that something waits, or waited, for a record.
pub(crate) fn needed(company: CompanyId, needed: &Dependency) -> Key {
    Key {
        pk: needed_pk(company, needed),
        sk: format!("needed#{}#{}", side_name(needed.side), part(&needed_key(needed))),
    }
}

/// The partition of the runs of a job.
pub(crate) fn runs_pk(company: CompanyId, job: &str) -> String {
    format!("{company}#run#{job}")
}

/// A run.
pub(crate) fn run(company: CompanyId, job: &str, run: RunId) -> Key {
    Key { pk: runs_pk(company, job), sk: run.to_string() }
}

/// A part of the counters of a run.
pub(crate) fn run_slot(company: CompanyId, job: &str, run: RunId, slot: u8) -> Key {
    Key { pk: runs_pk(company, job), sk: format!("{run}#{:x}", slot % COUNTER_SLOTS) }
}

/// The partition of the jobs.
pub(crate) fn jobs_pk(company: CompanyId) -> String {
    format!("{company}#jobs")
}

/// A job.
pub(crate) fn job(company: CompanyId, name: &str) -> Key {
    Key { pk: jobs_pk(company), sk: name.to_owned() }
}

/// When a job was last due to start early.
pub(crate) fn early_run(company: CompanyId, job: &str) -> Key {
    Key { pk: format!("{company}#early"), sk: job.to_owned() }
}

/// The partition of the error history of a mapping.
pub(crate) fn errors_pk(company: CompanyId, mapping: &MappingName) -> String {
    format!("{company}#errors#{mapping}")
}

/// An error; later ones sort after earlier ones.
pub(crate) fn error(
    company: CompanyId,
    mapping: &MappingName,
    at: Timestamp,
    run: RunId,
    direction: Direction,
    record: RecordId,
) -> Key {
    Key {
        pk: errors_pk(company, mapping),
        sk: format!("{:020}#{run}#{}#{record}", at.as_nanosecond().max(0), direction.as_str()),
    }
}

/// The partition of the history of a record, by its id on either side.
pub(crate) fn history_pk(company: CompanyId, mapping: &MappingName, record: RecordId) -> String {
    format!("{company}#history#{mapping}#{record}")
}

/// An entry of the history of a record. Runs that begin later sort after earlier ones.
pub(crate) fn history(company: CompanyId, mapping: &MappingName, record: RecordId, entry: &HistoryEntry) -> Key {
    let direction = match entry.direction {
        Direction::ToDataverse => "to",
        Direction::FromDataverse => "from",
    };
    Key { pk: history_pk(company, mapping, record), sk: format!("{}#{direction}#{:08x}", entry.run, entry.change) }
}

/// Why a message became a dead letter.
pub(crate) fn dead_letter(company: CompanyId, message_id: &str) -> Key {
    Key { pk: format!("{company}#dead-letters#{:x}", shard(message_id.as_bytes())), sk: part(message_id) }
}

/// A cursor.
pub(crate) fn cursor(company: CompanyId, mapping: &MappingName, direction: Direction) -> Key {
    Key { pk: format!("{company}#cursors"), sk: format!("{mapping}#{}", direction.as_str()) }
}

/// The partition of the marks of reservations of a mapping.
pub(crate) fn intents_pk(company: CompanyId, mapping: &MappingName) -> String {
    format!("{company}#intents#{mapping}")
}

/// The mark of a reservation that may have made a record.
pub(crate) fn intent(company: CompanyId, mapping: &MappingName, system_id: RecordId) -> Key {
    Key { pk: intents_pk(company, mapping), sk: system_id.to_string() }
}

/// The partition of what a run gathers to match it.
pub(crate) fn gathered_pk(company: CompanyId, run: RunId) -> String {
    format!("{company}#matching#{run}")
}

/// Start of the sort keys of the pages of a side.
pub(crate) fn gathered_prefix(side: Side) -> String {
    format!("page#{}#", side_name(side))
}

/// A page of what a run gathered of a side.
pub(crate) fn gathered(company: CompanyId, run: RunId, side: Side, number: u32) -> Key {
    Key { pk: gathered_pk(company, run), sk: format!("{}{number:08}", gathered_prefix(side)) }
}

/// Start of the sort keys of the parts that one attempt stored of a page.
pub(crate) fn gathered_chunks_prefix(side: Side, attempt: &str) -> String {
    format!("part#{}#{attempt}#", side_name(side))
}

/// A part of a page.
pub(crate) fn gathered_chunk(company: CompanyId, run: RunId, side: Side, attempt: Uuid, place: usize) -> Key {
    let prefix = gathered_chunks_prefix(side, &attempt.to_string());
    Key { pk: gathered_pk(company, run), sk: format!("{prefix}{place:06}") }
}

/// The mark that a step of the run is counted.
pub(crate) fn gathered_step(company: CompanyId, run: RunId, step: &str) -> Key {
    Key { pk: gathered_pk(company, run), sk: format!("step#{step}") }
}

/// Which revision of the mappings is in force.
pub(crate) fn mappings_in_force(company: CompanyId) -> Key {
    Key { pk: format!("{company}#mappings"), sk: "in force".to_owned() }
}

/// A revision of the mappings.
pub(crate) fn mappings_of(company: CompanyId, revision: u64) -> Key {
    Key { pk: format!("{company}#mappings"), sk: format!("{revision:020}") }
}

/// The plan of the full synchronization of the installation.
pub(crate) fn full_sync(company: CompanyId) -> Key {
    Key { pk: format!("{company}#full-sync"), sk: "plan".to_owned() }
}

/// A setting.
pub(crate) fn setting(company: CompanyId, name: &str) -> Key {
    Key { pk: format!("{company}#settings"), sk: name.to_owned() }
}

/// Company and organization the table belongs to. The one key without a company: two of them must meet here.
pub(crate) fn owner() -> Key {
    Key { pk: "store".to_owned(), sk: "owner".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_spread_evenly_over_the_shards() {
        let mut counts = [0_u32; SHARDS as usize];
        for number in 0..16_000_u128 {
            // Sequential ids, the worst case.
            counts[usize::from(shard(Uuid::from_u128(0x1000_0000 + number).as_bytes()))] += 1;
        }
        assert!(counts.iter().all(|count| (700..=1_300).contains(count)), "{counts:?}");
    }

    #[test]
    fn f04_keys_that_are_one_to_the_systems_have_one_place() {
        let company = CompanyId(Uuid::from_u128(1));
        let mapping = MappingName::from("UNIT OF MEASURE");
        let place = |key: &str| code(company, &mapping, key);
        assert_eq!(place("Stück"), place("STÜCK"));
        assert_eq!(place("GEFÄß"), place("gefäß "));
        assert_ne!(place("GEFÄß"), place("GEFÄSS"));
        // Where a version before stored the keys that Business Central had written in capitals.
        for key in ["PCS", "STÜCK", "GEFÄSS", "SP NO. 00001", "ÇAĞ", "10-Ω"] {
            assert_eq!(place(key), code_as_written(company, &mapping, key));
        }
        let needed = |side, key: &str| Dependency { mapping: mapping.clone(), side, key: key.to_owned() };
        let lower = needed(Side::BusinessCentral, "Stück");
        assert_eq!(wait_prefix(&lower), wait_prefix(&needed(Side::BusinessCentral, "STÜCK")));
        let id = "00000000-0000-0000-0000-00000000abcd";
        assert!(wait_prefix(&needed(Side::Dataverse, id)).contains(id), "as it always was");
    }

    #[test]
    fn a_key_too_long_for_dynamodb_is_replaced_by_its_hash() {
        let company = CompanyId(Uuid::from_u128(1));
        let mapping = MappingName::from("ITEM-PRODUCT");
        let long = code(company, &mapping, &"x".repeat(2_000));
        assert!(long.sk.len() < 1_024);
        assert_ne!(long, code(company, &mapping, &"x".repeat(2_001)));
    }
}
