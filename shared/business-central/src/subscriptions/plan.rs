//! What is to be done so that subscriptions stand as they are wanted.

use jiff::{SignedDuration, Timestamp};

use crate::route::Route;

/// What a subscription has left when it is renewed. It lives for three days, and a timer looks every six hours: a renewal
/// may fail many times before changes are told of no more.
pub(super) const RENEWED_WITH: SignedDuration = SignedDuration::from_hours(48);

/// A resource in the one form in which two are compared: with or without the slash at its start, in any case.
pub(super) fn folded(resource: &str) -> String {
    let path = resource.rfind("/api/").map_or(resource, |at| &resource[at..]);
    path.trim_matches('/').to_lowercase()
}

/// A subscription that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub table: String,
    pub route: Route,
    pub resource: String,
    /// An address of its own: what is answered to one notification ends no other subscription.
    pub url: String,
}

/// A subscription of ours that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub route: Route,
    pub id: String,
    pub etag: Option<String>,
    pub url: String,
    pub resource: String,
    /// The secret it shows, if the service tells.
    pub client_state: Option<String>,
    pub ends: Option<Timestamp>,
}

/// What is to be done for one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Keep { id: String, ends: Timestamp },
    Renew(&'a Standing),
    Make,
}

/// One step per target, in order, and what is to go.
pub(super) fn plan<'a>(
    targets: &[Target],
    standing: &'a [Standing],
    secret: &str,
    now: Timestamp,
) -> (Vec<Step<'a>>, Vec<&'a Standing>) {
    let mut left: Vec<&Standing> = standing.iter().collect();
    let steps = targets
        .iter()
        .map(|target| {
            let is_of =
                |one: &&Standing| one.route == target.route && folded(&one.resource) == folded(&target.resource);
            // Of two for one table the one that lasts longest stays.
            let best = left.iter().enumerate().filter(|(_, one)| is_of(one)).max_by_key(|(_, one)| one.ends);
            let Some((place, _)) = best else { return Step::Make };
            let one = left.remove(place);
            let is_right = one.url == target.url && one.client_state.as_deref() == Some(secret);
            match one.ends {
                Some(ends) if is_right && ends.duration_since(now) > RENEWED_WITH => {
                    Step::Keep { id: one.id.clone(), ends }
                }
                _ => Step::Renew(one),
            }
        })
        .collect();
    (steps, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_kept_renewed_made_and_removed() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1000);
        let target = |set: &str, route: Route| Target {
            table: set.to_owned(),
            route,
            resource: format!("{}/companies(1)/{set}", route.root()),
            url: format!("https://door/business-central/{set}"),
        };
        let standing = |set: &str, hours: i64| Standing {
            route: Route::Standard,
            id: format!("{set}-{hours}"),
            etag: None,
            url: format!("https://door/business-central/{set}"),
            resource: format!("api/v2.0/companies(1)/{set}"),
            client_state: Some("secret".into()),
            ends: Some(now + SignedDuration::from_hours(hours)),
        };
        let items = [target("items", Route::Standard)];
        let old = |change: &dyn Fn(&mut Standing)| {
            let mut one = standing("items", 71);
            change(&mut one);
            vec![one]
        };
        for (what, standing, step, gone) in [
            ("nothing", vec![], "make", 0),
            ("a new one", vec![standing("items", 71)], "keep", 0),
            ("one that ends soon", vec![standing("items", 47)], "renew", 0),
            ("one that has ended", vec![standing("items", -1)], "renew", 0),
            ("another address", old(&|one| one.url = "https://old/business-central/items".into()), "renew", 0),
            ("another secret", old(&|one| one.client_state = Some("old".into())), "renew", 0),
            ("a secret that is not shown", old(&|one| one.client_state = None), "renew", 0),
            ("without an end", old(&|one| one.ends = None), "renew", 0),
            ("by another API", old(&|one| one.route = Route::Companion), "make", 1),
            ("of another table", vec![standing("vendors", 71)], "make", 1),
            ("two of them", vec![standing("items", 50), standing("items", 71)], "keep", 1),
        ] {
            let (steps, left) = plan(&items, &standing, "secret", now);
            let done = match &steps[..] {
                [Step::Keep { id, .. }] => {
                    assert!(id.ends_with("71"), "{what}: the longest stays");
                    "keep"
                }
                [Step::Renew(_)] => "renew",
                [Step::Make] => "make",
                other => panic!("{what}: {other:?}"),
            };
            assert_eq!((done, left.len()), (step, gone), "{what}");
        }
        let unwanted = [standing("items", 71)];
        let (steps, left) = plan(&[], &unwanted, "secret", now);
        assert_eq!((steps.len(), left.len()), (0, 1), "nothing is wanted any more");
    }

    #[test]
    fn a_resource_is_the_same_in_any_of_its_forms() {
        for resource in [
            "/api/v2.0/companies(5C1D)/Items",
            "api/v2.0/companies(5c1d)/items",
            "https://api.businesscentral.dynamics.com/v2.0/t/Production/api/v2.0/companies(5c1d)/items/",
        ] {
            assert_eq!(folded(resource), "api/v2.0/companies(5c1d)/items", "{resource}");
        }
    }
}
