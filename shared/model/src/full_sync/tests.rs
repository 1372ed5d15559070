use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::catalogue::MappingDirection;
use crate::job::{Job, JobState, Run, Trigger};

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().expect("a time")
}

fn facts(ours: u64, theirs: u64, coupled: u64) -> Facts {
    let sighted = |records| Sighted { records, or_more: false };
    Facts { business_central: sighted(ours), dataverse: sighted(theirs), coupled }
}

fn line(name: &str, dependencies: &[&str], state: LineState) -> Line {
    let dependencies = dependencies.iter().map(|name| MappingName::from(*name)).collect();
    let said = (Recommendation::Full, "a test says so".to_owned());
    Line { state, ..Line::new(MappingName::from(name), dependencies, facts(1, 0, 0), said) }
}

fn plan(lines: Vec<Line>) -> Plan {
    Plan { going: RunId::fresh(), started: now(), stopped: None, lines }
}

fn names(begins: &[Begin]) -> Vec<&str> {
    begins.iter().map(|begin| begin.mapping.as_str()).collect()
}

fn run(found: bool, finished: bool) -> Run {
    let at = |yes: bool| yes.then(now);
    Run { found: at(found), finished: at(finished), ..Run::begun(RunId::fresh(), "A", Trigger::Full, now()) }
}

#[test]
fn r171_r173_r174_r170_what_is_recommended_follows_from_what_both_sides_hold() {
    use MappingDirection::{Bidirectional, FromDataverse, ToDataverse};
    use Recommendation::{Couple, Full, NoRecords, None as Nothing};
    let key = Some("records find their partners by the same name");
    for (ours, theirs, coupled, direction, keyed, expected) in [
        (0, 0, 0, Bidirectional, None, NoRecords),
        (5, 0, 0, Bidirectional, None, Full),
        (0, 5, 0, Bidirectional, None, Full),
        (5, 5, 0, Bidirectional, None, Couple),
        (5, 5, 0, ToDataverse, key, Full),
        // What is left to do later.
        (5, 5, 5, Bidirectional, None, Nothing),
        (7, 5, 5, Bidirectional, None, Full),
        (5, 7, 5, Bidirectional, None, Full),
        (7, 7, 5, Bidirectional, None, Couple),
        // What cannot travel is no reason to begin.
        (0, 5, 0, ToDataverse, None, Nothing),
        (5, 0, 0, FromDataverse, None, Nothing),
        (5, 7, 5, ToDataverse, None, Nothing),
    ] {
        let (found, why) = recommend(&facts(ours, theirs, coupled), direction, keyed);
        assert_eq!(found, expected, "{ours} {theirs} {coupled} {direction:?}: {why}");
        assert!(!why.is_empty());
    }
}

#[test]
fn r171_a_system_that_counts_no_further_is_not_taken_to_have_no_more() {
    let many = Sighted { records: 5_000, or_more: true };
    let seen = Facts { business_central: facts(9_000, 0, 0).business_central, dataverse: many, coupled: 9_000 };
    let (found, why) = recommend(&seen, MappingDirection::Bidirectional, None);
    assert_eq!(found, Recommendation::Full, "{why}");
    assert!(why.contains("Dataverse counts its records no further"), "{why}");
    let none = Facts { coupled: 10, ..seen };
    assert_eq!(recommend(&none, MappingDirection::Bidirectional, None).0, Recommendation::Couple);
}

#[test]
fn c_069_c_072_r169_lines_that_have_begun_stay_and_others_are_generated_anew() {
    let generated = || vec![line("CURRENCY", &[], LineState::Waiting), line("SALESPEOPLE", &[], LineState::Waiting)];
    for (state, kept) in [
        (LineState::Waiting, &[][..]),
        (LineState::InProcess, &["CURRENCY"]),
        (LineState::Finished, &["CURRENCY"]),
        (LineState::Failed, &["CURRENCY"]),
    ] {
        let standing = plan(vec![line("SALESPEOPLE", &["CURRENCY"], state)]);
        let lines = merged(Some(&standing), generated());
        let found: Vec<(&str, LineState)> = lines.iter().map(|line| (line.mapping.as_str(), line.state)).collect();
        assert_eq!(found, [("CURRENCY", LineState::Waiting), ("SALESPEOPLE", state)]);
        let dependencies: Vec<&str> = lines[1].dependencies.iter().map(MappingName::as_str).collect();
        assert_eq!(dependencies, kept, "{state:?}");
    }
    // A line that is not meant this time, but has begun, stays as well.
    let standing = plan(vec![line("VENDOR", &[], LineState::Finished), line("CONTACT", &[], LineState::Waiting)]);
    let lines = merged(Some(&standing), generated());
    assert_eq!(
        lines.iter().map(|line| line.mapping.as_str()).collect::<Vec<_>>(),
        ["VENDOR", "CURRENCY", "SALESPEOPLE"]
    );
}

