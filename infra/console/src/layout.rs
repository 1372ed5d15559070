//! What all pages share: head, navigation, what is under way, forms.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::acts::Entry;
use crate::times::{exact, time};

/// Seconds between two looks of a page that is kept up to date.
pub const REFRESH_SECONDS: u32 = 5;

/// The pages, in the order of the navigation.
pub const PAGES: [(&str, &str); 11] = [
    ("/", "Overview"),
    ("/jobs", "Jobs"),
    ("/runs", "Runs"),
    ("/conflicts", "Conflicts"),
    ("/errors", "Errors"),
    ("/waiting", "Waiting"),
    ("/skipped", "Skipped"),
    ("/dead-letters", "Dead letters"),
    ("/couplings", "Couplings"),
    ("/history", "History"),
    ("/mappings", "Mappings"),
];

/// What a page is made with.
pub struct View<'a> {
    /// Its path.
    pub path: &'a str,
    /// Path and query, for forms to lead back to.
    pub here: &'a str,
    /// The token of forms.
    pub token: &'a str,
    /// What is looked at.
    pub place: &'a str,
    /// What time it is.
    pub now: Timestamp,
}

/// A page.
pub struct Page {
    /// Its title.
    pub title: String,
    /// Whether a page that stays open is kept up to date.
    pub is_live: bool,
    /// What it shows.
    pub body: Markup,
}

impl Page {
    /// A page that is kept up to date.
    pub fn live(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), is_live: true, body }
    }

    /// A page that is made when it is asked for.
    pub fn still(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), is_live: false, body }
    }
}

/// The part of a page that changes.
pub fn fragment(view: &View<'_>, page: &Page, acts: &[Entry]) -> Markup {
    html! {
        h1 { (page.title) }
        @for act in acts { (notice(view.now, act)) }
        (page.body)
        p.faint.read-at { "Read " time datetime=(exact(view.now)) title=(exact(view.now)) { "at " (clock(view.now)) " UTC" } "." }
    }
}

/// A whole page.
pub fn document(view: &View<'_>, page: &Page, acts: &[Entry]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Couplet" }
                link rel="icon" type="image/svg+xml" href="/icon.svg";
                link rel="stylesheet" href="/console.css";
                script src="/console.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    p.brand { (mark()) "Couplet" }
                    p.place { (view.place) }
                    nav aria-label="Pages" {
                        ul {
                            @for (path, name) in PAGES {
                                li { a href=(path) aria-current=[(path == view.path).then_some("page")] { (name) } }
                            }
                        }
                    }
                }
                main id="content" tabindex="-1" data-refresh=[page.is_live.then_some(REFRESH_SECONDS)] {
                    (fragment(view, page, acts))
                }
            }
        }
    }
}

/// What became of an act, or that it is under way.
fn notice(now: Timestamp, act: &Entry) -> Markup {
    let (class, said) = match &act.done {
        None => ("notice busy", "it is under way; load the page again to see its end".to_owned()),
        Some(done) if done.succeeded => ("notice good", done.message.clone()),
        Some(done) => ("notice bad", done.message.clone()),
    };
    html! {
        p class=(class) role="status" data-act=(act.number) {
            strong { (act.words) } ", " (time(now, act.began)) ": " (said)
        }
    }
}

fn clock(at: Timestamp) -> String {
    exact(at).get(11..19).unwrap_or_default().to_owned()
}

/// The mark: two records and what couples them.
fn mark() -> Markup {
    PreEscaped(r#"<svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path class="mark-left" d="M2 6h8v12H2z"/><path class="mark-right" d="M14 6h8v12h-8z"/><path class="mark-bar" d="M8 11h8v2H8z"/></svg>"#.to_owned())
}

impl View<'_> {
    /// A form that acts, with what it holds and its buttons.
    pub fn form(&self, act: &str, fields: &[(&str, &str)], inside: &Markup) -> Markup {
        html! {
            form method="post" action="/act" {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="back" value=(self.here);
                input type="hidden" name="act" value=(act);
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                (inside)
            }
        }
    }

    /// A form with one button.
    pub fn button(&self, act: &str, fields: &[(&str, &str)], caption: &str, about: &str) -> Markup {
        self.form(act, fields, &html! { button type="submit" aria-label=(format!("{caption} {about}")) { (caption) } })
    }

    /// A button behind a second step, for what concerns many records.
    pub fn careful(&self, act: &str, fields: &[(&str, &str)], caption: &str, what: &str) -> Markup {
        html! {
            details.careful {
                summary { (caption) "…" }
                p { (what) }
                (self.form(act, fields, &html! { button.strong type="submit" { (caption) } }))
            }
        }
    }

    /// A choice of a mapping; without a script, its button sends it.
    pub fn choice(&self, mappings: &[String], chosen: Option<&str>, all: bool) -> Markup {
        html! {
            form.filter method="get" action=(self.path) {
                label for="mapping" { "Mapping" }
                select id="mapping" name="mapping" {
                    @if all { option value="" selected[chosen.is_none()] { "all" } }
                    @for name in mappings {
                        option value=(name) selected[chosen.is_some_and(|chosen| chosen.eq_ignore_ascii_case(name))] { (name) }
                    }
                }
                button type="submit" { "Show" }
            }
        }
    }
}
