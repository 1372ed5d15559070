//! What can be asked of `couplet mapping` and `couplet field`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use couplet_model::catalogue::{DeletionRule, MappingDirection};
use couplet_model::decision::ConflictRule;
use couplet_model::table::Side;

use super::Way;

/// What is done with mappings.
#[derive(Debug, Subcommand)]
pub enum MappingCommand {
    /// List the mappings, and what this installation changes of them.
    List(ShowingOptions),
    /// Show one mapping: directions, filters, rules, templates and field rows.
    ///
    ///     couplet mapping show CUSTOMER
    ///     couplet mapping show CUSTOMER --json
    #[command(verbatim_doc_comment)]
    Show(ShowOptions),
    /// Change how a mapping travels, and who wins.
    ///
    /// Made one-way, a mapping keeps the field rows of the other direction and does not ask them.
    ///
    ///     couplet mapping set CUSTOMER --direction to-dataverse
    ///     couplet mapping set ITEM-PRODUCT --only-coupled false --deletion-conflict keep --dry-run
    #[command(verbatim_doc_comment)]
    Set(SetOptions),
    /// Say which records take part, on either side.
    ///
    /// A filter is written as `field eq value`, with eq, ne or in, joined by and; texts with spaces stand in quotes, and null is
    /// blank. It takes the place of the filter that stands; an empty text lets every record in. What keeps rows of other companies
    /// out stays unless the filter names the company itself. JSON in the form of the catalogue is taken as well.
    ///
    ///     couplet mapping filter CUSTOMER --bc "blocked ne All and city in (Paris, Berlin)"
    ///     couplet mapping filter CUSTOMER --dataverse "statecode eq 0" --dry-run
    #[command(verbatim_doc_comment)]
    Filter(FilterOptions),
    /// Say what new records hold beside what their fields bring.
    ///
    /// Of all templates of a direction the one with the lowest priority counts whose filter fits the source record. Its values
    /// replace what the field rows bring. A template with the priority of another takes its place.
    ///
    ///     couplet mapping template CUSTOMER --direction from-dataverse --priority 10 --value paymentTermsCode=1M
    ///     couplet mapping template CUSTOMER --direction to-dataverse --priority 5 --where "city eq Paris" --value customertypecode=3
    ///     couplet mapping template CUSTOMER --direction to-dataverse --priority 5 --remove
    #[command(verbatim_doc_comment)]
    Template(TemplateOptions),
    /// Add a mapping of your own, with the tables it needs.
    ///
    /// The file holds one JSON object: `mapping` in the form of the catalogue's files, and `tables` with what the catalogue does
    /// not know of either side. Begin with the file of a mapping that is like it.
    ///
    ///     couplet mapping add projects.json --dry-run
    #[command(verbatim_doc_comment)]
    Add(AddOptions),
    /// Take back what this installation changes: of named mappings, or of all. A mapping that was added is removed.
    ///
    ///     couplet mapping reset CUSTOMER
    ///     couplet mapping reset --all --dry-run
    #[command(verbatim_doc_comment)]
    Reset(ResetOptions),
    /// Write what this installation changes as JSON: to a file, or to standard output.
    ///
    ///     couplet mapping export mappings.json
    #[command(verbatim_doc_comment)]
    Export {
        /// The file; it must not be there yet.
        file: Option<PathBuf>,
        /// Say as one JSON object which file was written. What goes to standard output is JSON anyway.
        #[arg(long)]
        json: bool,
    },
    /// Take what another installation exported, in the place of all that this one changes.
    ///
    ///     couplet mapping import mappings.json --dry-run
    #[command(verbatim_doc_comment)]
    Import(ImportOptions),
}

