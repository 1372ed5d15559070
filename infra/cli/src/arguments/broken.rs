//! Pairs and records with which something is wrong, and records that are chosen by a filter.

use clap::{Args, Subcommand};

use super::{HowOptions, NamedOptions, Winner};

/// Records that are chosen by a filter.
#[derive(Clone, Debug, Args)]
pub struct WhereOptions {
    /// The records that meet this filter, such as "city eq Oslo and blocked eq \" \"", in place of names.
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// The side whose records are filtered, by its own fields; Business Central if left out.
    #[arg(long, value_enum, requires = "filter")]
    pub side: Option<Winner>,
}

/// Which broken pairs are listed, or what is done with them.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeletedOptions {
    #[command(subcommand)]
    pub action: Option<DeletedAction>,
    /// Name of the mapping.
    #[arg(required_if_eq("look", "true"))]
    pub mapping: Option<String>,
    /// Compare all couplings with what is there now, instead of with the first run of the day.
    #[arg(long)]
    pub look: bool,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How many seconds to wait for a deployed stack that looks; afterwards it goes on alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub wait: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is done with pairs of which one record was deleted.
#[derive(Clone, Debug, Subcommand)]
pub enum DeletedAction {
    /// Make the deleted record again from the one that is left, and couple the two.
    ///
    ///     couplet deleted restore CUSTOMER --dataverse "Adatum Corporation"
    ///     couplet deleted restore CUSTOMER --all --dry-run
    #[command(verbatim_doc_comment)]
    Restore(MendOptions),
    /// Delete the record that is left as well, and the coupling with it.
    ///
    ///     couplet deleted delete ITEM-PRODUCT --bc 1896-S
    #[command(verbatim_doc_comment)]
    Delete(MendOptions),
    /// End the pair; the record that is left stays, and belongs to no company.
    ///
    ///     couplet deleted uncouple CUSTOMER --all
    #[command(verbatim_doc_comment)]
    Uncouple(MendOptions),
}

/// Pairs of which one record was deleted. A pair that is whole again is only synchronized.
#[derive(Clone, Debug, Args)]
pub struct MendOptions {
    #[command(flatten)]
    pub named: NamedOptions,
    #[command(flatten)]
    pub filtered: WhereOptions,
    /// All of the mapping that couplet deleted lists.
    #[arg(long, conflicts_with_all = ["business_central", "dataverse", "filter"])]
    pub all: bool,
}

/// Which records without a partner are looked for, or what is done about them.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct OrphansOptions {
    #[command(subcommand)]
    pub action: Option<OrphansAction>,
    /// Name of the mapping, such as CUSTOMER.
    #[arg(required = true)]
    pub mapping: Option<String>,
    /// The fields that no two records of a side should share, such as number,name; those of the mapping if left out.
    #[arg(long, value_name = "FIELDS")]
    pub by: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How many seconds to wait for a deployed stack; afterwards it goes on alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub wait: u64,
    /// Print one JSON object, with every record.
    #[arg(long)]
    pub json: bool,
}

/// What is done about records without a partner.
#[derive(Clone, Debug, Subcommand)]
pub enum OrphansAction {
    /// Couple what matches, create rows for what matches nothing, or take rows that nothing couples off the company.
    ///
    ///     couplet orphans repair CUSTOMER --couple --by number,name --dry-run
    ///     couplet orphans repair CUSTOMER --couple --create
    ///     couplet orphans repair CUSTOMER --release
    #[command(verbatim_doc_comment)]
    Repair(RepairOptions),
}

/// What is done about records without a partner.
#[derive(Clone, Debug, Args)]
pub struct RepairOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// Couple the records that match exactly one row, as couplet match does.
    #[arg(long, required_unless_present = "release", conflicts_with = "release")]
    pub couple: bool,
    /// Create a row of Dataverse for each record that matches nothing. Where several match, none is created.
    #[arg(long, requires = "couple")]
    pub create: bool,
    /// The fields by which records are matched, such as number,name; those of the mapping if left out.
    #[arg(long, value_name = "FIELDS", requires = "couple")]
    pub by: Option<String>,
    /// Take the rows of Dataverse off the company that belong to it although nothing couples them.
    #[arg(long)]
    pub release: bool,
    /// Only this row: its number, name or id; may be given several times.
    #[arg(long, value_name = "ROW", requires = "release")]
    pub dataverse: Vec<String>,
    #[command(flatten)]
    pub how: HowOptions,
}
