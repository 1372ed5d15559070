//! Dead letters as a table: those that died alike, and came to the same end, in one line.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use couplet_runtime::replay::{QueueName, ReplayOutcome, ReplayReport, ReportedDeadLetter};
use jiff::Timestamp;

use crate::commands::seconds;
use crate::tables::{number, table, text};

/// Every outcome, in the order of the sums.
pub const OUTCOMES: [ReplayOutcome; 9] = [
    ReplayOutcome::Moved,
    ReplayOutcome::Deleted,
    ReplayOutcome::SynchronizedMeanwhile,
    ReplayOutcome::OutsideWindow,
    ReplayOutcome::OtherMapping,
    ReplayOutcome::OtherMessage,
    ReplayOutcome::Unreadable,
    ReplayOutcome::DiedAgain,
    ReplayOutcome::NotReached,
];
/// Lines of the table at most; `--json` has every dead letter.
const LINES: usize = 40;
/// Dead letters named in a line.
const NAMED: usize = 3;
/// Why a dead letter died when nobody could note it.
const NOT_NOTED: &str = "not noted: the function ended before it could say why; see its log";

/// What dead letters of one line have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    queue: QueueName,
    outcome: ReplayOutcome,
    /// Mapping, or job of a task.
    subject: String,
    direction: String,
    why: String,
}

/// The dead letters of one line.
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
    if report.dead_letters.is_empty() {
        return "no dead letters".to_owned();
    }
    let groups = groups(&report.dead_letters);
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
            text(words(group.kind.outcome, report.dry_run)),
            number(group.count),
            text(group.oldest.map(seconds).unwrap_or_default()),
            text(group.newest.map(seconds).unwrap_or_default()),
            text(group.named.join("\n")),
        ]);
    }
    let mut lines = vec![shown.to_string()];
    if groups.len() > LINES {
        let dead_letters: usize = groups[LINES..].iter().map(|group| group.count).sum();
        lines.push(format!("and {dead_letters} letters of {} more kinds; --json has them all", groups.len() - LINES));
    }
    lines.push(sums(report));
    lines.join("\n")
}

/// Dead letters grouped by what they have in common, the largest groups of each queue first.
fn groups(dead_letters: &[ReportedDeadLetter]) -> Vec<Group> {
    let mut groups: BTreeMap<Kind, Group> = BTreeMap::new();
    for dead_letter in dead_letters {
        let kind = kind(dead_letter);
        let group = groups.entry(kind.clone()).or_insert_with(|| Group {
            kind,
            count: 0,
            oldest: None,
            newest: None,
            named: Vec::new(),
        });
        group.count += 1;
        group.oldest = group.oldest.into_iter().chain(dead_letter.sent).min();
        group.newest = group.newest.into_iter().chain(dead_letter.sent).max();
        if group.named.len() < NAMED {
            group.named.push(name(dead_letter));
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| (group.kind.queue, Reverse(group.count)));
    groups
}

fn kind(dead_letter: &ReportedDeadLetter) -> Kind {
    let noted = dead_letter.reason.clone().unwrap_or_else(|| NOT_NOTED.to_owned());
    let subject = dead_letter.mapping.as_ref().map(ToString::to_string).or_else(|| dead_letter.job.clone());
    Kind {
        queue: dead_letter.queue,
        outcome: dead_letter.outcome,
        subject: subject.unwrap_or_else(|| "–".to_owned()),
        direction: dead_letter.direction.map_or_else(|| "–".to_owned(), |direction| direction.to_string()),
        why: match &dead_letter.unreadable {
            Some(problem) => format!("it cannot be read: {problem}"),
            None => noted,
        },
    }
}

/// What a person finds a dead letter by: the record, the task, or else the message.
fn name(dead_letter: &ReportedDeadLetter) -> String {
    match (dead_letter.record, dead_letter.run, dead_letter.invocation) {
        (Some(record), _, _) => record.to_string(),
        (None, Some(run), Some(invocation)) => format!("run {run}, invocation {invocation}"),
        _ => format!("message {}", dead_letter.message_id),
    }
}

fn words(outcome: ReplayOutcome, dry_run: bool) -> &'static str {
    match outcome {
        ReplayOutcome::Moved if dry_run => "would be moved",
        ReplayOutcome::Moved => "moved",
        ReplayOutcome::Deleted if dry_run => "would be deleted",
        ReplayOutcome::Deleted => "deleted",
        ReplayOutcome::SynchronizedMeanwhile => "synchronized meanwhile",
        ReplayOutcome::OutsideWindow => "left: outside the window",
        ReplayOutcome::OtherMapping => "left: of another mapping",
        ReplayOutcome::OtherMessage => "left: another message",
        ReplayOutcome::Unreadable => "left: unreadable",
        ReplayOutcome::DiedAgain => "left: died again",
        ReplayOutcome::NotReached => "left: not reached",
    }
}

