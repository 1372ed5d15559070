//! `couplet mapping` and `couplet field`: what the operator changes of the mappings.

mod changing;
mod showing;
mod writing;

use std::process::ExitCode;

use crate::arguments::{FieldCommand, MappingCommand};
use crate::place::Place;

pub(super) use self::showing::{all, one};

/// Does what is asked of mappings.
pub async fn mapping(place: &Place, command: &MappingCommand) -> anyhow::Result<ExitCode> {
    match command {
        MappingCommand::List(options) => showing::list(place, options.json).await,
        MappingCommand::Show(options) => showing::show(place, options).await,
        MappingCommand::Set(options) => changing::set(place, options).await,
        MappingCommand::Filter(options) => changing::filter(place, options).await,
        MappingCommand::Template(options) => changing::template(place, options).await,
        MappingCommand::Add(options) => changing::add(place, options).await,
        MappingCommand::Reset(options) => changing::reset(place, options).await,
        MappingCommand::Export { file, json } => showing::export(place, file.as_deref(), *json).await,
        MappingCommand::Import(options) => changing::import(place, options).await,
    }
}

/// Does what is asked of field rows.
pub async fn field(place: &Place, command: &FieldCommand) -> anyhow::Result<ExitCode> {
    match command {
        FieldCommand::List(options) => showing::fields(place, options).await,
        FieldCommand::Add(options) => writing::add_field(place, options).await,
        FieldCommand::Set(options) => writing::set_field(place, options).await,
        FieldCommand::Reset(options) => writing::reset(place, options).await,
        FieldCommand::Enable(options) => writing::enable(place, options, true).await,
        FieldCommand::Disable(options) => writing::enable(place, options, false).await,
    }
}
