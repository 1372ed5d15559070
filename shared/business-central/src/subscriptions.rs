//! Webhook subscriptions: which there are, and those that are made, renewed and removed. Source: "Working with webhooks in
//! Dynamics 365 Business Central".

mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;

use couplet_model::notification::BUSINESS_CENTRAL;
use couplet_model::subscription::{Subscription, SubscriptionState, WantedSubscriptions};
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::answer::{typed, typed_list};
use couplet_odata::{Repeat, Request, error_of};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use self::plan::{Standing, Step, Target, folded, plan};
use crate::client::BusinessCentralClient;
use crate::route::{RUNTIME, Route};

/// A subscription as the service shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    subscription_id: String,
    notification_url: Option<String>,
    resource: String,
    client_state: Option<String>,
    expiration_date_time: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct SupportedResource {
    resource: String,
}

impl BusinessCentralClient {
    /// Has the service tell of changes of these tables and of no others that were subscribed here.
    ///
    /// # Errors
    /// When the subscriptions cannot be listed. What becomes of each is part of the answer.
    pub(crate) async fn keep(&self, wanted: &WantedSubscriptions<'_>) -> Result<Vec<Subscription>, SystemError> {
        let (standing, now) = self.standing(wanted.now).await?;
        let supported = if wanted.tables.is_empty() { None } else { self.supported().await? };
        let (mut targets, mut answers) = (Vec::new(), Vec::new());
        for table in wanted.tables {
            match self.target(table, supported.as_ref(), wanted.door) {
                Some(target) => targets.push(target),
                None => answers.push(answer(
                    table,
                    SubscriptionState::Impossible {
                        why: "Business Central does not tell of changes of this table; its timer finds them".to_owned(),
                    },
                )),
            }
        }
        let known: BTreeSet<&str> = wanted.known.iter().filter_map(known_id).collect();
        let mine = |shown: &Standing| {
            self.is_of_this_company(&shown.resource)
                && (known.contains(shown.id.as_str())
                    || shown.client_state.as_deref() == Some(wanted.secret)
                    || shown.url.starts_with(wanted.door))
        };
        let standing: Vec<Standing> = standing.into_iter().filter(mine).collect();
        // What goes makes room for what comes: there is a limit.
        let (steps, gone) = plan(&targets, &standing, wanted.secret, now);
        for one in gone {
            self.remove(one).await;
        }
        for (target, step) in targets.iter().zip(steps) {
            let state = match step {
                Step::Keep { id, ends } => SubscriptionState::Until { id, ends },
                Step::Renew(one) => self.made(self.renew(one, target, wanted.secret).await),
                Step::Make => self.made(self.make(target, wanted.secret).await),
            };
            answers.push(Subscription { side: Side::BusinessCentral, table: target.table.clone(), state });
        }
        Ok(answers)
    }

    /// All subscriptions of the environment, and what time it is there.
    async fn standing(&self, now: Timestamp) -> Result<(Vec<Standing>, Timestamp), SystemError> {
        let (mut all, mut time) = (Vec::<Standing>::new(), now);
        for route in self.routes() {
            let reply = match self.call(route, &Request::get(self.absolute(route, "subscriptions"))).await {
                Ok(reply) => reply,
                // Without the companion app there is nothing behind its address.
                Err(error) if route == Route::Companion && is_about_the_address(&error) => continue,
                Err(error) => return Err(error),
            };
            time = reply.date().unwrap_or(now);
            let shown = typed_list::<Shown>(Side::BusinessCentral, "the subscriptions", reply.json())?;
            let new = shown.into_iter().map(|shown| standing_of(shown, route));
            all.extend(new.collect::<Vec<_>>());
        }
        // Each API may show those of the other.
        let mut seen = BTreeSet::new();
        all.retain(|one| seen.insert(one.id.clone()));
        Ok((all, time))
    }

    fn routes(&self) -> Vec<Route> {
        let companion = self.companion.then_some(Route::Companion);
        [Route::Standard].into_iter().chain(companion).collect()
    }

    /// What can be subscribed; `None` when the service does not say so.
    async fn supported(&self) -> Result<Option<BTreeSet<String>>, SystemError> {
        let url = format!("{}{RUNTIME}/companies({})/webhookSupportedResources", self.url(), self.company);
        let reply = self.identity.send(&Request::get(url)).await?;
        if matches!(reply.status, 400 | 403 | 404 | 405 | 501) {
            return Ok(None);
        }
        if !reply.is_success() {
            return Err(error_of(Side::BusinessCentral, &reply));
        }
        let listed = typed_list::<SupportedResource>(Side::BusinessCentral, "what can be subscribed", reply.json())?;
        Ok(Some(listed.into_iter().map(|one| folded(&one.resource)).collect()))
    }

