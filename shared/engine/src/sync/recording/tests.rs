//! What is told of which end, as a table.

use couplet_model::message::Partner;
use couplet_model::outcome::{DataFailure, Dependency, IgnoreReason, Need};

use super::*;

fn facts(outcome: &Outcome) -> Facts<'_> {
    Facts {
        outcome,
        told: None,
        wish: None,
        is_asked_for: false,
        is_told: false,
        is_matched: false,
        is_restored: false,
        earlier: None,
        source_wins: false,
        writes: false,
        writes_lines: false,
        ends_failure: false,
    }
}

/// What is told of an end with these facts beside it.
fn with(outcome: &Outcome, change: &dyn Fn(&mut Facts<'_>)) -> Option<(HistoryOutcome, Cause)> {
    let mut facts = facts(outcome);
    change(&mut facts);
    told(&facts)
}

/// What is told of the end of a record of which a person wanted this.
fn asked(outcome: &Outcome, wish: &Wish) -> Option<(HistoryOutcome, Cause)> {
    told(&Facts { wish: Some(wish), is_asked_for: true, writes: *outcome == Outcome::Modified, ..facts(outcome) })
}

#[test]
fn every_end_that_matters_is_told_with_its_cause_and_a_quiet_one_is_not() {
    use HistoryOutcome as Told;
    let ignored = Outcome::Ignored(IgnoreReason::NotCoupled);
    let failed = Outcome::Failed(DataFailure::new("too long"));
    let dependency = Dependency { mapping: "CURRENCY".into(), side: Side::BusinessCentral, key: "EUR".into() };
    let need = Need { dependency, field: "Currency".into(), value: "EUR".into() };
    let (waits, in_vain) = (Outcome::Waiting(need.clone()), Outcome::WaitingInVain(need));
    let conflict = Outcome::Conflict(Vec::new());
    let (inserted, modified, unchanged) = (Outcome::Inserted, Outcome::Modified, Outcome::Unchanged);
    let resolve = Wish::Resolve(couplet_model::message::Resolution::default());
    let couple = Wish::CoupleOnly(Partner { record: RecordId(uuid::Uuid::nil()), seen: None });
    let (skip, unskip, leave) = (Wish::Skip, Wish::Unskip, Wish::LeaveCompany);
    let some = |outcome, cause| Some((outcome, cause));
    for (name, found, expected) in [
        ("a new record", with(&inserted, &|_| {}), some(Told::Inserted, Cause::NewRecord)),
        ("made again", with(&inserted, &|facts| facts.is_restored = true), some(Told::Inserted, Cause::Restored)),
        (
            "made by an attempt that broke off",
            with(&unchanged, &|facts| facts.earlier = Some(Earlier::Created)),
            some(Told::Inserted, Cause::NewRecord),
        ),
        ("changed", with(&modified, &|facts| facts.writes = true), some(Told::Modified, Cause::Changed)),
        (
            "forced",
            with(&modified, &|facts| (facts.writes, facts.source_wins) = (true, true)),
            some(Told::Modified, Cause::SourceWins),
        ),
        (
            "matched and written",
            with(&modified, &|facts| (facts.writes, facts.is_matched) = (true, true)),
            some(Told::Modified, Cause::Matched),
        ),
        ("matched and alike", with(&unchanged, &|facts| facts.is_matched = true), some(Told::Coupled, Cause::Matched)),
        ("a line", with(&modified, &|facts| facts.writes_lines = true), some(Told::Modified, Cause::Lines)),
        ("something beside it", with(&modified, &|_| {}), some(Told::Modified, Cause::Beside)),
        (
            "written by an attempt that broke off",
            with(&unchanged, &|facts| facts.earlier = Some(Earlier::Wrote)),
            some(Told::Modified, Cause::EarlierAttempt),
        ),
        ("nothing to do", with(&unchanged, &|_| {}), None),
        (
            "nothing to do any more",
            with(&unchanged, &|facts| facts.ends_failure = true),
            some(Told::Unchanged, Cause::FailureOver),
        ),
        (
            "asked for, nothing to do",
            with(&unchanged, &|facts| facts.is_asked_for = true),
            some(Told::Unchanged, Cause::AskedFor),
        ),
        (
            "asked for, and delivered again after it was told",
            with(&unchanged, &|facts| (facts.is_asked_for, facts.is_told) = (true, true)),
            None,
        ),
        ("left alone", with(&ignored, &|_| {}), None),
        ("uncoupled twice", asked(&ignored, &Wish::Uncouple), None),
        (
            "asked for and left alone",
            with(&ignored, &|facts| facts.is_asked_for = true),
            some(Told::Ignored, Cause::AskedFor),
        ),
        (
            "deleted, and its partner stays",
            with(&ignored, &|facts| facts.told = Some(Cause::SourceDeleted)),
            some(Told::Ignored, Cause::SourceDeleted),
        ),
        ("skipped before", with(&Outcome::Skipped, &|_| {}), None),
        ("skipped by a person", asked(&Outcome::Skipped, &skip), some(Told::Skipped, Cause::SkippedByPerson)),
        ("brought back", asked(&modified, &unskip), some(Told::Modified, Cause::Unskipped)),
        ("brought back, nothing to do", asked(&unchanged, &unskip), some(Told::Unchanged, Cause::Unskipped)),
        ("settled", asked(&modified, &resolve), some(Told::Modified, Cause::Settled)),
        ("off the company", asked(&modified, &leave), some(Told::Modified, Cause::LeftCompany)),
        ("coupled by a person", asked(&unchanged, &couple), some(Told::Unchanged, Cause::CoupledByPerson)),
        ("uncoupled", with(&Outcome::Uncoupled, &|_| {}), some(Told::Uncoupled, Cause::UncoupledByPerson)),
        ("a conflict", with(&conflict, &|_| {}), some(Told::Conflict, Cause::BothSides)),
        ("a failure", with(&failed, &|_| {}), some(Told::Failed, Cause::NotPossible)),
        (
            "a failure for a deleted partner",
            with(&failed, &|facts| facts.told = Some(Cause::PartnerDeleted)),
            some(Told::Failed, Cause::PartnerDeleted),
        ),
        ("a wait", with(&waits, &|_| {}), some(Told::Waiting, Cause::Needs)),
        ("a wait in vain", with(&in_vain, &|_| {}), some(Told::WaitingInVain, Cause::Needs)),
    ] {
        assert_eq!(found, expected, "{name}");
    }
}
