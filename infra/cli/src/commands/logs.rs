//! `couplet logs`: what the functions of a deployed stack logged.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use crate::arguments::LogsOptions;
use crate::deployed::{FUNCTIONS, Position, Stack};
use crate::log_lines::{LogLine, Wanted};
use crate::place::Place;
use crate::{interrupt, output};

/// Time between two readings while following.
const BETWEEN_READINGS: Duration = Duration::from_secs(2);

/// Shows log lines, and those to come if asked to.
pub async fn logs(place: &Place, options: &LogsOptions) -> anyhow::Result<ExitCode> {
    let Place::Deployed(name) = place else {
        bail!(
            "couplet logs shows what the functions of a stack logged: add --profile aws; on this machine COUPLET_LOG=info makes each command log to standard error"
        )
    };
    let stack = Stack::reach(name).await?;
    let functions =
        if options.function.is_empty() { FUNCTIONS.map(str::to_owned).to_vec() } else { options.function.clone() };
    let wanted = Wanted { level: options.level, run: options.run, record: options.record };
    let mut position = Position::since(options.since);
    let mut stop = interrupt::flag();
    loop {
        for line in stack.log_lines(&functions, !options.function.is_empty(), &mut position).await? {
            if let Some(text) = shown(&line, &wanted, options.json) {
                output::result(&text)?;
            }
        }
        if !options.follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(BETWEEN_READINGS) => {}
            _ = stop.wait_for(|stopped| *stopped) => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn shown(line: &LogLine, wanted: &Wanted, as_json: bool) -> Option<String> {
    if as_json { line.object(wanted).map(|object| object.to_string()) } else { line.readable(wanted) }
}
