//! `couplet switch-units`: from one unit group for each unit of measure to unit groups of items and resources, or back.

use std::process::ExitCode;

use anyhow::bail;
use couplet_runtime::handlers::{self, SwitchOutcome, SwitchUnitsEvent};

use crate::arguments::SwitchUnitsOptions;
use crate::deployed::Stack;
use crate::installation;
use crate::output;
use crate::place::Place;

/// Switches, or shows what switching would do.
pub async fn switch_units(place: &Place, options: &SwitchUnitsOptions) -> anyhow::Result<ExitCode> {
    let event = SwitchUnitsEvent { dry_run: options.dry_run };
    let outcome = match place {
        Place::Here(config) => {
            let (application, _folder) = match options.dry_run {
                true => (installation::look(config.as_deref()).await?, None),
                false => {
                    let (application, folder) = installation::alone(config.as_deref()).await?;
                    (application, Some(folder))
                }
            };
            let mut shown = Ok(());
            let mut tell = |line: String| {
                if shown.is_ok() {
                    shown = output::result(&line);
                }
            };
            let outcome = handlers::switch_units(&application, event, None, &mut tell).await?;
            shown?;
            outcome
        }
        Place::Deployed(stack) => deployed(&Stack::reach(stack).await?, event).await?,
    };
    match outcome {
        SwitchOutcome::Done | SwitchOutcome::GoesOn => Ok(ExitCode::SUCCESS),
        SwitchOutcome::Refused => bail!("the units are not switched yet"),
    }
}

/// Has the stack switch, one invocation after the other, until nothing is left to do.
async fn deployed(stack: &Stack, event: SwitchUnitsEvent) -> anyhow::Result<SwitchOutcome> {
    loop {
        let answer = stack.switch_units(event).await?;
        for line in &answer.lines {
            output::result(line)?;
        }
        match answer.outcome {
            // An invocation that did nothing in all its time would be called for ever.
            SwitchOutcome::GoesOn if answer.lines.is_empty() => bail!("the stack gets no further; see couplet logs"),
            SwitchOutcome::GoesOn => {}
            outcome => return Ok(outcome),
        }
    }
}