/// One line: what became of how many.
pub fn sums(report: &ReplayReport) -> String {
    let is_deleting = report.count(ReplayOutcome::Deleted) > 0;
    let parts: Vec<String> = OUTCOMES
        .into_iter()
        .map(|outcome| (outcome, report.count(outcome)))
        // Moving is what it is about: it is named even when nothing was.
        .filter(|(outcome, count)| *count > 0 || (*outcome == ReplayOutcome::Moved && !is_deleting))
        .map(|(outcome, count)| format!("{count} {}", words(outcome, report.dry_run)))
        .collect();
    let dry = if report.dry_run { " (nothing was changed)" } else { "" };
    format!("{} dead letters: {}{dry}", report.dead_letters.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use couplet_model::ids::{MappingName, RecordId, ReplayId, RunId};
    use couplet_model::message::Direction;
    use uuid::Uuid;

    use super::*;

    fn dead_letter(number: u128, outcome: ReplayOutcome, reason: Option<&str>) -> ReportedDeadLetter {
        ReportedDeadLetter {
            queue: QueueName::Records,
            outcome,
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
            invocation: None,
            brought_back_by: None,
        }
    }

    fn poison() -> ReportedDeadLetter {
        ReportedDeadLetter {
            unreadable: Some("expected value".to_owned()),
            mapping: None,
            direction: None,
            record: None,
            job: None,
            run: None,
            ..dead_letter(99, ReplayOutcome::Unreadable, None)
        }
    }

    fn report(dry_run: bool, dead_letters: Vec<ReportedDeadLetter>) -> ReplayReport {
        ReplayReport { replay: ReplayId(Uuid::nil()), dry_run, stopped: None, dead_letters }
    }

    #[test]
    fn letters_that_died_alike_are_one_line() {
        let down = Some("Dataverse is down");
        let dead_letters = vec![
            poison(),
            dead_letter(1, ReplayOutcome::Moved, down),
            dead_letter(2, ReplayOutcome::Moved, down),
            dead_letter(3, ReplayOutcome::Moved, down),
            dead_letter(4, ReplayOutcome::Moved, down),
            dead_letter(5, ReplayOutcome::SynchronizedMeanwhile, down),
            dead_letter(6, ReplayOutcome::Moved, None),
        ];
        let groups = groups(&dead_letters);
        let lines: Vec<(usize, ReplayOutcome, &str)> =
            groups.iter().map(|group| (group.count, group.kind.outcome, group.kind.why.as_str())).collect();
        assert_eq!(lines[0], (4, ReplayOutcome::Moved, "Dataverse is down"));
        assert!(lines.contains(&(1, ReplayOutcome::SynchronizedMeanwhile, "Dataverse is down")));
        assert!(lines.contains(&(1, ReplayOutcome::Moved, NOT_NOTED)));
        assert!(lines.contains(&(1, ReplayOutcome::Unreadable, "it cannot be read: expected value")));
        assert_eq!(groups[0].named.len(), NAMED);
        assert_eq!(groups[0].oldest, dead_letters[1].sent);
        assert_eq!(groups[0].newest, dead_letters[4].sent);
    }

    #[test]
    fn the_sums_name_what_there_is() {
        let dead_letters = || {
            vec![
                dead_letter(1, ReplayOutcome::Moved, None),
                dead_letter(2, ReplayOutcome::OutsideWindow, None),
                poison(),
            ]
        };
        assert!(
            render(&report(false, dead_letters()))
                .ends_with("3 dead letters: 1 moved, 1 left: outside the window, 1 left: unreadable")
        );
        assert!(render(&report(true, dead_letters())).contains("1 would be moved"));
        assert!(render(&report(true, dead_letters())).ends_with("(nothing was changed)"));
        assert_eq!(render(&report(false, Vec::new())), "no dead letters");
    }

    #[test]
    fn a_table_that_would_be_too_long_says_what_it_leaves_out() {
        let dead_letters = (0..50)
            .map(|number| dead_letter(number, ReplayOutcome::Moved, Some(&format!("reason {number}"))))
            .collect();
        let shown = render(&report(false, dead_letters));
        assert!(shown.contains("and 10 letters of 10 more kinds; --json has them all"), "{shown}");
    }

    #[test]
    fn a_task_is_named_by_its_run_and_invocation() {
        let task = ReportedDeadLetter {
            queue: QueueName::Tasks,
            record: None,
            invocation: Some(2),
            ..dead_letter(1, ReplayOutcome::Moved, None)
        };
        assert_eq!(name(&task), format!("run {}, invocation 2", RunId(Uuid::nil())));
        assert_eq!(name(&poison()), "message m99");
    }
}
