//! Who holds a pair: whether a claim that is found on a coupling still stands in the way.

use couplet_model::{Coupling, ProcessId};
use jiff::{SignedDuration, Timestamp};

/// What a claim may end later than one made now, for clocks that differ. One that ends later still was made by a clock
/// that was wrong, and would hold its pair for as long as that.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// The process of the worker.
    pub process: ProcessId,
    /// Whether no other process can be at work, so that claims of others are of processes that are gone.
    pub is_alone: bool,
    /// How long a claim lasts.
    pub longest: SignedDuration,
}

/// Until when somebody else holds the pair; `None` when it is free.
pub(crate) fn held_until(coupling: &Coupling, now: Timestamp, asking: Asking) -> Option<Timestamp> {
    let until = coupling.claimed_until.filter(|until| *until > now)?;
    // What a process that is gone was creating may still be under way, and is to be looked for when it must be there.
    let may_be_created = coupling.intent.as_ref().is_some_and(|intent| !intent.made);
    let of_a_process_that_is_gone = asking.is_alone && coupling.claimed_by != Some(asking.process) && !may_be_created;
    let of_a_wrong_clock = until.duration_since(now) > asking.longest.saturating_add(CLOCKS_DIFFER);
    (!of_a_process_that_is_gone && !of_a_wrong_clock).then_some(until)
}

#[cfg(test)]
mod tests {
    use couplet_model::coupling::{Base, Intent};
    use couplet_model::{CouplingState, DataverseId, Side, SystemId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn f14_a_claim_holds_as_long_as_its_worker_can_be_alive() {
        let now = Timestamp::UNIX_EPOCH;
        let (mine, other) = (ProcessId(Uuid::from_u128(1)), ProcessId(Uuid::from_u128(2)));
        let longest = SignedDuration::from_mins(3);
        let cases = [
            // seconds until it ends, whose, whether nobody else can be at work, seconds it is waited for
            (None, None, false, None, "no claim"),
            (Some(-1), Some(other), false, None, "it has ended"),
            (Some(170), Some(other), false, Some(170), "another function is writing"),
            (Some(170), Some(mine), false, Some(170), "another worker of this process is writing"),
            (Some(170), Some(mine), true, Some(170), "another worker of this process is writing, which is alone"),
            (Some(170), Some(other), true, None, "a process that is gone"),
            (Some(170), None, true, None, "a process of an earlier version that is gone"),
            (Some(170), None, false, Some(170), "a function of an earlier version"),
            (Some(200), Some(other), false, Some(200), "a clock that is a little ahead"),
            (Some(3600), Some(other), false, None, "a clock that was an hour ahead"),
            (Some(3600), Some(mine), true, None, "the clock of this machine was set back by an hour"),
        ];
        for (ends, by, is_alone, expected, name) in cases {
            let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
            let ids = (SystemId(Uuid::nil()), DataverseId(Uuid::nil()));
            let coupling = Coupling {
                claimed_until: ends.map(at),
                claimed_by: by,
                ..Coupling::new(ids.0, ids.1, CouplingState::Coupled)
            };
            let asking = Asking { process: mine, is_alone, longest };
            assert_eq!(held_until(&coupling, now, asking), expected.map(at), "{name}");
        }
    }

    #[test]
    fn f14_what_a_process_that_is_gone_was_creating_without_an_id_is_looked_for_only_when_it_must_be_there() {
        let now = Timestamp::UNIX_EPOCH;
        let asking =
            Asking { process: ProcessId(Uuid::from_u128(1)), is_alone: true, longest: SignedDuration::from_mins(3) };
        let until = now + SignedDuration::from_secs(170);
        let mut coupling = Coupling {
            claimed_until: Some(until),
            claimed_by: Some(ProcessId(Uuid::from_u128(2))),
            intent: Some(Intent { side: Side::BusinessCentral, at: now, base: Base::default(), made: false }),
            ..Coupling::new(SystemId(Uuid::nil()), DataverseId(Uuid::nil()), CouplingState::Reserved)
        };
        assert_eq!(held_until(&coupling, now, asking), Some(until));
        coupling.intent = None;
        assert_eq!(held_until(&coupling, now, asking), None);
    }
}
