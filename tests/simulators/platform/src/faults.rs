//! Faults that are planned: of the next requests, of every nth request, of the nth write.

use std::collections::VecDeque;
use std::time::Duration;

/// What is to happen to one request instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// 429, with a `Retry-After` header if there is a pause.
    Throttle {
        /// The pause.
        retry_after: Option<Duration>,
    },
    /// This status.
    Fail {
        /// 408, 500, 502, 503, 504, …
        status: u16,
    },
    /// 503, as everything else.
    Outage,
    /// The connection ends without an answer.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct Every {
    nth: u64,
    seen: u64,
    fault: RequestFault,
}

/// Faults of whole requests. An outage comes first, then what the next requests are to meet, then what every nth is to meet.
#[derive(Clone, Debug, Default)]
pub struct RequestFaults {
    outage: bool,
    /// Faults of the next requests, and of how many.
    next: VecDeque<(u64, RequestFault)>,
    every: Vec<Every>,
}

impl RequestFaults {
    /// Starts or ends an outage.
    pub fn set_outage(&mut self, on: bool) {
        self.outage = on;
    }

    /// Whether everything is down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.outage
    }

    /// The next `count` requests meet this fault, behind those that were planned before.
    pub fn plan(&mut self, count: u64, fault: RequestFault) {
        if count > 0 {
            self.next.push_back((count, fault));
        }
    }

    /// Every nth request from now on meets this fault; 0 ends it. There is one such count for each status.
    pub fn plan_every(&mut self, nth: u64, fault: RequestFault) {
        self.every.retain(|every| every.fault.status() != fault.status());
        if nth > 0 {
            self.every.push(Every { nth, seen: 0, fault });
        }
    }

    /// What the request that has just come in meets.
    pub fn meet(&mut self) -> Option<RequestFault> {
        if self.outage {
            return Some(RequestFault::Outage);
        }
        if let Some((count, fault)) = self.next.front_mut() {
            let fault = *fault;
            *count -= 1;
            if *count == 0 {
                self.next.pop_front();
            }
            return Some(fault);
        }
        let mut due = None;
        for every in &mut self.every {
            every.seen += 1;
            if every.seen.is_multiple_of(every.nth) {
                due = due.or(Some(every.fault));
            }
        }
        due
    }
}

impl RequestFault {
    /// The status of the answer, if there is one.
    fn status(self) -> Option<u16> {
        match self {
            RequestFault::Throttle { .. } => Some(429),
            RequestFault::Fail { status } => Some(status),
            RequestFault::Outage => Some(503),
            RequestFault::Cut => None,
        }
    }
}

/// Faults of writes, each of one write counted from when it was planned.
#[derive(Clone, Debug)]
pub struct WritePlan<F> {
    planned: Vec<(u64, F)>,
}

impl<F> Default for WritePlan<F> {
    fn default() -> Self {
        Self { planned: Vec::new() }
    }
}

impl<F> WritePlan<F> {
    /// The nth write from now meets this fault; 1 is the next.
    pub fn plan(&mut self, nth: u64, fault: F) {
        self.planned.push((nth.max(1), fault));
    }

    /// What the write that is about to be carried out meets. Of two faults planned for the same write, the first.
    pub fn meet(&mut self) -> Option<F> {
        for (countdown, _) in &mut self.planned {
            *countdown -= 1;
        }
        let at = self.planned.iter().position(|(countdown, _)| *countdown == 0);
        let fault = at.map(|at| self.planned.remove(at).1);
        self.planned.retain(|(countdown, _)| *countdown > 0);
        fault
    }

    /// Forgets what is planned.
    pub fn clear(&mut self) {
        self.planned.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: RequestFault = RequestFault::Throttle { retry_after: Some(Duration::from_secs(3)) };
    const DOWN: RequestFault = RequestFault::Fail { status: 500 };

    #[test]
    fn planned_requests_meet_their_faults_in_the_order_of_the_plan() {
        let mut faults = RequestFaults::default();
        faults.plan(2, PAUSE);
        faults.plan(0, DOWN);
        faults.plan(1, DOWN);
        faults.set_outage(true);
        assert_eq!(faults.meet(), Some(RequestFault::Outage));
        faults.set_outage(false);
        let met: Vec<_> = (0..4).map(|_| faults.meet()).collect();
        assert_eq!(met, [Some(PAUSE), Some(PAUSE), Some(DOWN), None]);
    }

    #[test]
    fn every_nth_request_meets_a_fault_until_that_is_ended() {
        let mut faults = RequestFaults::default();
        faults.plan_every(2, PAUSE);
        faults.plan_every(3, DOWN);
        let met: Vec<_> = (0..6).map(|_| faults.meet()).collect();
        assert_eq!(met, [None, Some(PAUSE), Some(DOWN), Some(PAUSE), None, Some(PAUSE)]);
        faults.plan_every(0, PAUSE);
        faults.plan_every(0, DOWN);
        assert!((0..6).all(|_| faults.meet().is_none()));
    }

    #[test]
    fn a_write_meets_what_was_planned_for_it() {
        let mut plan = WritePlan::default();
        plan.plan(2, "second");
        plan.plan(0, "next");
        plan.plan(2, "never, the write is taken");
        assert_eq!((plan.meet(), plan.meet(), plan.meet()), (Some("next"), Some("second"), None));
    }
}
