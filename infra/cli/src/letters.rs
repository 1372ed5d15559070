//! Dead letters as a table: those that died alike, and came to the same end, in one line.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use couplet_runtime::replay::{Fate, QueueName, ReplayReport, ReportedLetter};
use jiff::Timestamp;

use crate::commands::seconds;
use crate::tables::{number, table, text};

/// Every fate, in the order of the sums.
pub const FATES: [Fate; 7] = [
    Fate::Moved,
    Fate::SynchronizedMeanwhile,
    Fate::OutsideWindow,
    Fate::OtherMapping,
    Fate::Unreadable,
    Fate::DiedAgain,
    Fate::NotReached,
];
/// Lines of the table at most; `--json` has every letter.
const LINES: usize = 40;
/// Letters named in a line.
const NAMED: usize = 3;
/// Why a letter died when nobody could note it.
const NOT_NOTED: &str = "not noted: the function ended before it could say why; see its log";

/// What letters of one line have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    queue: QueueName,
    fate: Fate,
    /// Mapping, or job of a task.
    subject: String,
    direction: String,
    why: String,
}

/// The letters of one line.
#[derive(Debug)]
struct Group {
    kind: Kind,
    count: usize,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// Some of them.
    named: Vec<String>,
}

/// Table and sums.
pub fn render(report: &ReplayReport) -> String {
    if report.letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let groups = groups(&report.letters);
    let head = [
        "queue",
        "mapping",
        "direction",
        "why it died",
        "what becomes of it",
        "letters",
        "oldest",
        "newest",
        "such as",
    ];
    let mut shown = table(&head);
    for group in groups.iter().take(LINES) {
        shown.add_row(vec![
            text(group.kind.queue.as_str()),
            text(&group.kind.subject),
            text(&group.kind.direction),
            text(&group.kind.why),
            text(words(group.kind.fate, report.dry_run)),
            number(group.count),
            text(group.oldest.map(seconds).unwrap_or_default()),
            text(group.newest.map(seconds).unwrap_or_default()),
            text(group.named.join("\n")),
        ]);
    }
    let mut lines = vec![shown.to_string()];
    if groups.len() > LINES {
        let letters: usize = groups[LINES..].iter().map(|group| group.count).sum();
        lines.push(format!("and {letters} letters of {} more kinds; --json has them all", groups.len() - LINES));
    }
    lines.push(sums(report));
    lines.join("\n")
}

/// Letters grouped by what they have in common, the largest groups of each queue first.
fn groups(letters: &[ReportedLetter]) -> Vec<Group> {
    let mut groups: BTreeMap<Kind, Group> = BTreeMap::new();
    for letter in letters {
        let kind = kind(letter);
        let group = groups.entry(kind.clone()).or_insert_with(|| Group {
            kind,
            count: 0,
            oldest: None,
            newest: None,
            named: Vec::new(),
        });
        group.count += 1;
        group.oldest = group.oldest.into_iter().chain(letter.sent).min();
        group.newest = group.newest.into_iter().chain(letter.sent).max();
        if group.named.len() < NAMED {
            group.named.push(name(letter));
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| (group.kind.queue, Reverse(group.count)));
    groups
}

fn kind(letter: &ReportedLetter) -> Kind {
    let noted = letter.reason.clone().unwrap_or_else(|| NOT_NOTED.to_owned());
    let subject = letter.mapping.as_ref().map(ToString::to_string).or_else(|| letter.job.clone());
    Kind {
        queue: letter.queue,
        fate: letter.fate,
        subject: subject.unwrap_or_else(|| "–".to_owned()),
        direction: letter.direction.map_or_else(|| "–".to_owned(), |direction| direction.to_string()),
        why: match &letter.unreadable {
            Some(problem) => format!("it cannot be read: {problem}"),
            None => noted,
        },
    }
}

/// What a person finds a letter by: the record, the task, or else the message.
fn name(letter: &ReportedLetter) -> String {
    match (letter.record, letter.run, letter.leg) {
        (Some(record), _, _) => record.to_string(),
        (None, Some(run), Some(leg)) => format!("run {run}, leg {leg}"),
        _ => format!("message {}", letter.message_id),
    }
}

fn words(fate: Fate, dry_run: bool) -> &'static str {
    match fate {
        Fate::Moved if dry_run => "would be moved",
        Fate::Moved => "moved",
        Fate::SynchronizedMeanwhile => "synchronized meanwhile",
        Fate::OutsideWindow => "left: outside the window",
        Fate::OtherMapping => "left: of another mapping",
        Fate::Unreadable => "left: unreadable",
        Fate::DiedAgain => "left: died again",
        Fate::NotReached => "left: not reached",
    }
}

