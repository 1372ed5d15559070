//! Sends the notifications that are due, and tries again where a receiver fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde_json::{Value, json};
use simulator_platform::Delivering;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Pending, Subscription, Webhooks};
use crate::schema::schema;
use crate::store::ChangeKind;

/// Minutes between attempts.
const RETRY_MINUTES: &[u32] = &[1, 1, 1, 10, 100];

/// A subscription whose turn it is: its id and what was taken from it.
type Due = (String, Pending);

/// A notification that is held back so that a later one overtakes it.
struct Held {
    until: Instant,
    url: String,
    values: Vec<Value>,
    due: Vec<Due>,
}

/// Sends notifications for ever. `delay` is the present delay before a notification; a retry minute is two of them, as it is in the
/// real service with its 30 seconds. `draw` says how the next one is delivered.
pub(crate) async fn deliver(
    webhooks: &Webhooks,
    company: Uuid,
    delay: impl Fn() -> Duration,
    draw: impl Fn() -> Delivering,
) -> Infallible {
    let mut held: Vec<Held> = Vec::new();
    loop {
        let next = webhooks
            .all()
            .values()
            .filter_map(|subscription| subscription.pending.as_ref())
            .map(|pending| pending.due)
            .chain(held.iter().map(|late| late.until))
            .min();
        let changed = webhooks.changed.notified();
        match next {
            None => changed.await,
            Some(due) => {
                tokio::select! {
                    () = tokio::time::sleep_until(due) => send_due(webhooks, company, delay(), &draw, &mut held).await,
                    () = changed => {}
                }
            }
        }
    }
}

async fn send_due(
    webhooks: &Webhooks,
    company: Uuid,
    delay: Duration,
    draw: &impl Fn() -> Delivering,
    held: &mut Vec<Held>,
) {
    let now = Instant::now();
    let mut by_url: BTreeMap<String, (Vec<Value>, Vec<Due>)> = BTreeMap::new();
    for subscription in webhooks.all().values_mut() {
        if let Some(pending) = subscription.pending.take_if(|pending| pending.due <= now) {
            let (values, due) = by_url.entry(subscription.url.clone()).or_default();
            values.extend(notices(subscription, &pending, company));
            due.push((subscription.id.clone(), pending));
        }
    }
    for (url, (values, due)) in by_url {
        match draw() {
            Delivering::Once => post(webhooks, &url, &values, due, delay).await,
            Delivering::Twice => {
                post(webhooks, &url, &values, Vec::new(), delay).await;
                post(webhooks, &url, &values, due, delay).await;
            }
            Delivering::Never => {}
            // Long enough for the next notification to go first.
            Delivering::Late => held.push(Held { until: now + delay * 2 + LONGEST_HOLD, url, values, due }),
        }
    }
    for late in held.extract_if(.., |late| late.until <= now).collect::<Vec<_>>() {
        post(webhooks, &late.url, &late.values, late.due, delay).await;
    }
}

/// How long a notification is held back beyond the usual delay.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

async fn post(webhooks: &Webhooks, url: &str, values: &[Value], due: Vec<Due>, delay: Duration) {
    let id = Uuid::new_v4().to_string();
    let request = webhooks
        .http
        .post(url)
        .header("content-type", "application/json")
        .header("clientRequestId", &id)
        .header("x-ms-correlation-id", &id);
    let status =
        request.body(json!({"value": values}).to_string()).send().await.map(|reply| reply.status().as_u16()).ok();
    match status {
        Some(200..=299) => {}
        None | Some(408 | 429 | 500..=599) => put_back(webhooks, due, delay),
        Some(_) => {
            let mut all = webhooks.all();
            for (id, _) in due {
                all.remove(&id);
            }
        }
    }
}

/// The changes wait for the next attempt, together with what has happened since.
fn put_back(webhooks: &Webhooks, due: Vec<Due>, delay: Duration) {
    let mut all = webhooks.all();
    for (id, mut pending) in due {
        let Some(minutes) = RETRY_MINUTES.get(pending.attempts) else { continue };
        let Some(subscription) = all.get_mut(&id) else { continue };
        pending.attempts += 1;
        pending.due = Instant::now() + delay * 2 * *minutes;
        if let Some(since) = subscription.pending.take() {
            pending.collection |= since.collection;
            pending.changes.extend(since.changes);
        }
        subscription.pending = Some(pending);
    }
}

fn notices(subscription: &Subscription, pending: &Pending, company: Uuid) -> Vec<Value> {
    let set = schema().table(subscription.table).set(subscription.route).map_or("", |set| set.name.as_str());
    let resource = format!("{}/companies({company})/{set}", subscription.route.path());
    let notice = |resource: String, kind: &str, at: jiff::Timestamp| {
        json!({
            "subscriptionId": subscription.id,
            "clientState": subscription.client_state,
            "expirationDateTime": subscription.expires,
            "resource": resource,
            "changeType": kind,
            "lastModifiedDateTime": at
        })
    };
    if pending.collection {
        return vec![notice(
            format!("{resource}?$filter=lastModifiedDateTime%20gt%20{}", pending.first),
            "collection",
            pending.first,
        )];
    }
    let kind = |kind: ChangeKind| match kind {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Deleted => "deleted",
    };
    pending.changes.iter().map(|(id, (change, at))| notice(format!("{resource}({id})"), kind(*change), *at)).collect()
}
