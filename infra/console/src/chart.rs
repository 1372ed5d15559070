//! Charts as pictures in the page: bars over time, and the figures behind them as a table.

use couplet_model::job::Run;
use couplet_model::outcome::Counters;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::tables::{Kind, table, text};
use crate::times::{exact, grouped};

/// Bars of a chart at most.
const BARS: i64 = 48;
/// Bars of a chart at least, where every run is known.
const FEWEST_BARS: i64 = 24;
/// Widths of a bar in seconds: what people count time by.
const WIDTHS: [i64; 11] = [10, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];
/// The picture's own units; it is stretched to the room there is.
const HEIGHT: f64 = 100.0;
const BAR: f64 = 10.0;

/// An outcome that has a colour, from the bottom of a bar to its top.
type Outcome = (&'static str, &'static str, fn(&Counters) -> u64);

/// What a chart shows. Records that were found unchanged, or left alone on purpose, would hide everything else.
const OUTCOMES: [Outcome; 5] = [
    ("inserted", "Inserted", |counters| counters.inserted),
    ("modified", "Modified", |counters| counters.modified),
    ("coupled", "Coupled or uncoupled", |counters| counters.coupled + counters.uncoupled),
    ("waiting", "Waiting", |counters| counters.waiting),
    ("failed", "Failed", |counters| counters.failed),
];

/// The records of one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bar {
    begin: Timestamp,
    counters: Counters,
}

/// The runs by the time they started, in bars of equal width that end now. From `since` on every run is there.
fn bars(runs: &[Run], since: Option<Timestamp>, now: Timestamp) -> (i64, Vec<Bar>) {
    let first = runs.iter().map(|run| run.started).min();
    let begin = [first, since].into_iter().flatten().max().unwrap_or(now).min(now);
    let span = now.as_second() - begin.as_second();
    let width = WIDTHS.into_iter().find(|width| span / width < BARS).unwrap_or_else(|| (span / BARS + 1).max(86_400));
    let place = |at: Timestamp| at.as_second().div_euclid(width);
    let to = place(now);
    // Few bars would be broad ones; before the first run nothing happened, unless there are runs that are not shown.
    let from = place(begin).min(if since.is_none() { to - FEWEST_BARS + 1 } else { to });
    let mut bars: Vec<Bar> = (from..=to)
        .filter_map(|place| Timestamp::from_second(place * width).ok())
        .map(|begin| Bar { begin, counters: Counters::default() })
        .collect();
    for run in runs.iter().filter(|run| run.started >= begin) {
        let index = usize::try_from(place(run.started) - from).ok();
        if let Some(bar) = index.and_then(|index| bars.get_mut(index)) {
            bar.counters += run.counters;
        }
    }
    (width, bars)
}

/// The records of runs by outcome over time.
pub fn records_over_time(runs: &[Run], since: Option<Timestamp>, now: Timestamp) -> Markup {
    let (width, bars) = bars(runs, since, now);
    let total = |counters: &Counters| OUTCOMES.iter().map(|(_, _, count)| count(counters)).sum::<u64>();
    let most = bars.iter().map(|bar| total(&bar.counters)).max().unwrap_or(0);
    let mut sums = Counters::default();
    for bar in &bars {
        sums += bar.counters;
    }
    let (first, last) = (bars.first().map(|bar| bar.begin), bars.last().map(|bar| bar.begin));
    let unit = per(width);
    html! {
        figure.chart {
            figcaption { "Records by outcome, by the " (unit) " in which their run started" }
            ul.legend {
                @for (class, name, count) in OUTCOMES {
                    li { (swatch(class)) (name) " " strong { (grouped(count(&sums))) } }
                }
            }
            @if most == 0 {
                p.nothing { "No record was written in this time, and none waited or failed." }
            } @else {
                div.plot {
                    p.scale { span { (grouped(most)) } span { "0" } }
                    svg viewBox=(format!("0 0 {} {HEIGHT}", units(bars.len()) * BAR)) preserveAspectRatio="none" role="img"
                        aria-label=(format!("Bars of {unit}; the highest has {most} records. The figures stand in the table below.")) {
                        @for (index, bar) in bars.iter().enumerate() {
                            (stack(index, bar, most))
                        }
                    }
                    p.axis { span { (moment(first, width)) } span { (moment(last, width)) } }
                }
            }
            details {
                summary { "The figures" }
                (table("Records by outcome", &COLUMNS, figures(&bars, width)))
            }
        }
    }
}

const COLUMNS: [(&str, Kind); 9] = [
    ("from", Kind::Head),
    ("inserted", Kind::Number),
    ("modified", Kind::Number),
    ("coupled or uncoupled", Kind::Number),
    ("waiting", Kind::Number),
    ("failed", Kind::Number),
    ("unchanged", Kind::Number),
    ("ignored", Kind::Number),
    ("skipped", Kind::Number),
];

/// The rows of the table: the newest first, without those of which there is nothing to say.
fn figures(bars: &[Bar], width: i64) -> Vec<Vec<Markup>> {
    let told = bars.iter().rev().filter(|bar| bar.counters.total() > 0);
    told.map(|bar| {
        let counters = &bar.counters;
        let numbers = OUTCOMES.iter().map(|(_, _, count)| count(counters));
        let numbers = numbers.chain([counters.unchanged, counters.ignored, counters.skipped]);
        std::iter::once(
            html! { time datetime=(exact(bar.begin)) title=(exact(bar.begin)) { (moment(Some(bar.begin), width)) } },
        )
        .chain(numbers.map(|number| text(grouped(number))))
        .collect()
    })
    .collect()
}