#[test]
fn c_078_r176_a_line_begins_when_all_before_it_have_ended() {
    use LineState::{Finished, InProcess, Waiting};
    let settings = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT"];
    let mut lines: Vec<Line> = settings.iter().map(|name| line(name, &[], Finished)).collect();
    lines.extend([
        Line { asked: Some(now()), ..line("UNIT OF MEASURE", &[], InProcess) },
        line("ITEM-PRODUCT", &["UNIT OF MEASURE"], Finished),
        line("RESOURCE-PRODUCT", &["UNIT OF MEASURE"], Waiting),
        line("CUSTPRCGRP-PRICE", &["CURRENCY", "ITEM-PRODUCT"], Waiting),
        line("CUSTOMER", &settings, Waiting),
        line("VENDOR", &settings, Waiting),
        line("CONTACT", &["CUSTOMER", "VENDOR"], Waiting),
        line("SALESPRC-PRODPRICE", &["CUSTPRCGRP-PRICE", "ITEM-PRODUCT"], Waiting),
    ]);
    let mut plan = plan(lines);
    let begins = advance(&mut plan, &HashMap::new(), now());
    assert_eq!(names(&begins), ["CUSTPRCGRP-PRICE", "CUSTOMER", "VENDOR"]);
    let waiting: Vec<&str> =
        plan.lines.iter().filter(|line| line.state == Waiting).map(|line| line.mapping.as_str()).collect();
    assert_eq!(waiting, ["RESOURCE-PRODUCT", "CONTACT", "SALESPRC-PRODPRICE"]);
    let before = plan.clone();
    assert_eq!((advance(&mut plan, &HashMap::new(), now()), plan), (Vec::new(), before), "asked again, nothing begins");
}

#[test]
fn r176_r177_r178_r185_nobody_waits_for_a_line_that_has_nothing_to_do_or_is_not_there() {
    for recommendation in [Recommendation::NoRecords, Recommendation::None] {
        let idle = Line { recommendation, ..line("A", &[], LineState::Waiting) };
        let mut plan = plan(vec![idle, line("B", &["A", "SOMETHING ELSE"], LineState::Waiting)]);
        assert_eq!(names(&advance(&mut plan, &HashMap::new(), now())), ["B"]);
        assert!(!plan.stands());
    }
    let failed = line("A", &[], LineState::Failed);
    let mut plan = plan(vec![failed, line("B", &["A"], LineState::Waiting)]);
    assert!(advance(&mut plan, &HashMap::new(), now()).is_empty(), "R177: a parent in Error blocks");
    assert!(plan.stands() && !plan.is_finished());
    let (first, _) = plan.lines.split_first_mut().expect("a line");
    assert!(restart(first));
    assert_eq!(names(&advance(&mut plan, &HashMap::new(), now())), ["A"], "R185");
}

#[test]
fn a_stopped_plan_begins_nothing_and_its_lines_come_to_their_end() {
    let ended = run(true, true);
    let busy = Line { run: Some(ended.id), asked: Some(now()), ..line("A", &[], LineState::InProcess) };
    let mut plan = Plan { stopped: Some(now()), ..plan(vec![busy, line("B", &["A"], LineState::Waiting)]) };
    assert!(!plan.stands());
    let known = HashMap::from([(MappingName::from("A"), LineFacts { run: Some(ended), job: None })]);
    assert!(advance(&mut plan, &known, now()).is_empty());
    assert_eq!((plan.lines[0].state, plan.lines[1].state), (LineState::Finished, LineState::Waiting));
    assert!(plan.stands());
    plan.stopped = None;
    assert_eq!(names(&advance(&mut plan, &known, now())), ["B"]);
}

