use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ids::CompanyId;
use crate::table::Side;

const SECRET: &str = "s3cret-of-64-characters";
const COMPANY: CompanyId = CompanyId(Uuid::from_u128(0x5c1d));

fn notice(resource: &str, state: &str) -> String {
    format!(
        r#"{{"subscriptionId":"a","clientState":"{state}","expirationDateTime":"2018-10-29T07:52:31Z","resource":"{resource}","changeType":"updated","lastModifiedDateTime":"2018-10-26T12:54:20.467Z"}}"#
    )
}

fn notices(several: &[String]) -> String {
    format!(r#"{{"value":[{}]}}"#, several.join(","))
}

fn resource(set: &str) -> String {
    format!("api/v2.0/companies({COMPANY})/{set}({})", Uuid::from_u128(7))
}

fn table(side: Side, name: &str) -> ChangedTable {
    ChangedTable { side, name: name.to_owned() }
}

fn accepted(side: Side, names: &[&str]) -> Verdict {
    Verdict::Accepted(names.iter().map(|name| table(side, name)).collect())
}

#[test]
fn a_request_at_the_door_is_a_handshake_a_notification_or_refused() {
    use Refusal::{Malformed, Method, Path, TooLarge, WrongKey};
    use Verdict::{Handshake, Refused};
    let ours = notices(&[notice(&resource("items"), SECRET)]);
    let of_business_central = NotificationRequest {
        method: "POST",
        path: "/business-central/items",
        body: ours.as_bytes(),
        ..Default::default()
    };
    let context = br#"{"BusinessUnitId":"b","InputParameters":[],"MessageName":"Update","PrimaryEntityName":"account","Depth":1}"#;
    let of_dataverse = NotificationRequest {
        method: "POST",
        path: "/dataverse",
        key: Some(SECRET),
        body: context,
        ..Default::default()
    };
    let asking = NotificationRequest { validation_token: Some("tok en+1"), body: b"", ..of_business_central };
    let large = vec![b' '; LARGEST_BODY + 1];
    let just_fits = format!("{ours}{}", " ".repeat(LARGEST_BODY - ours.len()));
    let text = |body: &'static str| body.as_bytes();
    let of = |several: &[String]| notices(several).leak().as_bytes();
    let items = accepted(Side::BusinessCentral, &["items"]);
    let accounts = accepted(Side::Dataverse, &["account"]);
    let long = "x".repeat(2049);
    let whole = format!("https://api.businesscentral.dynamics.com/v2.0/t/Production/{}", resource("items"));
    let filtered = format!(
        "/api/v2.0/companies({COMPANY})/salesInvoices?$filter=lastDateTimeModified%20gt%202018-10-15T11:00:00Z"
    );
    let custom = format!("api/couplet/sync/v1.0/companies({COMPANY})/contacts({})", Uuid::from_u128(1));
    let foreign = format!("api/v2.0/companies({})/items(1)", Uuid::from_u128(9));
    for (what, request, verdict) in [
        ("the handshake", asking, Handshake("tok en+1".into())),
        (
            "the handshake by another verb",
            NotificationRequest { method: "GET", ..asking },
            Handshake("tok en+1".into()),
        ),
        ("no token", NotificationRequest { validation_token: Some(""), ..asking }, Refused(Malformed)),
        ("a long token", NotificationRequest { validation_token: Some(&long), ..asking }, Refused(Malformed)),
        (
            "a token that breaks a line",
            NotificationRequest { validation_token: Some("a\r\nb"), ..asking },
            Refused(Malformed),
        ),
        ("a handshake to be deleted", NotificationRequest { method: "DELETE", ..asking }, Refused(Method)),
        ("a token at the other door", NotificationRequest { path: "/dataverse", ..asking }, Refused(WrongKey)),
        ("an item", of_business_central, items.clone()),
        (
            "a way before the door",
            NotificationRequest { path: "/a/b/business-central/", ..of_business_central },
            items.clone(),
        ),
        ("read", NotificationRequest { method: "GET", ..of_business_central }, Refused(Method)),
        ("behind no door", NotificationRequest { path: "/", ..of_business_central }, Refused(Path)),
        (
            "behind another door",
            NotificationRequest { path: "/business-centrals", ..of_business_central },
            Refused(Path),
        ),
        ("the largest", NotificationRequest { body: just_fits.as_bytes(), ..of_business_central }, items.clone()),
        ("too large", NotificationRequest { body: &large, ..of_business_central }, Refused(TooLarge)),
        ("too large for Dataverse", NotificationRequest { body: &large, ..of_dataverse }, Refused(TooLarge)),
        ("nothing", NotificationRequest { body: b"", ..of_business_central }, Refused(Malformed)),
        ("a list", NotificationRequest { body: b"[]", ..of_business_central }, Refused(Malformed)),
        ("no text", NotificationRequest { body: b"\xff\xfe", ..of_business_central }, Refused(Malformed)),
        ("no notifications", NotificationRequest { body: of(&[]), ..of_business_central }, Refused(WrongKey)),
        (
            "without a secret",
            NotificationRequest { body: text(r#"{"value":[{"resource":"a"}]}"#), ..of_business_central },
            Refused(WrongKey),
        ),
        (
            "a wrong secret",
            NotificationRequest { body: of(&[notice(&resource("items"), "s3cret")]), ..of_business_central },
            Refused(WrongKey),
        ),
        (
            "an empty secret",
            NotificationRequest { body: of(&[notice(&resource("items"), "")]), ..of_business_central },
            Refused(WrongKey),
        ),
        (
            "one of ours and one of others",
            NotificationRequest {
                body: of(&[notice(&resource("items"), SECRET), notice("x", "other")]),
                ..of_business_central
            },
            items.clone(),
        ),
        (
            "two tables",
            NotificationRequest {
                body: of(&[notice(&resource("items"), SECRET), notice(&resource("customers"), SECRET)]),
                ..of_business_central
            },
            accepted(Side::BusinessCentral, &["customers", "items"]),
        ),
        ("a whole address", NotificationRequest { body: of(&[notice(&whole, SECRET)]), ..of_business_central }, items),
        (
            "a collection",
            NotificationRequest { body: of(&[notice(&filtered, SECRET)]), ..of_business_central },
            accepted(Side::BusinessCentral, &["salesInvoices"]),
        ),
        (
            "a page of the companion app",
            NotificationRequest { body: of(&[notice(&custom, SECRET)]), ..of_business_central },
            accepted(Side::BusinessCentral, &["contacts"]),
        ),
        (
            "another company",
            NotificationRequest { body: of(&[notice(&foreign, SECRET)]), ..of_business_central },
            accepted(Side::BusinessCentral, &[]),
        ),
        (
            "no resource",
            NotificationRequest { body: of(&[notice("items", SECRET)]), ..of_business_central },
            Refused(Malformed),
        ),
        ("an account", of_dataverse, accounts),
        (
            "a wrong key",
            NotificationRequest { key: Some("s3cret-of-64-characterS"), ..of_dataverse },
            Refused(WrongKey),
        ),
        ("a part of the key", NotificationRequest { key: Some("s3cret"), ..of_dataverse }, Refused(WrongKey)),
        ("no key", NotificationRequest { key: None, ..of_dataverse }, Refused(WrongKey)),
        ("a key and no body", NotificationRequest { body: b"", ..of_dataverse }, Refused(Malformed)),
        (
            "no table",
            NotificationRequest { body: text(r#"{"PrimaryEntityName":""}"#), ..of_dataverse },
            Refused(Malformed),
        ),
        (
            "no name",
            NotificationRequest { body: text(r#"{"PrimaryEntityName":"a b"}"#), ..of_dataverse },
            Refused(Malformed),
        ),
        (
            "a number",
            NotificationRequest { body: text(r#"{"PrimaryEntityName":7}"#), ..of_dataverse },
            Refused(Malformed),
        ),
    ] {
        assert_eq!(judge(&request, SECRET, COMPANY), verdict, "{what}");
    }
    for request in [of_business_central, of_dataverse, NotificationRequest { key: Some(""), ..of_dataverse }] {
        assert_eq!(judge(&request, "", COMPANY), Refused(WrongKey), "nobody shows a secret that is not there");
    }
}

#[test]
fn a_refusal_is_answered_with_a_status_of_its_own() {
    for (refusal, status) in [
        (Refusal::Path, 404),
        (Refusal::Method, 405),
        (Refusal::TooLarge, 413),
        (Refusal::Malformed, 400),
        (Refusal::WrongKey, 403),
    ] {
        assert_eq!(refusal.status(), status, "{}", refusal.word());
    }
}

#[test]
fn a_job_starts_early_once_a_minute_and_no_change_is_left_out() {
    use EarlyRun::{AlreadyDue, At, Now};
    let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + seconds);
    for (last_due, now, decided) in [
        (None, 0, Now),
        (Some(-60), 0, Now),
        (Some(-3600), 0, Now),
        // The run that started half a minute ago may have looked already.
        (Some(-30), 0, At(at(30))),
        (Some(0), 0, At(at(60))),
        (Some(-59), 0, At(at(1))),
        // It will look.
        (Some(1), 0, AlreadyDue(at(1))),
        (Some(60), 0, AlreadyDue(at(60))),
        // A clock was wrong.
        (Some(61), 0, Now),
        (Some(86_400), 0, Now),
    ] {
        assert_eq!(early_run(last_due.map(at), at(now)), decided, "{last_due:?}");
    }
}

proptest! {
    /// However notifications come, starts are a minute apart, and after each notification there is one that was not before it.
    #[test]
    fn starts_lie_a_minute_apart_and_each_notification_is_followed_by_one(pauses in prop::collection::vec(0_i64..200_000, 1..60)) {
        let (mut now, mut last_due, mut starts) = (Timestamp::UNIX_EPOCH, None, Vec::new());
        for pause in pauses {
            now += SignedDuration::from_millis(pause);
            match early_run(last_due, now) {
                EarlyRun::Now => { last_due = Some(now); starts.push(now); }
                EarlyRun::At(due) => { last_due = Some(due); starts.push(due); }
                EarlyRun::AlreadyDue(due) => prop_assert!(starts.contains(&due)),
            }
            prop_assert!(starts.iter().any(|start| *start >= now && start.duration_since(now) <= EARLY_RUNS_APART));
        }
        prop_assert!(starts.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= EARLY_RUNS_APART), "{starts:?}");
    }

    /// Whoever does not know the secret is accepted with nothing, whatever is sent.
    #[test]
    fn nothing_without_the_secret_is_accepted(
        method in "[A-Z]{0,6}",
        path in "(/(business-central|dataverse|[a-z%]{0,5})){0,3}",
        key in prop::option::of("[ -~]{0,30}"),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assume!(key.as_deref() != Some(SECRET));
        let request = NotificationRequest { method: &method, path: &path, validation_token: None, key: key.as_deref(), body: &body };
        prop_assert!(matches!(judge(&request, SECRET, COMPANY), Verdict::Refused(_)));
    }

    /// Bodies that are damaged anywhere are judged without a panic, and never give a table that was not named.
    #[test]
    fn a_damaged_body_names_no_other_table(cut in 0_usize..400, at in 0_usize..400, byte in any::<u8>(), is_cut in any::<bool>()) {
        let mut body = notices(&[notice(&resource("items"), SECRET)]).into_bytes();
        if is_cut { body.truncate(cut) } else if let Some(place) = body.get_mut(at) { *place = byte; }
        let request = NotificationRequest { method: "POST", path: "/business-central", body: &body, ..Default::default() };
        if let Verdict::Accepted(tables) = judge(&request, SECRET, COMPANY) {
            prop_assert!(tables.len() <= 1);
        }
    }

    /// What both systems send is accepted, whatever else stands in it.
    #[test]
    fn what_the_systems_send_is_accepted(set in "[A-Za-z_][A-Za-z0-9_]{0,60}", more in "[ -~&&[^\"\\\\]]{0,80}") {
        let body = notices(&[notice(&format!("{}{more}", resource(&set)), SECRET)]);
        let request = NotificationRequest { method: "POST", path: "/business-central", body: body.as_bytes(), ..Default::default() };
        prop_assert_eq!(judge(&request, SECRET, COMPANY), accepted(Side::BusinessCentral, &[&set]));
        let body = format!(r#"{{"A":"{more}","PrimaryEntityName":"{set}","B":{{"C":[1,{{}}]}}}}"#);
        let request = NotificationRequest { method: "POST", path: "/dataverse", key: Some(SECRET), body: body.as_bytes(), ..Default::default() };
        prop_assert_eq!(judge(&request, SECRET, COMPANY), accepted(Side::Dataverse, &[&set]));
    }
}
