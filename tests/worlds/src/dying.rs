//! Workers that die at a moment of their work: at a failpoint, or before or after anything they write to either system.
//!
//! A test lets one worker die at the first moment, another at the second, and so on until one reaches the end of its work. So it
//! meets every moment there is, also those that were added after the test was written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use couplet_engine::{Delivery, Engine, EngineOptions, Failpoint, Failpoints};
use couplet_model::facts::{Sight, TableFacts};
use couplet_model::full_sync::Sighted;
use couplet_model::system::{Action, ChangePage, ChangesQuery, Installation, Resume, Write, Written};
use couplet_model::table::{Side, Table};
use couplet_model::{Filter, ProcessId, Record, RecordId, System, SystemError};
use tokio::sync::Notify;

use crate::world::World;

/// A moment of a worker's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A failpoint.
    At(Failpoint),
    /// Something is about to be asked of a system; it was not sent.
    Before(String),
    /// A system has done it; the answer never arrived.
    After(String),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(failpoint) => write!(f, "at {failpoint:?}"),
            Self::Before(what) => write!(f, "before {what}"),
            Self::After(what) => write!(f, "after {what}"),
        }
    }
}

/// The life of one worker.
#[derive(Clone)]
pub struct Life(Arc<Inner>);

struct Inner {
    ends_with: usize,
    passed: AtomicUsize,
    is_over: AtomicBool,
    end: Notify,
    moments: Mutex<Vec<Moment>>,
}

impl Life {
    /// A life that ends with the moment of this number, counted from one.
    #[must_use]
    pub fn until(ends_with: usize) -> Self {
        Self(Arc::new(Inner {
            ends_with,
            passed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            end: Notify::new(),
            moments: Mutex::default(),
        }))
    }

    /// A life that nothing ends.
    #[must_use]
    pub fn long() -> Self {
        Self::until(usize::MAX)
    }

    /// Passes a moment; whether this life is over then.
    fn passes(&self, moment: Moment) -> bool {
        if self.is_over() {
            return true;
        }
        let passed = self.0.passed.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.moments.lock().unwrap_or_else(PoisonError::into_inner).push(moment);
        let ends = passed == self.0.ends_with;
        if ends {
            self.0.is_over.store(true, Ordering::SeqCst);
            self.0.end.notify_one();
        }
        ends
    }

    /// Whether the worker is dead.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::SeqCst)
    }

    /// The moments so far; the last one was that of its death, if it is dead.
    #[must_use]
    pub fn moments(&self) -> Vec<Moment> {
        self.0.moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A system as a worker reaches it while it lives. A dead worker asks nothing and hears nothing.
struct Reached {
    system: Arc<dyn System>,
    life: Life,
}

impl Reached {
    async fn pass(&self, moment: Moment) {
        if self.life.passes(moment) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl System for Reached {
    fn side(&self) -> Side {
        self.system.side()
    }

    async fn installation(&self) -> Result<Installation, SystemError> {
        self.system.installation().await
    }

    fn requests(&self) -> u64 {
        self.system.requests()
    }

    fn takes_ids(&self, table: &Table) -> bool {
        self.system.takes_ids(table)
    }

    async fn act(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        let Some(first) = actions.first() else { return self.system.act(table, actions).await };
        let what = format!("{} of {}", first.name, table.name);
        self.pass(Moment::Before(what.clone())).await;
        let results = self.system.act(table, actions).await;
        self.pass(Moment::After(what)).await;
        results
    }

    async fn changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        self.system.changes(query, from).await
    }

    async fn fetch(&self, table: &Table, ids: &[RecordId], columns: &[String]) -> Result<Vec<Record>, SystemError> {
        self.system.fetch(table, ids, columns).await
    }

    async fn find(&self, table: &Table, filter: &Filter, columns: &[String]) -> Result<Vec<Record>, SystemError> {
        self.system.find(table, filter, columns).await
    }

    async fn count(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        self.system.count(table, filter).await
    }

    async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        if writes.is_empty() {
            return self.system.write(table, writes).await;
        }
        let what = format!("writing {}", table.name);
        self.pass(Moment::Before(what.clone())).await;
        let results = self.system.write(table, writes).await;
        self.pass(Moment::After(what)).await;
        results
    }

    async fn facts(&self, table: &Table) -> Result<Arc<TableFacts>, SystemError> {
        self.system.facts(table).await
    }

    async fn look_again(&self, table: &Table, columns: &[String]) -> Result<BTreeMap<String, Sight>, SystemError> {
        self.system.look_again(table, columns).await
    }
}

impl World {
    /// An engine in a process of its own that works as long as this life lasts.
    #[must_use]
    pub fn living_engine(&self, life: &Life, options: EngineOptions) -> Engine {
        let dies_at = life.clone();
        let failpoints = Failpoints::new(move |failpoint| dies_at.passes(Moment::At(failpoint)));
        let options = EngineOptions { failpoints, process: ProcessId::fresh(), ..options };
        self.engine_behind(options, &|system| Arc::new(Reached { system, life: life.clone() }))
    }

    /// Lets a worker work on deliveries as long as it lives. What it has been given is not deleted when it dies.
    pub async fn work_for_life(&self, life: &Life, deliveries: Vec<Delivery>, options: EngineOptions) {
        let engine = self.living_engine(life, options);
        tokio::select! {
            biased;
            () = life.0.end.notified() => {}
            _ = engine.sync_batch(deliveries) => {}
        }
    }
}
