//! From one unit group for each unit of measure to unit groups of items and resources, or back: on this machine, or in the
//! function that a person calls for it.

use std::time::Instant;

use couplet_engine::{EngineError, RefusedProduct, UnitSwitch, UnitSwitchStep};
use couplet_model::MappingName;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::wiring::Application;

/// Products that are named one by one.
const NAMED: usize = 20;

/// The event: whether the units are switched, or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchUnitsEvent {
    /// Shows what would be done, and changes nothing.
    pub dry_run: bool,
}

/// The answer: what was done, as a person reads it, and where the switch stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchUnitsAnswer {
    /// Where it stands.
    pub outcome: SwitchOutcome,
    /// What was done, or would be, a line each.
    #[serde(default)]
    pub lines: Vec<String>,
}

/// Where a switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchOutcome {
    /// Nothing is left to do.
    Done,
    /// The time was up; the same event goes on.
    GoesOn,
    /// A person has to mend something before anything else can be done.
    Refused,
}

/// Switches the units of an installation to those of its settings, step by step until no other may begin, or tells what that
/// would do. Each line is told as soon as it is known.
///
/// # Errors
/// When a system or the store fails; what was done stays done, and the same call goes on.
pub async fn switch_units(
    application: &Application,
    event: SwitchUnitsEvent,
    until: Option<Instant>,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<SwitchOutcome, EngineError> {
    let engine = &application.engine;
    let span = tracing::info_span!("switch_units", company = %engine.company(), dry_run = event.dry_run);
    async {
        if event.dry_run {
            plan(&engine.unit_switch().await?).into_iter().for_each(tell);
            return Ok(SwitchOutcome::Done);
        }
        engine.confirm_owner().await?;
        let (mut refused, mut has_done_something) = (Vec::new(), false);
        loop {
            let step = engine.switch_units(&mut refused).await?;
            let lines = step_lines(&step);
            has_done_something |= !lines.is_empty();
            lines.into_iter().for_each(&mut *tell);
            let is_over = until.is_some_and(|until| Instant::now() >= until);
            match step {
                UnitSwitchStep::Done => return Ok(SwitchOutcome::Done),
                UnitSwitchStep::Refused(_) => return Ok(SwitchOutcome::Refused),
                _ if is_over && has_done_something => return Ok(SwitchOutcome::GoesOn),
                // Called again, it would come no further.
                _ if is_over => {
                    refusals(&refused).into_iter().for_each(&mut *tell);
                    return Ok(SwitchOutcome::Refused);
                }
                _ => {}
            }
        }
    }
    .instrument(span)
    .await
}

/// The same for a function, which answers when it ends. Like a run, it begins nothing that may not end before the deadline:
/// calls to the systems fail from then on, and what the steps before have done would not be told.
///
/// # Errors
/// As [`switch_units`].
pub async fn switch_units_in_function(
    application: &Application,
    event: SwitchUnitsEvent,
    deadline: Instant,
) -> Result<SwitchUnitsAnswer, EngineError> {
    let mut lines = Vec::new();
    let until = application.until(Some(deadline));
    let outcome = switch_units(application, event, until, &mut |line| lines.push(line)).await?;
    Ok(SwitchUnitsAnswer { outcome, lines })
}

/// What a step did, as a person reads it.
fn step_lines(step: &UnitSwitchStep) -> Vec<String> {
    match step {
        UnitSwitchStep::Products(products) => {
            let said = |first: &couplet_engine::OldProduct| {
                format!(
                    "{} products got another number, were retired and uncoupled, such as {} (now {})",
                    products.len(),
                    first.number,
                    first.becomes
                )
            };
            products.first().map(said).into_iter().collect()
        }
        UnitSwitchStep::Couplings(mapping, count) => vec![format!("{count} couplings of {mapping} were removed")],
        UnitSwitchStep::Jobs(jobs) => {
            let jobs: Vec<&str> = jobs.iter().map(MappingName::as_str).collect();
            vec![format!(
                "the next run of each of these jobs reads everything; run them in this order, or leave it to their timers: {}",
                jobs.join(", ")
            )]
        }
        UnitSwitchStep::Refused(products) => refusals(products),
        UnitSwitchStep::Done => Vec::new(),
    }
}

/// The products that Dataverse does not let go, and what can be done.
fn refusals(products: &[RefusedProduct]) -> Vec<String> {
    let named = |product: &RefusedProduct| {
        format!(
            "the product {} of {} was refused another number and the state Retired: {}",
            product.number, product.mapping, product.reason
        )
    };
    let mut lines: Vec<String> = products.iter().take(NAMED).map(named).collect();
    if products.len() > NAMED {
        lines.push(format!("so were {} more products", products.len() - NAMED));
    }
    lines.push(
        "everything before these products is done; mend them in Sales, or delete them there, and call couplet switch-units \
         again: it goes on from here"
            .to_owned(),
    );
    lines
}

/// What is left to do, as a person reads it.
fn plan(switch: &UnitSwitch) -> Vec<String> {
    let target = match switch.unit_groups {
        true => "a unit group for each item and resource",
        false => "one unit group for each unit of measure",
    };
    if switch.is_done() {
        return vec![format!("the units are switched to {target}; nothing is left to do")];
    }
    let mut lines = vec![format!("to switch to {target} (nothing was changed):")];
    for product in switch.products.iter().take(NAMED) {
        lines.push(format!(
            "the product {} of {} gets the number {}, is retired and uncoupled",
            product.number, product.mapping, product.becomes
        ));
    }
    if switch.products.len() > NAMED {
        lines.push(format!("so do {} more products", switch.products.len() - NAMED));
    }
    for (mapping, count) in &switch.couplings {
        lines.push(format!("{count} couplings of {mapping} are removed"));
    }
    for job in &switch.jobs {
        lines.push(format!("the next run of {job} reads everything"));
    }
    lines
}
