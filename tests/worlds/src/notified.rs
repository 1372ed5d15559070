//! An installation that both systems tell of changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use business_central_simulator::DemoSize;
use couplet_engine::SubscriptionsStatus;
use couplet_local::Door;
use couplet_model::Clock;
use couplet_model::job::{Run, Trigger};
use couplet_runtime::configuration::NotificationsSection;
use couplet_runtime::handlers::{Keeping, keep_subscriptions};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::installed::Installed;
use crate::systems::Systems;

/// How soon Business Central tells of a change.
const GATHERING: Duration = Duration::from_millis(20);
/// Longest time for a change to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// An installation, and its door.
pub struct Notified {
    /// The installation.
    pub installed: Installed,
    /// Its door; dropped, nobody answers.
    pub door: Door,
    ahead: Arc<AtomicI64>,
}

impl Notified {
    /// What shows that a notification is not forged.
    pub const SECRET: &str = "an untold secret, and long enough to be one";

    /// Installs between a company of this size and the usual organization, and opens the door. Nobody is subscribed yet.
    pub async fn start(size: DemoSize) -> Self {
        let ahead = Arc::new(AtomicI64::new(0));
        let told = Arc::clone(&ahead);
        let clock = Clock::new(move || Timestamp::now() + SignedDuration::from_secs(told.load(Ordering::Relaxed)));
        let section = NotificationsSection {
            url: None,
            secret: Self::SECRET.into(),
            listen: NotificationsSection::LISTEN,
            jobs: None,
        };
        let change = |settings: &mut couplet_runtime::Settings| settings.notifications = Some(section);
        let mut installed = Installed::start_by(Systems::start(size).await, clock, change).await;
        installed.business_central.faults().set_webhook_delay(GATHERING);
        let door = Self::open(&installed).await;
        if let Some(notifications) = &mut installed.application.notifications {
            notifications.url = Some(door.url());
        }
        Self { installed, door, ahead }
    }

    /// A door of an installation, at a port of its own.
    pub async fn open(installed: &Installed) -> Door {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Door::open(installed.application.clone(), any_port).await.expect("the door opens")
    }

    /// Lets time pass for Couplet; both systems keep theirs.
    pub fn pass(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Keeps the subscriptions, as the timer does.
    pub async fn keep(&self) -> SubscriptionsStatus {
        let kept = keep_subscriptions(&self.installed.application, Keeping::Renew).await;
        kept.expect("the subscriptions are kept")
    }

    /// Brings messages to the handlers until something is so.
    ///
    /// # Panics
    /// When it does not come to be.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let (end, stop) = watch::channel(false);
        let look = async {
            let mut looks = tokio::time::interval(LOOK);
            while !is_so().await {
                looks.tick().await;
            }
        };
        let seen = async {
            let seen = tokio::time::timeout(PATIENCE, look).await;
            end.send_replace(true);
            seen
        };
        let (seen, ()) = tokio::join!(seen, self.installed.serve(&stop));
        assert!(seen.is_ok(), "in vain: {what}");
    }

    /// The runs of a job that a notification started, the newest first.
    pub async fn early_runs(&self, job: &str) -> Vec<Run> {
        let (store, company) = (self.installed.store(), self.installed.company());
        let runs = store.runs(company, job, usize::MAX).await.expect("the store answers");
        runs.into_iter().filter(|run| run.trigger == Trigger::Notification).collect()
    }
}
