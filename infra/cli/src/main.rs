//! `couplet`: the operator's command, and a demonstration of the whole thing on one machine.

mod arguments;
mod commands;
mod dead_letters;
mod demo;
mod deployed;
mod installation;
mod interrupt;
mod log_lines;
mod output;
mod place;
mod progress;
mod setup;
mod tables;
mod times;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use place::Place;

/// The demonstration spends a quarter of its time in the allocator of the C library, which also keeps a quarter more memory
/// than it needs when several threads share the work.
#[cfg(all(unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // A wrong use of the command ends here, with exit code 2.
    let arguments = Arguments::parse();
    couplet_runtime::telemetry::to_standard_error_if_asked();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error.into()),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(code) => code,
        Err(error) => failure(&error),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let place = Place::of(arguments);
    match &arguments.command {
        Command::Demo(options) => {
            place.here("demo")?;
            demo::demo(options).await
        }
        Command::Init { file, connection_string } => {
            commands::init(file.as_deref(), place.here("init")?, connection_string.as_deref())
        }
        Command::Setup(options) => setup::setup(place.here("setup")?, options).await,
        Command::Check(options) => commands::check(place.here("check")?, options).await,
        Command::Jobs { json } => commands::jobs(&place, *json).await,
        Command::Run { job, full, wait, json } => commands::run(&place, job, *full, *wait, *json).await,
        Command::FullSync(command) => commands::full_sync(&place, command).await,
        Command::Sync(options) => commands::sync(&place, options).await,
        Command::Couple(options) => commands::couple(&place, options).await,
        Command::Match(options) => commands::match_records(&place, options).await,
        Command::Uncouple(options) => commands::uncouple(&place, options).await,
        Command::Skip(options) => commands::skip(&place, options).await,
        Command::Unskip(options) => commands::unskip(&place, options).await,
        Command::Retry(options) => commands::retry(&place, options).await,
        Command::Notifications(command) => commands::notifications(&place, *command).await,
        Command::Serve { console } => commands::serve(place.here("serve")?, *console).await,
        Command::Console { port } => commands::console(&place, *port).await,
        Command::Mapping(command) => commands::mapping(&place, command).await,
        Command::Field(command) => commands::field(&place, command).await,
        Command::Couplings { mapping, limit, json } => commands::couplings(&place, mapping, *limit, *json).await,
        Command::Conflicts(options) => commands::conflicts(&place, options).await,
        Command::Deleted(options) => commands::deleted(&place, options).await,
        Command::Orphans(options) => commands::orphans(&place, options).await,
        Command::Errors { mapping, limit, json } => commands::errors(&place, mapping.as_deref(), *limit, *json).await,
        Command::Waiting { mapping, limit, json } => commands::waiting(&place, mapping.as_deref(), *limit, *json).await,
        Command::History(options) => commands::history(&place, options).await,
        Command::Disable(options) => commands::disable(&place, options).await,
        Command::Enable => commands::enable(&place).await,
        Command::Hold(options) => commands::hold(&place, options).await,
        Command::Release(options) => commands::release(&place, options).await,
        Command::Resume(options) => commands::resume(&place, options).await,
        Command::SwitchUnits(options) => commands::switch_units(&place, options).await,
        Command::DeadLetters { action } => commands::dead_letters(&place, action).await,
        Command::Replay(options) => commands::replay(&place, options).await,
        Command::Logs(options) => commands::logs(&place, options).await,
    }
}

/// What went wrong, in one line.
fn failure(error: &anyhow::Error) -> ExitCode {
    if output::reader_is_gone(error) {
        return ExitCode::SUCCESS;
    }
    output::note(&format!("couplet: {}", format!("{error:#}").replace(['\n', '\r'], " ")));
    ExitCode::FAILURE
}
