//! What can be asked of `couplet conflicts`.

use clap::{Args, Subcommand, ValueEnum};

use super::{NamedOptions, Winner};

/// Which conflicts are listed, or what is done with them.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ConflictsOptions {
    #[command(subcommand)]
    pub action: Option<ConflictsAction>,
    /// Name of the mapping.
    pub mapping: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is done with conflicts.
#[derive(Clone, Debug, Subcommand)]
pub enum ConflictsAction {
    /// Settle what both sides have changed: the values of one side win, or those of either side field by field.
    ///
    /// What only one side has changed travels as ever. A field is named as it is on either side.
    ///
    ///     couplet conflicts resolve CUSTOMER --bc 10000 --wins business-central
    ///     couplet conflicts resolve CUSTOMER --bc 10000 --wins dataverse --field phoneNumber=business-central
    ///     couplet conflicts resolve CUSTOMER --all --wins dataverse --dry-run
    #[command(verbatim_doc_comment)]
    Resolve(ResolveOptions),
}

/// Which conflicts are settled, and how.
#[derive(Clone, Debug, Args)]
pub struct ResolveOptions {
    #[command(flatten)]
    pub named: NamedOptions,
    /// All records of the mapping that both sides have changed.
    #[arg(long, conflicts_with_all = ["business_central", "dataverse"])]
    pub all: bool,
    /// The side whose values win, in all fields that are not named.
    #[arg(long, value_enum, required_unless_present = "fields")]
    pub wins: Option<Winner>,
    /// A field, and the side whose value wins in it; may be given several times.
    #[arg(long = "field", value_name = "FIELD=SIDE", value_parser = field_choice)]
    pub fields: Vec<FieldChoice>,
}

/// A field, and the side whose value wins in it.
#[derive(Clone, Debug)]
pub struct FieldChoice {
    pub field: String,
    pub wins: Winner,
}

fn field_choice(text: &str) -> Result<FieldChoice, String> {
    let example = "name a field and the side that wins in it, such as phoneNumber=business-central";
    let (field, side) = text.rsplit_once('=').ok_or(example)?;
    let wins = Winner::from_str(side.trim(), true).map_err(|_| format!("{side:?} is no side: {example}"))?;
    Ok(FieldChoice { field: field.trim().to_owned(), wins })
}
