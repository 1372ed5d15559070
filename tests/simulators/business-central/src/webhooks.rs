//! Webhook subscriptions and the notifications that are due.

mod delivery;
mod subscriptions;

pub(crate) use delivery::deliver;
pub(crate) use subscriptions::{answer, supported_resources};

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::schema::{Route, TableId, schema};
use crate::store::{Change, ChangeKind};

/// Changes of one entity beyond which a notification names the collection only.
const MOST_SINGLE_CHANGES: usize = 1000;

/// Most subscriptions of an environment.
const MOST_SUBSCRIPTIONS: usize = 200;

/// One subscription.
#[derive(Clone, Debug)]
struct Subscription {
    id: String,
    url: String,
    /// As given: `/api/v2.0/companies(...)/customers`.
    resource: String,
    route: Route,
    table: TableId,
    client_state: String,
    created: Timestamp,
    modified: Timestamp,
    expires: Timestamp,
    version: u64,
    pending: Option<Pending>,
}

/// Changes that wait to be announced.
#[derive(Clone, Debug)]
struct Pending {
    due: Instant,
    first: Timestamp,
    attempts: usize,
    /// Per record in the order of their ids: what happened in sum, and when last.
    changes: BTreeMap<Uuid, (ChangeKind, Timestamp)>,
    /// Too many to be named.
    collection: bool,
}

/// All subscriptions of the environment.
pub(crate) struct Webhooks {
    subscriptions: Mutex<BTreeMap<String, Subscription>>,
    changed: Notify,
    http: reqwest::Client,
}

impl Webhooks {
    pub(crate) fn new() -> reqwest::Result<Self> {
        // A receiver on loopback has a certificate nobody else knows.
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .tls_danger_accept_invalid_certs(true)
            .no_proxy()
            .build()?;
        Ok(Self { subscriptions: Mutex::default(), changed: Notify::new(), http })
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Subscription>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes changes for the subscriptions of their entities; the first one starts the delay.
    pub(crate) fn note(&self, changes: &[Change], delay: Duration) {
        if changes.is_empty() {
            return;
        }
        let mut all = self.all();
        if all.is_empty() {
            return;
        }
        for change in changes {
            for subscription in all
                .values_mut()
                .filter(|subscription| subscription.table == change.table && subscription.expires > change.at)
            {
                let pending = subscription.pending.get_or_insert_with(|| Pending {
                    due: Instant::now() + delay,
                    first: change.at,
                    attempts: 0,
                    changes: BTreeMap::new(),
                    collection: false,
                });
                if pending.collection {
                    continue;
                }
                let kind =
                    pending.changes.get(&change.id).map_or(change.kind, |(earlier, _)| merged(*earlier, change.kind));
                pending.changes.insert(change.id, (kind, change.at));
                if pending.changes.len() > MOST_SINGLE_CHANGES {
                    pending.collection = true;
                    pending.changes.clear();
                }
            }
        }
        drop(all);
        self.changed.notify_one();
    }
}

/// Two changes of one record become one.
fn merged(earlier: ChangeKind, later: ChangeKind) -> ChangeKind {
    match (earlier, later) {
        (ChangeKind::Created, ChangeKind::Updated) => ChangeKind::Created,
        (_, later) => later,
    }
}

/// The entity sets that can be subscribed to, by route. Pages of the companion app qualify as custom API pages with one key do.
fn can_be_subscribed(route: Route, table: TableId) -> bool {
    const STANDARD: &[&str] = &[
        "companyInformation",
        "countriesRegions",
        "currencies",
        "customers",
        "items",
        "paymentMethods",
        "paymentTerms",
        "salesCreditMemos",
        "salesInvoices",
        "salesOrders",
        "salesQuotes",
        "shipmentMethods",
        "unitsOfMeasure",
        "vendors",
    ];
    match (route, schema().table(table).set(route)) {
        (Route::Standard, Some(set)) => STANDARD.contains(&set.name.as_str()),
        (Route::Companion, Some(_)) => true,
        (_, None) => false,
    }
}