/// What becomes of a line under way, given its run and its job: its state, and whether its run is asked for again.
#[test]
fn r177_r180_r186_r187_how_a_line_goes_on() {
    let minute = SignedDuration::from_mins(1);
    let job = |run: &Run, state, lease: SignedDuration| Job {
        state,
        run: Some(run.id),
        lease_until: Some(now() + lease),
        full_since: Some(now()),
        ..Job::new("A")
    };
    let (busy, sought, done, broken) = (run(false, false), run(true, false), run(true, true), run(false, true));
    let other = run(false, false);
    let failed_records = Run { counters: Counters { failed: 2, ..Counters::default() }, ..done.clone() };
    use LineState::{Failed, Finished, InProcess};
    for (name, run, job, attempts, later, expected) in [
        ("asked for just now", None, None, 1, minute, (InProcess, false)),
        ("lost on the way", None, None, 1, minute * 6, (InProcess, true)),
        ("at work", Some(&busy), Some(job(&busy, JobState::InProcess, minute)), 1, minute, (InProcess, false)),
        (
            "a worker died",
            Some(&busy),
            Some(job(&busy, JobState::InProcess, -minute)),
            1,
            minute * 6,
            (InProcess, true),
        ),
        ("its records travel", Some(&sought), None, 1, minute, (InProcess, false)),
        ("its records are lost", Some(&sought), None, 1, minute * 60 * 25, (Failed, false)),
        ("ended", Some(&done), None, 1, minute, (Finished, false)),
        ("ended, all its records failed", Some(&failed_records), None, 1, minute, (Finished, false)),
        ("failed as a whole", Some(&broken), None, 1, minute, (InProcess, true)),
        ("failed just now", Some(&broken), None, 1, SignedDuration::ZERO, (InProcess, false)),
        ("failed three times", Some(&broken), None, 3, minute * 5, (Failed, false)),
        (
            "taken up by a timer",
            Some(&broken),
            Some(job(&other, JobState::InProcess, minute)),
            3,
            minute,
            (InProcess, false),
        ),
    ] {
        let under_way =
            Line { run: run.map(|run| run.id), asked: Some(now()), attempts, ..line("A", &[], LineState::InProcess) };
        let mut plan = plan(vec![under_way]);
        let known = HashMap::from([(MappingName::from("A"), LineFacts { run: run.cloned(), job })]);
        let begins = advance(&mut plan, &known, now() + later);
        assert_eq!((plan.lines[0].state, !begins.is_empty()), expected, "{name}");
        if name == "taken up by a timer" {
            assert_eq!(plan.lines[0].run, Some(other.id), "{name}");
        }
    }
}

#[test]
fn r179_a_line_begins_once_however_often_its_task_comes() {
    let under_way = line("A", &[], LineState::InProcess);
    let on_hold = Some(Job { state: JobState::OnHold, ..Job::new("A") });
    let begun = Line { run: Some(RunId::fresh()), attempts: 1, ..under_way.clone() };
    for (line, run, job, expected) in [
        (under_way.clone(), None, None, true),
        (begun.clone(), Some(run(false, false)), None, true),
        (begun.clone(), Some(run(true, false)), None, false),
        (begun.clone(), Some(run(true, true)), None, false),
        (begun.clone(), Some(run(false, true)), None, false),
        (Line { recommendation: Recommendation::Couple, ..under_way.clone() }, None, None, false),
        (line("A", &[], LineState::Waiting), None, None, false),
        (line("A", &[], LineState::Finished), None, None, false),
        // A job that was on hold before is run; one that was put on hold since is not.
        (under_way, None, on_hold.clone(), true),
        (Line { on_hold: true, ..begun.clone() }, Some(run(false, false)), on_hold.clone(), true),
        (begun, Some(run(false, false)), on_hold, false),
    ] {
        let state = line.state;
        let facts = LineFacts { run, job };
        assert_eq!(must_begin_again(&line, &facts), expected, "{state:?} {facts:?}");
    }
}