/// What is done with field rows. A row is named by its two columns, as in `faxNo=fax`; one of them is enough where only one row
/// has it. A row with one column holds a constant: `=creditonhold`.
#[derive(Debug, Subcommand)]
pub enum FieldCommand {
    /// List the field rows of a mapping.
    ///
    ///     couplet field list CUSTOMER
    #[command(verbatim_doc_comment)]
    List(ShowOptions),
    /// Add a field row: a pair of columns, or a column with a constant.
    ///
    ///     couplet field add CUSTOMER displayName=description --direction to-dataverse
    ///     couplet field add CUSTOMER =creditonhold --constant false
    #[command(verbatim_doc_comment)]
    Add(FieldOptions),
    /// Change a field row.
    ///
    ///     couplet field set CUSTOMER website=websiteurl --direction to-dataverse --transform lowercase
    ///     couplet field set CUSTOMER phoneNumber --transform "replace:+49:0" --transform-direction to-dataverse
    #[command(verbatim_doc_comment)]
    Set(FieldOptions),
    /// Take back what this installation changes of field rows. A row that was added is removed.
    ///
    ///     couplet field reset CUSTOMER website=websiteurl
    #[command(verbatim_doc_comment)]
    Reset(RowsOptions),
    /// Use field rows again that were disabled.
    ///
    ///     couplet field enable CUSTOMER faxNo=fax
    #[command(verbatim_doc_comment)]
    Enable(RowsOptions),
    /// Leave field rows alone: nothing is written by them, and what changes in their columns is not looked at.
    ///
    ///     couplet field disable CUSTOMER faxNo=fax website
    #[command(verbatim_doc_comment)]
    Disable(RowsOptions),
}

