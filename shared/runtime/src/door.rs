//! The door for change notifications, as a process has it: its secret, the jobs it may start, and what it has seen.

mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;

use couplet_model::notification::ChangedTable;
use couplet_odata::ClientSecret;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::configuration::NotificationsSection;
use crate::secrets::SecretsManager;
pub(crate) use tally::{Received, Tally, Told};

/// Tables whose next early start is remembered, at most; there are fewer in any catalogue.
const MOST_REMEMBERED: usize = 1000;

/// The door of one process. Clones are the same.
#[derive(Clone)]
pub struct Notifications {
    /// Address of the door, as both systems reach it.
    pub url: Option<String>,
    /// What shows that a notification is not forged.
    pub(crate) secret: ClientSecret,
    jobs: Option<Arc<[String]>>,
    /// What was received and not told yet.
    pub(crate) tally: Arc<Mutex<Tally>>,
    /// Until when all jobs of a table are due anyway, so that the store need not be asked for each of many notifications.
    due: Arc<Mutex<BTreeMap<ChangedTable, Timestamp>>>,
}

impl Notifications {
    /// The door of these settings.
    pub fn new(section: &NotificationsSection) -> Self {
        Self {
            url: section.url.clone(),
            secret: SecretsManager::default().client_secret(&section.secret),
            jobs: section.jobs.clone().map(Into::into),
            tally: Arc::default(),
            due: Arc::default(),
        }
    }

    /// Whether a notification may start a job.
    pub fn may_start(&self, job: &str) -> bool {
        self.jobs.as_ref().is_none_or(|jobs| jobs.iter().any(|name| name.eq_ignore_ascii_case(job)))
    }

    /// Whether every job that reads this table starts later than now, so that a change that was told of now is found.
    pub(crate) fn is_due(&self, table: &ChangedTable, now: Timestamp) -> bool {
        self.due.lock().get(table).is_some_and(|due| *due > now)
    }

    /// Remembers when the jobs of a table start.
    pub(crate) fn remember(&self, table: ChangedTable, due: Timestamp) {
        let mut all = self.due.lock();
        if all.len() >= MOST_REMEMBERED {
            all.clear();
        }
        all.insert(table, due);
    }
}
