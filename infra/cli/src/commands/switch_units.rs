//! `couplet switch-units`: from one unit group for each unit of measure to unit groups of items and resources, or back.

use std::process::ExitCode;

use couplet_engine::{Engine, UnitSwitch, UnitSwitchStep};

use crate::arguments::SwitchUnitsOptions;
use crate::installation;
use crate::output;
use crate::place::Place;

/// Products that are named one by one.
const NAMED: usize = 20;

/// Switches, or shows what switching would do.
pub async fn switch_units(place: &Place, options: &SwitchUnitsOptions) -> anyhow::Result<ExitCode> {
    let config = place.here("switch-units")?;
    if options.dry_run {
        let application = installation::look(config).await?;
        output::result(&shown(&application.engine.unit_switch().await?))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (application, _folder) = installation::alone(config).await?;
    while let Some(line) = step(&application.engine).await? {
        output::result(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Does a step and says what it did; `None` when nothing is left.
async fn step(engine: &Engine) -> anyhow::Result<Option<String>> {
    Ok(match engine.switch_units().await? {
        UnitSwitchStep::Products(products) => {
            let first = products.first().map(|first| format!(", such as {} (now {})", first.number, first.becomes));
            let first = first.unwrap_or_default();
            Some(format!("{} products got another number, were retired and uncoupled{first}", products.len()))
        }
        UnitSwitchStep::Couplings(mapping, count) => Some(format!("{count} couplings of {mapping} were removed")),
        UnitSwitchStep::Jobs(jobs) => {
            let jobs: Vec<&str> = jobs.iter().map(couplet_model::MappingName::as_str).collect();
            Some(format!(
                "the next run of each of these jobs reads everything; run them in this order, or leave it to their timers: {}",
                jobs.join(", ")
            ))
        }
        UnitSwitchStep::Done => None,
    })
}

/// What is left to do, as a person reads it.
fn shown(switch: &UnitSwitch) -> String {
    let target = match switch.unit_groups {
        true => "a unit group for each item and resource",
        false => "one unit group for each unit of measure",
    };
    if switch.is_done() {
        return format!("the units are switched to {target}; nothing is left to do");
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
    lines.join("\n")
}
