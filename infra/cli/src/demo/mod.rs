//! `couplet demo`: two simulated systems, the embedded cloud between them, three passes, and a comparison by somebody
//! who knows nothing of how Couplet works.

mod arrivals;
mod company;
mod comparison;
mod passes;
mod people;
mod report;
mod row;
mod sellers;
mod warehouse;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use couplet_local::{Door, EmbeddedCloud, EventSource, EventSourceOptions, Timer, door, timers};
use couplet_runtime::Application;
use couplet_runtime::handlers::RunMode;

use crate::arguments::DemoOptions;
use crate::commands::{Console, ConsoleOperator, Site};
use crate::progress::Progress;
use crate::{commands, interrupt, output};
use company::Company;
use passes::Pass;
use report::Report;
use world::World;

/// Mismatches shown to the person; the report has their number.
const SHOWN: usize = 20;
/// Time between two runs of a job while the demonstration stays up.
const PERIOD: Duration = Duration::from_secs(15);

/// Runs the demonstration.
pub async fn demo(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    let company = Company::start(options).await?;
    let settings = company.settings();
    let cloud = EmbeddedCloud::in_memory(&settings).await?;
    let mut application = Application::new(&settings, cloud.services())?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let door =
        Door::open(application.clone(), any_port).await.context("the door for notifications cannot be opened")?;
    if let Some(notifications) = &mut application.notifications {
        notifications.url = Some(door.url());
    }
    let source = EventSource::new(cloud, application.clone(), EventSourceOptions::default());
    let stop = interrupt::flag();

    let mut stopped = stop.clone();
    let work = work(&company, &application, &source);
    let report = tokio::select! {
        report = work => report?,
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(ExitCode::from(interrupt::INTERRUPTED)),
    };
    if options.json {
        output::json(&report.json())?;
    } else {
        output::result(&report.text())?;
    }
    let problems = report.problems();
    for problem in &problems {
        output::note(problem);
    }
    if !options.exit {
        output::note(&company.invitation(PERIOD));
        let console = match options.console {
            Some(port) => {
                let site = Site::Working(Box::new(application.clone()));
                Some(Console::open(ConsoleOperator::new(site, "the demonstration".to_owned()), port).await?)
            }
            None => {
                output::note("To look at it in a browser, and to act: couplet demo --console");
                None
            }
        };
        let timers = quick_timers(&application);
        let jobs = commands::jobs_until_stopped(&application, &source, &timers, &stop);
        let keeping = door::keep(&application, &stop, commands::told_of_subscriptions);
        tokio::join!(jobs, keeping, commands::served(console, &stop)).2?;
    }
    company.stop().await;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The timers of an installation, so much faster that a person sees a change travel.
fn quick_timers(application: &Application) -> Vec<Timer> {
    let timers = timers(&application.engine.jobs());
    let count = u32::try_from(timers.len()).unwrap_or(u32::MAX).max(1);
    let quick = |(timer, position): (Timer, u32)| Timer { first: PERIOD / count * position, every: PERIOD, ..timer };
    timers.into_iter().zip(0..).map(quick).collect()
}

/// The three passes and the comparison.
async fn work(company: &Company, application: &Application, source: &EventSource) -> anyhow::Result<Report> {
    let progress = Progress::new();
    let first = passes::run(1, RunMode::Full, company, application, source, &progress).await?;
    people::work(company, &world::couplings(application).await?).context("the users' changes could not be made")?;
    let second = passes::run(2, RunMode::Modified, company, application, source, &progress).await?;
    let second = if warehouse::work(company)? {
        second.and(passes::run(2, RunMode::Modified, company, application, source, &progress).await?)
    } else {
        second
    };
    let third = passes::run(3, RunMode::Modified, company, application, source, &progress).await?;
    progress.show("waiting for changes that both systems tell of");
    let arrivals = arrivals::measure(company, application, source, &world::couplings(application).await?).await;
    let arrivals = arrivals.context("a change that was told of")?;
    progress.show("comparing both systems");
    let world = World::read(company, application).await?;
    let mismatches = comparison::compare(&world, &application.engine.mappings());
    progress.end();
    let passes: Vec<Pass> = vec![first, second, third];
    let errors = latest_errors(application, &passes).await?;
    let couplings = couplings(application, &world);
    Ok(Report { passes, couplings, mismatches, errors, arrivals })
}

/// Couplings of every mapping that has any, in the order of the jobs.
fn couplings(application: &Application, world: &World) -> Vec<(String, u64)> {
    let count = |name: &str| world.pairs(name).len() as u64;
    let names = application.engine.mappings().into_iter().map(|mapping| mapping.name.to_string());
    names.map(|name| (count(&name), name)).filter(|(count, _)| *count > 0).map(|(count, name)| (name, count)).collect()
}

async fn latest_errors(application: &Application, passes: &[Pass]) -> anyhow::Result<Vec<String>> {
    let engine = &application.engine;
    let mut lines = Vec::new();
    if passes.iter().all(|pass| pass.failed() == 0) {
        return Ok(lines);
    }
    for mapping in engine.mappings() {
        for error in engine.store().errors(engine.company(), &mapping.name, SHOWN).await? {
            lines.push(format!("{} {} {}: {}", error.mapping, error.direction, error.label, error.message));
        }
    }
    lines.truncate(SHOWN);
    Ok(lines)
}
