//! Who may look and act, and what every answer says of itself.

mod made;

use axum::http::{StatusCode, header};
use couplet_console::{Act, LARGEST_BODY};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use made::{Browser, HOST, Holds, PAGES, form, id};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[tokio::test]
async fn a_form_of_our_own_page_acts_once_and_leads_back() {
    let browser = Browser::enter(Holds::Everything).await;
    let record = id(1).to_string();
    let answer = browser.post(&browser.retry(&record)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let back = answer.headers[header::LOCATION].to_str().expect("text").to_owned();
    assert_eq!(back, "/errors?mapping=CUSTOMER&act=1", "the number of the earlier act is gone");
    let of = Chosen::Records(vec![(Side::BusinessCentral, id(1))]);
    let act = Act::Ask { mapping: "CUSTOMER".to_owned(), want: Want::Retry, of, label: "10000".to_owned() };
    assert_eq!(browser.acts(), [act]);
    let page = browser.get(&back).await.body;
    assert!(page.contains("Retry 10000 of CUSTOMER") && page.contains("1 modified &lt;script&gt;"), "{page}");
    assert_eq!(browser.acts().len(), 1, "looking again does nothing");
}

#[tokio::test]
async fn nothing_is_done_for_a_form_that_is_not_ours() {
    let browser = Browser::enter(Holds::Everything).await;
    let record = id(1).to_string();
    let good = browser.retry(&record);
    let ours = format!("http://{HOST}");
    let other_token: Vec<(&str, &str)> =
        good.iter().map(|(name, value)| (*name, if *name == "token" { "0" } else { *value })).collect();
    let no_token: Vec<(&str, &str)> = good.iter().copied().filter(|(name, _)| *name != "token").collect();
    let nonsense = [("token", browser.token.as_str()), ("act", "erase"), ("mapping", "CUSTOMER")];
    let cases = [
        ("another token", form(&other_token), vec![("origin", ours.as_str())], StatusCode::FORBIDDEN),
        ("no token", form(&no_token), vec![("origin", ours.as_str())], StatusCode::FORBIDDEN),
        ("another site", form(&good), vec![("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        ("another port of this machine", form(&good), vec![("origin", "http://127.0.0.1:1")], StatusCode::FORBIDDEN),
        ("an origin that is hidden", form(&good), vec![("origin", "null")], StatusCode::FORBIDDEN),
        ("no origin", form(&good), vec![], StatusCode::FORBIDDEN),
        (
            "another name for this machine",
            form(&good),
            vec![("host", "evil.example:7788"), ("origin", "http://evil.example:7788")],
            StatusCode::MISDIRECTED_REQUEST,
        ),
        ("no cookie", form(&good), vec![("origin", ours.as_str()), ("cookie", "")], StatusCode::FORBIDDEN),
        (
            "another cookie",
            form(&good),
            vec![("origin", ours.as_str()), ("cookie", "couplet-console-7788=0")],
            StatusCode::FORBIDDEN,
        ),
        ("no act of ours", form(&nonsense), vec![("origin", ours.as_str())], StatusCode::BAD_REQUEST),
        (
            "another kind of body",
            form(&good),
            vec![("origin", ours.as_str()), ("content-type", "text/plain")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "too much",
            format!("{}&more={}", form(&good), "x".repeat(LARGEST_BODY)),
            vec![("origin", ours.as_str())],
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (what, body, headers, status) in cases {
        let answer = browser.ask("POST", "/act", &headers, body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_SECURITY_POLICY], POLICY, "{what}");
        assert!(browser.acts().is_empty(), "{what}");
    }
    // An act is never an address that somebody can be led to.
    let query = form(&good);
    assert_eq!(browser.get(&format!("/act?{query}")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(browser.acts().is_empty());
    assert_eq!(browser.post(&good).await.status, StatusCode::SEE_OTHER, "the same form of our own page acts");
}

#[tokio::test]
async fn nobody_looks_without_the_key_of_this_process() {
    let browser = Browser::enter(Holds::Everything).await;
    for page in PAGES.into_iter().chain(["/console.css", "/console.js", "/nowhere"]) {
        let answer = browser.ask("GET", page, &[("cookie", "")], String::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page}");
        assert!(answer.body.contains("Open the address that couplet console has printed"), "{page}");
        let answer = browser.ask("GET", page, &[("host", "evil.example")], String::new()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{page}");
        assert!(!answer.body.contains("CUSTOMER"), "{page}");
    }
    for key in ["/enter", "/enter?key=", "/enter?key=0", &format!("{}0", browser.entrance)] {
        let answer = browser.ask("GET", key, &[("cookie", "")], String::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{key}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE), "{key}");
    }
    // A tunnel may have another port here.
    assert_eq!(browser.ask("GET", "/", &[("host", "localhost:9999")], String::new()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_bears_the_policy_whatever_it_is() {
    let browser = Browser::enter(Holds::Everything).await;
    let entered = browser.get(&browser.entrance).await;
    let cookie = entered.headers[header::SET_COOKIE].to_str().expect("text");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/"), "{cookie}");
    let others = ["/enter?key=0", "/console.css", "/console.js", "/icon.svg", "/nowhere", "/act"];
    for path in PAGES.into_iter().chain(others).chain([browser.entrance.as_str()]) {
        for headers in [vec![], vec![("cookie", "")], vec![("host", "evil.example")]] {
            let answer = browser.ask("GET", path, &headers, String::new()).await;
            let header =
                |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert_eq!(header("content-security-policy"), POLICY, "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
        }
    }
}