    fn resource(&self, route: Route, set: &str) -> String {
        format!("{}/companies({})/{set}", route.root(), self.company)
    }

    fn is_of_this_company(&self, resource: &str) -> bool {
        folded(resource).contains(&format!("companies({})", self.company))
    }

    /// Where changes of a table are told of: by the standard API, or by the companion app. Where the service does not say what
    /// it can do, it is tried.
    fn target(&self, table: &Table, supported: Option<&BTreeSet<String>>, door: &str) -> Option<Target> {
        let sets = [
            (Route::Standard, table.entity_set.as_ref()),
            (Route::Companion, table.companion_entity_set.as_ref().filter(|_| self.companion)),
        ];
        let can = |resource: &str| supported.is_none_or(|all| all.contains(&folded(resource)));
        sets.into_iter().find_map(|(route, set)| {
            let set = set?;
            let resource = self.resource(route, set);
            can(&resource).then(|| Target {
                table: table.name.clone(),
                route,
                resource,
                url: format!("{door}{BUSINESS_CENTRAL}/{set}"),
            })
        })
    }

    async fn make(&self, target: &Target, secret: &str) -> Result<Shown, SystemError> {
        let url = self.absolute(target.route, "subscriptions");
        // One that was made twice is removed next time.
        let request = Request::write(Method::POST, url, Repeat::OnlyIfUnprocessed).json(&body(target, secret));
        typed(Side::BusinessCentral, "a subscription", self.call(target.route, &request).await?.json())
    }

    async fn renew(&self, one: &Standing, target: &Target, secret: &str) -> Result<Shown, SystemError> {
        let url = self.absolute(one.route, &format!("subscriptions('{}')", one.id));
        let request = Request::write(Method::PATCH, url, Repeat::Idempotent)
            .header("If-Match", one.etag.as_deref().unwrap_or("*"))
            .json(&body(target, secret));
        match self.call(one.route, &request).await {
            Ok(reply) => typed(Side::BusinessCentral, "a subscription", reply.json()),
            // It has ended, or was refused, meanwhile.
            Err(error) if error.kind == SystemErrorKind::NotFound => self.make(target, secret).await,
            Err(error) => Err(error),
        }
    }

    /// Removes a subscription. What cannot be removed ends by itself.
    async fn remove(&self, one: &Standing) {
        let url = self.absolute(one.route, &format!("subscriptions('{}')", one.id));
        let request = Request::write(Method::DELETE, url, Repeat::Idempotent)
            .header("If-Match", one.etag.as_deref().unwrap_or("*"));
        match self.call(one.route, &request).await {
            Ok(_) => {}
            Err(error) if error.kind == SystemErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(error = error.for_log(), "a subscription could not be removed; it ends by itself")
            }
        }
    }

    fn made(&self, result: Result<Shown, SystemError>) -> SubscriptionState {
        match result {
            Ok(Shown { subscription_id, expiration_date_time: Some(ends), .. }) => {
                SubscriptionState::Until { id: subscription_id, ends }
            }
            Ok(_) => SubscriptionState::Failed { why: "Business Central did not say until when it is".to_owned() },
            Err(error) => SubscriptionState::Failed { why: error.to_string() },
        }
    }
}

fn answer(table: &Arc<Table>, state: SubscriptionState) -> Subscription {
    Subscription { side: Side::BusinessCentral, table: table.name.clone(), state }
}

fn known_id(known: &Subscription) -> Option<&str> {
    match &known.state {
        SubscriptionState::Until { id, .. } => Some(id),
        SubscriptionState::Standing | SubscriptionState::Impossible { .. } | SubscriptionState::Failed { .. } => None,
    }
}

fn body(target: &Target, secret: &str) -> serde_json::Value {
    json!({ "notificationUrl": target.url, "resource": target.resource, "clientState": secret })
}

fn is_about_the_address(error: &SystemError) -> bool {
    matches!(error.kind, SystemErrorKind::NotFound | SystemErrorKind::Protocol)
}

fn standing_of(shown: Shown, listed_by: Route) -> Standing {
    let companion = folded(&shown.resource).starts_with(&folded(Route::Companion.root()));
    let standard = folded(&shown.resource).starts_with(&folded(Route::Standard.root()));
    Standing {
        route: match (standard, companion) {
            (true, _) => Route::Standard,
            (_, true) => Route::Companion,
            _ => listed_by,
        },
        id: shown.subscription_id,
        etag: shown.etag,
        url: shown.notification_url.unwrap_or_default(),
        resource: shown.resource,
        client_state: shown.client_state,
        ends: shown.expiration_date_time,
    }
}
