//! `couplet disable` and `couplet enable`: a person switches the connection of the two systems off and on.

use std::process::ExitCode;

use crate::arguments::DisableOptions;
use crate::output;
use crate::place::Place;

/// Switches the connection off.
pub async fn disable(place: &Place, options: &DisableOptions) -> anyhow::Result<ExitCode> {
    place
        .alone(async |engine| {
            let was_off = engine.disabled().await?.is_some();
            let disabled = engine.disable(options.reason.clone()).await?;
            if !was_off {
                let message = disabled.message();
                output::note(&format!("{message}; what is in the queue is still processed, and everything is kept"));
            }
            Ok(())
        })
        .await?;
    Ok(ExitCode::SUCCESS)
}

/// Switches the connection on.
pub async fn enable(place: &Place) -> anyhow::Result<ExitCode> {
    place
        .alone(async |engine| {
            output::note(match engine.enable().await? {
                Some(_) => "the connection is enabled: each job goes on where it stood when its timer starts it",
                None => "the connection is enabled already",
            });
            Ok(())
        })
        .await?;
    Ok(ExitCode::SUCCESS)
}
