//! `couplet`: the operator's command, and a demonstration of the whole thing on one machine.

mod arguments;
mod commands;
mod demo;
mod installation;
mod interrupt;
mod output;
mod tables;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

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
    let config = arguments.config.as_deref();
    match &arguments.command {
        Command::Demo(options) => demo::demo(options).await,
        Command::Init { file } => commands::init(file),
        Command::Check { json } => commands::check(config, *json).await,
        Command::Jobs { json } => commands::jobs(config, *json).await,
        Command::Run { job, full, json } => commands::run(config, job, *full, *json).await,
        Command::Serve => commands::serve(config).await,
        Command::Couplings { mapping, limit, json } => commands::couplings(config, mapping, *limit, *json).await,
        Command::Errors { mapping, limit, json } => commands::errors(config, mapping.as_deref(), *limit, *json).await,
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