fn stack(index: usize, bar: &Bar, most: u64) -> Markup {
    let mut top = HEIGHT;
    let parts: Vec<(&str, &str, u64)> = OUTCOMES
        .iter()
        .map(|(class, name, count)| (*class, *name, count(&bar.counters)))
        .filter(|part| part.2 > 0)
        .collect();
    let said: Vec<String> = parts.iter().map(|(_, name, count)| format!("{name} {count}")).collect();
    html! {
        @if !parts.is_empty() {
            g {
                title { (exact(bar.begin)) ": " (said.join(", ")) }
                @for (class, _, count) in parts {
                    @let height = (as_float(count) / as_float(most) * HEIGHT).max(1.0);
                    @let y = { top -= height; top };
                    rect class=(class) x=(format!("{:.1}", units(index) * BAR + 1.0)) y=(format!("{y:.2}"))
                        width=(format!("{:.1}", BAR - 2.0)) height=(format!("{height:.2}")) {}
                }
            }
        }
    }
}

/// A small square of an outcome's colour.
fn swatch(class: &str) -> Markup {
    html! { svg.swatch viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } }
}

/// How the last runs of a job ended, as a row of bars: how many records each had, the oldest first.
pub fn last_runs(runs: &[&Run]) -> Markup {
    let records = |run: &Run| run.counters.total().max(run.enqueued);
    let most = runs.iter().map(|run| records(run)).max().unwrap_or(0).max(1);
    html! {
        svg.spark viewBox=(format!("0 0 {} 20", units(runs.len().max(1)) * 6.0)) role="img"
            aria-label=(format!("the last {} runs; the largest had {most} records", runs.len())) {
            @for (index, run) in runs.iter().rev().enumerate() {
                @let height = (as_float(records(run)) / as_float(most) * 19.0).max(1.0);
                @let class = if run.counters.failed > 0 || run.state() == couplet_model::job::RunState::Error { "failed" } else { "modified" };
                rect class=(class) x=(format!("{:.0}", units(index) * 6.0)) y=(format!("{:.1}", 20.0 - height)) width="5" height=(format!("{height:.1}")) {
                    title { (exact(run.started)) ": " (records(run)) " records, " (run.counters.failed) " failed" }
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn units(number: usize) -> f64 {
    number as f64
}

/// A stretch of time in words.
fn per(seconds: i64) -> String {
    let (unit, length) = match seconds {
        0..60 => ("second", 1),
        60..3_600 => ("minute", 60),
        3_600..86_400 => ("hour", 3_600),
        _ => ("day", 86_400),
    };
    match seconds / length {
        1 => unit.to_owned(),
        count => format!("{count} {unit}s"),
    }
}

/// A moment as exactly as a bar of this width needs it.
fn moment(at: Option<Timestamp>, width: i64) -> String {
    let Some(at) = at else { return String::new() };
    let text = exact(at);
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    match width {
        0..60 => text.get(11..19).unwrap_or_default().to_owned(),
        60..1_800 => clock.to_owned(),
        1_800..86_400 => format!("{day} {clock}"),
        _ => day.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::RunId;
    use couplet_model::job::Trigger;
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn run(started: &str, counters: Counters) -> Run {
        Run { counters, ..Run::begun(RunId(Uuid::nil()), "JOB", Trigger::Schedule, at(started)) }
    }

    #[test]
    fn runs_are_counted_in_bars_that_people_count_time_by() {
        let now = at("2026-03-02T12:10:00Z");
        let one = Counters { inserted: 1, failed: 2, ..Counters::default() };
        let runs = [
            run("2026-03-02T12:09:00Z", one),
            run("2026-03-02T12:05:00Z", one),
            run("2026-03-02T08:00:00Z", one),
            run("2026-03-01T12:00:00Z", one),
        ];
        let (width, all) = bars(&runs, None, now);
        assert_eq!((width, all.len()), (3_600, 25));
        assert_eq!(all.last().expect("bars").counters.failed, 4);
        assert_eq!(all.iter().map(|bar| bar.counters.inserted).sum::<u64>(), 4);
        // What came before the time from which on every run is there is left out: it would look as if there had been less.
        let (width, all) = bars(&runs, Some(at("2026-03-02T12:01:00Z")), now);
        assert_eq!((width, all.iter().map(|bar| bar.counters.inserted).sum::<u64>()), (30, 2));
        assert_eq!(bars(&[], None, now).1.len(), 24);
    }

    #[test]
    fn stretches_of_time_have_names() {
        for (seconds, name) in [
            (10, "10 seconds"),
            (60, "minute"),
            (300, "5 minutes"),
            (3_600, "hour"),
            (43_200, "12 hours"),
            (86_400, "day"),
            (259_200, "3 days"),
        ] {
            assert_eq!(per(seconds), name);
        }
    }

    #[test]
    fn a_chart_is_as_high_as_its_highest_bar_and_has_its_figures_beside_it() {
        let now = at("2026-03-02T12:00:30Z");
        let counters = Counters { inserted: 30, modified: 10, unchanged: 5_000, ..Counters::default() };
        let runs = [run("2026-03-02T12:00:00Z", counters)];
        let drawn = records_over_time(&runs, None, now).into_string();
        assert!(drawn.contains(r#"height="75.00""#) && drawn.contains(r#"height="25.00""#), "{drawn}");
        assert!(drawn.contains("Inserted 30, Modified 10") && drawn.contains("5\u{202f}000"), "{drawn}");
        assert!(!drawn.contains("style="), "the pages may bear no styles of their own");
        assert!(records_over_time(&[], None, now).into_string().contains("No record was written"));
    }
}