/// One line: what became of how many.
fn sums(report: &ReplayReport) -> String {
    let parts: Vec<String> = FATES
        .into_iter()
        .map(|fate| (fate, report.count(fate)))
        // Moving is what it is about: it is named even when nothing was.
        .filter(|(fate, count)| *count > 0 || *fate == Fate::Moved)
        .map(|(fate, count)| format!("{count} {}", words(fate, report.dry_run)))
        .collect();
    let dry = if report.dry_run { " (nothing was changed)" } else { "" };
    format!("{} dead letters: {}{dry}", report.letters.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use couplet_model::ids::{MappingName, RecordId, ReplayId, RunId};
    use couplet_model::message::Direction;
    use uuid::Uuid;

    use super::*;

    fn letter(number: u128, fate: Fate, reason: Option<&str>) -> ReportedLetter {
        ReportedLetter {
            queue: QueueName::Records,
            fate,
            message_id: format!("m{number}"),
            sent: Timestamp::from_second(1_769_846_400 + i64::try_from(number).expect("small")).ok(),
            reason: reason.map(str::to_owned),
            died: None,
            unreadable: None,
            mapping: Some(MappingName::from("CUSTOMER")),
            direction: Some(Direction::ToDataverse),
            record: Some(RecordId(Uuid::from_u128(number))),
            job: Some("CUSTOMER".to_owned()),
            run: Some(RunId(Uuid::nil())),
            leg: None,
            brought_back_by: None,
        }
    }

    fn poison() -> ReportedLetter {
        ReportedLetter {
            unreadable: Some("expected value".to_owned()),
            mapping: None,
            direction: None,
            record: None,
            job: None,
            run: None,
            ..letter(99, Fate::Unreadable, None)
        }
    }

    fn report(dry_run: bool, letters: Vec<ReportedLetter>) -> ReplayReport {
        ReplayReport { replay: ReplayId(Uuid::nil()), dry_run, stopped: None, letters }
    }

    #[test]
    fn letters_that_died_alike_are_one_line() {
        let down = Some("Dataverse is down");
        let letters = vec![
            poison(),
            letter(1, Fate::Moved, down),
            letter(2, Fate::Moved, down),
            letter(3, Fate::Moved, down),
            letter(4, Fate::Moved, down),
            letter(5, Fate::SynchronizedMeanwhile, down),
            letter(6, Fate::Moved, None),
        ];
        let groups = groups(&letters);
        let lines: Vec<(usize, Fate, &str)> =
            groups.iter().map(|group| (group.count, group.kind.fate, group.kind.why.as_str())).collect();
        assert_eq!(lines[0], (4, Fate::Moved, "Dataverse is down"));
        assert!(lines.contains(&(1, Fate::SynchronizedMeanwhile, "Dataverse is down")));
        assert!(lines.contains(&(1, Fate::Moved, NOT_NOTED)));
        assert!(lines.contains(&(1, Fate::Unreadable, "it cannot be read: expected value")));
        assert_eq!(groups[0].named.len(), NAMED);
        assert_eq!(groups[0].oldest, letters[1].sent);
        assert_eq!(groups[0].newest, letters[4].sent);
    }

    #[test]
    fn the_sums_name_what_there_is() {
        let letters = || vec![letter(1, Fate::Moved, None), letter(2, Fate::OutsideWindow, None), poison()];
        assert!(
            render(&report(false, letters()))
                .ends_with("3 dead letters: 1 moved, 1 left: outside the window, 1 left: unreadable")
        );
        assert!(render(&report(true, letters())).contains("1 would be moved"));
        assert!(render(&report(true, letters())).ends_with("(nothing was changed)"));
        assert_eq!(render(&report(false, Vec::new())), "no dead letters");
    }

    #[test]
    fn a_table_that_would_be_too_long_says_what_it_leaves_out() {
        let letters = (0..50).map(|number| letter(number, Fate::Moved, Some(&format!("reason {number}")))).collect();
        let shown = render(&report(false, letters));
        assert!(shown.contains("and 10 letters of 10 more kinds; --json has them all"), "{shown}");
    }

    #[test]
    fn a_task_is_named_by_its_run_and_leg() {
        let task =
            ReportedLetter { queue: QueueName::Tasks, record: None, leg: Some(2), ..letter(1, Fate::Moved, None) };
        assert_eq!(name(&task), format!("run {}, leg 2", RunId(Uuid::nil())));
        assert_eq!(name(&poison()), "message m99");
    }
}
