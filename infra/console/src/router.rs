//! Addresses of the console: pages, the one address of forms, and what the pages bring along.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

use crate::act::Act;
use crate::acts::{Acts, Entry};
use crate::guard::{ENTRANCE, Guard, LARGEST_BODY, guarded};
use crate::layout::{Page, View, document, fragment};
use crate::links;
use crate::operator::{Operator, Refusal};
use crate::pages;

/// A script asks for the changing part of a page with this header.
const FRAGMENT: HeaderName = HeaderName::from_static("x-couplet-fragment");

/// What a page is asked with: names and values of its address.
pub type Asked = Vec<(String, String)>;

/// What all addresses share.
#[derive(Clone)]
struct Console {
    operator: Arc<dyn Operator>,
    guard: Guard,
    acts: Acts,
}

/// The router of a console.
pub fn router(operator: Arc<dyn Operator>, guard: Guard) -> Router {
    let console = Console { operator, guard: guard.clone(), acts: Acts::default() };
    let mut router = Router::new()
        .route(ENTRANCE, get(enter))
        .route("/act", post(act))
        .route("/console.css", get(|| file("text/css; charset=utf-8", include_str!("../assets/console.css"))))
        .route("/console.js", get(|| file("text/javascript; charset=utf-8", include_str!("../assets/console.js"))))
        .route("/icon.svg", get(|| file("image/svg+xml", include_str!("../assets/icon.svg"))));
    for path in pages::PATHS {
        router = router.route(path, get(page));
    }
    router
        .fallback(missing)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(console)
        .layer(axum::middleware::from_fn_with_state(guard, guarded))
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// Gives the cookie to who has the key. The page behind it is asked for by this one, so that the cookie goes along wherever the
/// link was found.
async fn enter(State(console): State<Console>, Query(asked): Query<Asked>) -> Response {
    if !value(&asked, "key").is_some_and(|key| console.guard.is_key(key)) {
        let why = "This is not the address that couplet console has printed. A console that was started again has another one.";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Couplet" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                meta http-equiv="refresh" content="0; url=/";
            }
            body { p { a href="/" { "To the console" } } }
        }
    };
    let mut response = shown(StatusCode::OK, &body);
    let (name, cookie) = console.guard.cookie_header();
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(name, cookie);
    }
    response
}

async fn page(State(console): State<Console>, uri: Uri, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let place = console.operator.place();
    let view = view(&console, &uri, &place);
    let made = pages::page(&view, &*console.operator, &asked).await;
    let (status, page) = match made {
        Ok(page) => (StatusCode::OK, page),
        Err(refusal) => (StatusCode::SERVICE_UNAVAILABLE, refused(&refusal)),
    };
    let acts = acts(&console, &asked);
    match headers.contains_key(FRAGMENT) {
        true => shown(status, &fragment(&view, &page, &acts)),
        false => shown(status, &document(&view, &page, &acts)),
    }
}

fn view<'a>(console: &'a Console, uri: &'a Uri, place: &'a str) -> View<'a> {
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    View { path: uri.path(), here, token: console.guard.token(), place, now: console.operator.now() }
}

/// The act that led here, and what else is under way.
fn acts(console: &Console, asked: &Asked) -> Vec<Entry> {
    let led = value(asked, "act").and_then(|number| number.parse().ok()).and_then(|number| console.acts.entry(number));
    let others = console.acts.under_way().into_iter();
    let number = led.as_ref().map(|act| act.number);
    led.into_iter().chain(others.filter(|act| Some(act.number) != number)).collect()
}

fn refused(refusal: &Refusal) -> Page {
    Page::still("This cannot be shown", html! { p.notice.bad role="status" { (refusal) } })
}

async fn missing(State(console): State<Console>, uri: Uri) -> Response {
    let place = console.operator.place();
    let view = view(&console, &uri, &place);
    let page = Page::still("There is no such page", html! { p { a href="/" { "To the overview" } } });
    shown(StatusCode::NOT_FOUND, &document(&view, &page, &[]))
}

/// Carries out what a form asks for, and leads back to its page. A form without the token of this process does nothing.
async fn act(State(console): State<Console>, form: Result<Form<Asked>, FormRejection>) -> Response {
    let fields = match form {
        Ok(Form(fields)) => fields,
        Err(rejection) => return (rejection.status(), rejection.body_text()).into_response(),
    };
    if !value(&fields, "token").is_some_and(|token| console.guard.is_token(token)) {
        let why = "This form is of another console, or of one that has ended: load its page again.";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let act = match Act::of_form(&fields) {
        Ok(act) => act,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem.to_string()).into_response(),
    };
    let number = console.acts.begin(Arc::clone(&console.operator), act).await;
    let back = links::back(value(&fields, "back").unwrap_or_default());
    let joint = if back.contains('?') { '&' } else { '?' };
    (StatusCode::SEE_OTHER, [(LOCATION, format!("{back}{joint}act={number}"))]).into_response()
}

/// The first value of a name that is not blank.
pub fn value<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

fn shown(status: StatusCode, body: &Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body.0.clone()).into_response()
}