/// How something is shown.
#[derive(Clone, Debug, Args)]
pub struct ShowingOptions {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Which mapping is shown.
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// How a change is made.
#[derive(Clone, Copy, Debug, Args)]
pub struct ChangingOptions {
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is set of a mapping.
#[derive(Clone, Debug, Args)]
pub struct SetOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    #[command(flatten)]
    pub what: What,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// What can be set of a mapping.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub struct What {
    /// Which ways it travels.
    #[arg(long, value_enum)]
    pub direction: Option<Ways>,
    /// Whether only coupled records are synchronized.
    #[arg(long, value_name = "true|false")]
    pub only_coupled: Option<bool>,
    /// Who wins where both sides changed a field: nobody, so that the record fails; or the side it comes from.
    #[arg(long, value_enum)]
    pub update_conflict: Option<ConflictChoice>,
    /// What becomes of a coupled record whose partner was deleted.
    #[arg(long, value_enum)]
    pub deletion_conflict: Option<DeletionChoice>,
    /// Whether pairs are synchronized right after they were matched.
    #[arg(long, value_name = "true|false")]
    pub synchronize_after_coupling: Option<bool>,
    /// Whether rows are created for what matching did not find.
    #[arg(long, value_name = "true|false")]
    pub create_when_no_match: Option<bool>,
}

/// Which records take part.
#[derive(Clone, Debug, Args)]
pub struct FilterOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// Records of Business Central that take part.
    #[arg(long = "bc", value_name = "FILTER", required_unless_present = "dataverse")]
    pub business_central: Option<String>,
    /// Rows of Dataverse that take part.
    #[arg(long, value_name = "FILTER")]
    pub dataverse: Option<String>,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// A template.
#[derive(Clone, Debug, Args)]
pub struct TemplateOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The direction in which records are created with it.
    #[arg(long, value_enum)]
    pub direction: Way,
    /// Its place: the lowest comes first.
    #[arg(long)]
    pub priority: u32,
    /// The source records it is for; all if left out.
    #[arg(long = "where", value_name = "FILTER", conflicts_with = "remove")]
    pub filter: Option<String>,
    /// What new records hold, as column=value; may be given several times.
    #[arg(long = "value", value_name = "COLUMN=VALUE", required_unless_present = "remove", conflicts_with = "remove")]
    pub values: Vec<String>,
    /// Remove the template of this priority.
    #[arg(long)]
    pub remove: bool,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// A mapping of one's own.
#[derive(Clone, Debug, Args)]
pub struct AddOptions {
    /// The file with the mapping and its tables.
    pub file: PathBuf,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// What is taken back.
#[derive(Clone, Debug, Args)]
pub struct ResetOptions {
    /// Names of mappings, such as CUSTOMER.
    #[arg(required_unless_present = "all", value_name = "MAPPING")]
    pub mappings: Vec<String>,
    /// All changes of all mappings.
    #[arg(long, conflicts_with = "mappings")]
    pub all: bool,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// What is taken over.
#[derive(Clone, Debug, Args)]
pub struct ImportOptions {
    /// The file that was exported.
    pub file: PathBuf,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// A field row, and what is set of it.
#[derive(Clone, Debug, Args)]
pub struct FieldOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The row by its columns, Business Central first: faxNo=fax, or =creditonhold for a constant.
    pub row: String,
    /// Which ways it travels.
    #[arg(long, value_enum)]
    pub direction: Option<Ways>,
    /// The constant, of a row with one column: a number, true, false, or a text.
    #[arg(long)]
    pub constant: Option<String>,
    /// Whether what cannot be resolved clears the destination.
    #[arg(long, value_name = "true|false")]
    pub clear_on_failure: Option<bool>,
    /// Whether a blank leaves the destination alone; for ids of Dataverse.
    #[arg(long, value_name = "true|false")]
    pub not_null: Option<bool>,
    /// Whether the rest of the record travels while what this refers to is not coupled.
    #[arg(long, value_name = "true|false")]
    pub travels_without: Option<bool>,
    /// A mapping whose couplings resolve the reference; may be given several times.
    #[arg(long, value_name = "MAPPING")]
    pub resolved_through: Vec<String>,
    /// What is made of a text on its way: uppercase, lowercase, trim, replace:FIND:WITH, substring:FROM:LENGTH; none takes it back.
    #[arg(long, value_name = "RULE")]
    pub transform: Option<String>,
    /// The direction in which that is done; every direction of the row if left out.
    #[arg(long, value_enum, requires = "transform")]
    pub transform_direction: Option<Ways>,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// Field rows.
#[derive(Clone, Debug, Args)]
pub struct RowsOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The rows by their columns, such as faxNo=fax; one column is enough where only one row has it.
    #[arg(required = true, value_name = "ROW")]
    pub rows: Vec<String>,
    #[command(flatten)]
    pub how: ChangingOptions,
}

/// Which ways something travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ways {
    /// From Business Central to Dataverse.
    ToDataverse,
    /// From Dataverse to Business Central.
    FromDataverse,
    /// Both ways.
    Both,
}

impl From<Ways> for MappingDirection {
    fn from(ways: Ways) -> Self {
        match ways {
            Ways::ToDataverse => Self::ToDataverse,
            Ways::FromDataverse => Self::FromDataverse,
            Ways::Both => Self::Bidirectional,
        }
    }
}

/// Who wins where both sides changed a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConflictChoice {
    /// Nobody: the record fails and names the fields.
    None,
    /// Business Central wins.
    ToDataverse,
    /// Dataverse wins.
    FromDataverse,
}

impl From<ConflictChoice> for ConflictRule {
    fn from(choice: ConflictChoice) -> Self {
        match choice {
            ConflictChoice::None => Self::None,
            ConflictChoice::ToDataverse => Self::ToDataverse,
            ConflictChoice::FromDataverse => Self::FromDataverse,
        }
    }
}

/// What becomes of a coupled record whose partner was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeletionChoice {
    /// It fails and says so.
    None,
    /// The partner is created again.
    Restore,
    /// The coupling is removed.
    RemoveCoupling,
    /// The coupling stays, and the record is left alone.
    Keep,
}

impl From<DeletionChoice> for DeletionRule {
    fn from(choice: DeletionChoice) -> Self {
        match choice {
            DeletionChoice::None => Self::None,
            DeletionChoice::Restore => Self::Restore,
            DeletionChoice::RemoveCoupling => Self::RemoveCoupling,
            DeletionChoice::Keep => Self::Keep,
        }
    }
}

impl FilterOptions {
    /// The filters that were given, by side.
    pub fn given(&self) -> impl Iterator<Item = (Side, &str)> {
        let business_central = self.business_central.iter().map(|text| (Side::BusinessCentral, text.as_str()));
        business_central.chain(self.dataverse.iter().map(|text| (Side::Dataverse, text.as_str())))
    }
}
