//! What can be asked of `couplet full-sync`.

use clap::{Args, Subcommand};

/// What is done with the full synchronization of the installation.
#[derive(Clone, Debug, Subcommand)]
pub enum FullSyncCommand {
    /// Show what is recommended for each mapping, from what both systems hold. Nothing is changed.
    Review(FullSyncChoiceOptions),
    /// Begin, or go on with what was stopped or interrupted: all coupled and uncoupled records are synchronized.
    ///
    /// A mapping begins when those that it depends on have ended. Its own job stands still meanwhile, and is as it was before
    /// when it has ended. On this machine the command works until everything has ended.
    Start(FullSyncStartOptions),
    /// Show how far it is.
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let no other mapping begin; those under way come to their end. Start goes on.
    Stop,
    /// Let mappings begin again that have ended, or failed.
    Restart(FullSyncStartOptions),
    /// Forget how far it is, so that start begins with every mapping.
    Reset,
}

/// Which mappings are synchronized in full, and how.
#[derive(Clone, Debug, Args)]
pub struct FullSyncChoiceOptions {
    /// Names of mappings, such as CUSTOMER; all if left out.
    pub mappings: Vec<String>,
    /// Synchronize this mapping as it is, where its records could be coupled first; may be given several times.
    #[arg(long, value_name = "MAPPING")]
    pub full: Vec<String>,
    /// Couple the records of this mapping by these fields, such as CUSTOMER=number,name; may be given several times.
    #[arg(long, value_name = "MAPPING=FIELDS", value_parser = fields_of_mapping)]
    pub by: Vec<(String, String)>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// How mappings are synchronized in full.
#[derive(Clone, Debug, Args)]
pub struct FullSyncStartOptions {
    #[command(flatten)]
    pub choice: FullSyncChoiceOptions,
    /// Only show what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How many seconds to wait for a deployed stack; afterwards it goes on alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub wait: u64,
}

/// A mapping, and the fields by which its records are matched.
fn fields_of_mapping(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(mapping, fields)| !mapping.is_empty() && !fields.is_empty());
    let (mapping, fields) = parts.ok_or("write the mapping and the fields as MAPPING=FIELD,FIELD")?;
    Ok((mapping.trim().to_owned(), fields.trim().to_owned()))
}
