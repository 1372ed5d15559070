//! What can be asked of the command.

mod broken;
mod conflicts;
mod dead_letters;
mod full_sync;
mod mappings;
mod notifications;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use couplet_model::ids::{RecordId, RunId};
use couplet_model::message::Direction;
use couplet_model::table::Side;
use jiff::Timestamp;

pub use self::broken::{
    DeletedAction, DeletedOptions, MendOptions, OrphansAction, OrphansOptions, RepairOptions, WhereOptions,
};
pub use self::conflicts::{ConflictsAction, ConflictsOptions, FieldChoice, ResolveOptions};
pub use self::dead_letters::{DeadLettersAction, ReplayOptions};
pub use self::full_sync::{FullSyncChoiceOptions, FullSyncCommand, FullSyncStartOptions};
pub use self::mappings::{
    AddOptions, ChangingOptions, FieldCommand, FieldOptions, FilterOptions, ImportOptions, MappingCommand,
    ResetOptions, RowsOptions, SetOptions, ShowOptions, TemplateOptions,
};
pub use self::notifications::NotificationsCommand;
use crate::log_lines::Level;
use crate::times::moment;

/// The port of the console, if none is named.
const CONSOLE_PORT: &str = "7788";
/// What `--help` says behind the options.
const PLACES: &str = "\
With --profile aws the commands console, jobs, run, disable, enable, hold, release, notifications, full-sync, sync, couple, match, uncouple, skip, unskip, retry, mapping, field, couplings, conflicts, deleted, orphans, errors, history, waiting, resume, replay, dead-letters and logs work on a deployed stack, with your own AWS \
credentials: those of the AWS command line (aws sso login, AWS_PROFILE, AWS_REGION, ...). The others are for this machine.

    couplet --profile aws --stack couplet jobs
    couplet --profile aws replay --since 2h --dry-run
    couplet --profile aws logs --level warn --follow";

/// Keeps Microsoft Dynamics 365 Business Central and Dynamics 365 Sales in step.
#[derive(Debug, Parser)]
#[command(name = "couplet", version, arg_required_else_help = true, after_help = PLACES)]
pub struct Arguments {
    /// Settings file; couplet.toml in the working folder if left out. Variables COUPLET_… win over it.
    #[arg(long, global = true, env = "COUPLET_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to look: at the installation on this machine, or at a stack on AWS.
    #[arg(long, global = true, env = "COUPLET_PROFILE", value_enum, default_value_t = Profile::Local)]
    pub profile: Profile,
    /// Name of the deployed stack, with --profile aws.
    #[arg(long, global = true, env = "COUPLET_STACK", value_name = "NAME", default_value = "couplet")]
    pub stack: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// This machine.
    Local,
    /// A deployed stack.
    Aws,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Synchronize two simulated systems on this machine and compare them afterwards.
    Demo(DemoOptions),
    /// Write a commented example of the settings file.
    ///
    ///     couplet init
    ///     couplet init --connection-string dataverse.txt
    #[command(verbatim_doc_comment)]
    Init {
        /// The file to write; that of --config, or couplet.toml, if left out.
        file: Option<PathBuf>,
        /// A file with a connection string of Dataverse, such as the one of Business Central's connection page, or - for the standard
        /// input. What it says is filled in; its secret is not written.
        #[arg(long, value_name = "FILE")]
        connection_string: Option<PathBuf>,
    },
    /// Set everything up, question by question: the systems, what is synchronized, a check, the first full synchronization.
    ///
    /// Each answer is tried at once. It can be left at any time, and goes on where it was left.
    ///
    ///     couplet setup
    ///     couplet setup --connection-string dataverse.txt
    ///     couplet setup --answers answers.toml
    #[command(verbatim_doc_comment)]
    Setup(SetupOptions),
    /// Look at everything a synchronization needs: both systems, the identity and its rights, solutions, clocks, each mapping.
    ///
    /// Reads only. Fails when something does not work; what should be looked at is told with it.
    ///
    ///     couplet check
    ///     couplet check --mapping CUSTOMER --json
    #[command(verbatim_doc_comment)]
    Check(CheckOptions),
    /// List the jobs and how they last ran.
    Jobs {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run one job and process everything it finds.
    Run {
        /// Name of the job, such as ITEM-PRODUCT or "Item Availability".
        job: String,
        /// Synchronize everything; records without a partner get one.
        #[arg(long)]
        full: bool,
        /// How many seconds to wait for the run of a deployed stack; afterwards it goes on alone.
        #[arg(long, value_name = "SECONDS", default_value_t = 900)]
        wait: u64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Synchronize the whole installation, mapping by mapping in the order of their dependencies.
    ///
    ///     couplet full-sync review
    ///     couplet full-sync start --by CUSTOMER=number,name --full VENDOR
    ///     couplet full-sync status
    #[command(subcommand, verbatim_doc_comment)]
    FullSync(FullSyncCommand),
    /// Switch the connection off: no job runs and nothing is begun, the queue runs dry, and everything is kept.
    ///
    ///     couplet disable --reason "Dataverse is upgraded tonight"
    #[command(verbatim_doc_comment)]
    Disable(DisableOptions),
    /// Switch the connection on again: each job goes on where it stood.
    Enable,
    /// Stop jobs until they are released: no timer starts them meanwhile, and a run under way ends.
    ///
    ///     couplet hold CUSTOMER CONTACT
    ///     couplet hold --all
    #[command(verbatim_doc_comment)]
    Hold(JobsOptions),
    /// Let jobs go on that were put on hold.
    ///
    ///     couplet release --all
    #[command(verbatim_doc_comment)]
    Release(JobsOptions),
    /// Run all jobs by their timers until Ctrl-C or SIGTERM.
    /// See whether both systems tell of changes, have them do so, or no more.
    ///
    ///     couplet notifications status
    ///     couplet --profile aws notifications renew
    #[command(subcommand, verbatim_doc_comment)]
    Notifications(NotificationsCommand),
    Serve {
        /// Serve the console beside it, at this port of this machine; 7788 if none is named, 0 for any that is free.
        #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = CONSOLE_PORT)]
        console: Option<u16>,
    },
    /// Serve the console: pages about jobs, runs and records for a browser on this machine, until Ctrl-C or SIGTERM.
    ///
    /// It prints the address to open, which holds a key of this process. What its buttons do is what the commands do; on this
    /// machine they need the data for themselves, so that beside couplet serve only looking is possible: use couplet serve
    /// --console there.
    ///
    ///     couplet console
    ///     couplet --profile aws console --port 7789
    #[command(verbatim_doc_comment)]
    Console {
        /// The port of this machine; 0 for any that is free.
        #[arg(long, default_value = CONSOLE_PORT)]
        port: u16,
    },
    /// Synchronize chosen records now; their values win.
    ///
    /// A record may be named by its id, by its number or code, or by its name. Without --direction a pair travels both ways, as
    /// far as its mapping does, and the values of Business Central win.
    ///
    ///     couplet sync CUSTOMER --bc 10000 --bc 20000
    ///     couplet sync CUSTOMER --dataverse "Adatum Corporation" --direction from-dataverse
    #[command(verbatim_doc_comment)]
    Sync(SyncRecordsOptions),
    /// Couple two chosen records, and synchronize them.
    ///
    /// Neither of them may be coupled already. The values of one side win; choose it with --wins.
    ///
    ///     couplet couple CUSTOMER --bc 10000 --dataverse "Adatum Corporation"
    #[command(verbatim_doc_comment)]
    Couple(CoupleOptions),
    /// Couple all records of a mapping that are not coupled with the rows that they match, by fields that are equal.
    ///
    /// Name the fields with --by: `number,name` tries the number first, and the name for what is left; `name+city` wants both to
    /// be equal; `phoneNumber=telephone1` names a field of either side. A blank matches nothing. Where several rows match, or one
    /// row matches several records, nothing is coupled, and the candidates are named: begin with --dry-run. What matches nothing
    /// counts as failed, and stands with its reason among the errors of the mapping.
    ///
    ///     couplet match CUSTOMER --by number,name --dry-run
    ///     couplet match CUSTOMER --by number,name --sync --create-unmatched
    ///     couplet match VENDOR --by name+city --no-sync --json
    #[command(verbatim_doc_comment)]
    Match(MatchOptions),
    /// End the coupling of chosen records, or of all of a mapping; both records of a pair stay.
    ///
    /// Rows of Dataverse that belong to the company by their coupling belong to none afterwards.
    ///
    ///     couplet uncouple CUSTOMER --bc 10000
    ///     couplet uncouple VENDOR --all --dry-run
    #[command(verbatim_doc_comment)]
    Uncouple(ChosenOptions),
    /// Leave chosen coupled records alone, or all of a mapping, until they are brought back with unskip.
    ///
    ///     couplet skip ITEM-PRODUCT --bc 1896-S
    #[command(verbatim_doc_comment)]
    Skip(ChosenOptions),
    /// Bring back chosen records that were skipped, or all of a mapping, and synchronize what changed meanwhile.
    ///
    ///     couplet unskip ITEM-PRODUCT --all
    #[command(verbatim_doc_comment)]
    Unskip(ChosenOptions),
    /// Try again now what failed: of one mapping, or of all.
    ///
    ///     couplet retry CUSTOMER
    ///     couplet retry --all
    #[command(verbatim_doc_comment)]
    Retry(RetryOptions),
    /// See and change the mappings: directions, filters, conflict rules, templates, mappings of your own.
    ///
    /// What is changed is an overlay over the mappings that Couplet brings along; it takes effect with the next run of each job,
    /// and records under way are finished by the mappings that they were found by.
    ///
    ///     couplet mapping list
    ///     couplet mapping set CUSTOMER --direction to-dataverse
    #[command(subcommand, verbatim_doc_comment)]
    Mapping(MappingCommand),
    /// See and change the field rows of a mapping.
    ///
    ///     couplet field list CUSTOMER
    ///     couplet field disable CUSTOMER faxNo=fax
    #[command(subcommand, verbatim_doc_comment)]
    Field(FieldCommand),
    /// List the couplings of a mapping.
    Couplings {
        /// Name of the mapping, such as CUSTOMER.
        mapping: String,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List what both sides have changed, with both values, of one mapping or of all; or settle it.
    ///
    ///     couplet conflicts CUSTOMER
    ///     couplet conflicts resolve CUSTOMER --bc 10000 --wins business-central
    #[command(verbatim_doc_comment)]
    Conflicts(ConflictsOptions),
    /// List pairs of which one record was deleted, of one mapping or of all; or do something about them.
    ///
    ///     couplet deleted CUSTOMER --look
    ///     couplet deleted restore CUSTOMER --all
    #[command(verbatim_doc_comment)]
    Deleted(DeletedOptions),
    /// List the records of a mapping without a partner, and those that share the fields by which one is found; or repair them.
    ///
    ///     couplet orphans CUSTOMER --by number,name
    ///     couplet orphans repair CUSTOMER --release
    #[command(verbatim_doc_comment)]
    Orphans(OrphansOptions),
    /// List the latest errors, of one mapping or of all.
    Errors {
        /// Name of the mapping.
        mapping: Option<String>,
        /// How many per mapping at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show how one record stands, and what became of it: when, why, by which rule and with which values.
    ///
    /// A record may be named by its id, by its number or code, or by its name. Neither system is asked for what the store knows.
    ///
    ///     couplet history CUSTOMER --bc 10000
    ///     couplet history CUSTOMER --dataverse "Adatum Corporation" --limit 5
    #[command(verbatim_doc_comment)]
    History(HistoryOptions),
    /// List the records that wait for another record to be coupled, of one mapping or of all.
    Waiting {
        /// Name of the mapping whose records wait.
        mapping: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let the jobs go on after one of the systems was found restored to an earlier state, or exchanged.
    ///
    /// Without options they go on as before, which is for records that were deleted on purpose.
    Resume(ResumeOptions),
    /// Switch to the units that the setting `switches.unit_groups` names, after it was changed.
    ///
    /// Products whose unit group belongs to the other units get another number, are retired and uncoupled, because Dataverse
    /// lets nobody change the unit group of a product; the couplings of the other units are removed; and the next runs of the
    /// jobs of units, items and resources read everything and make new products. It can be stopped at any time and goes on
    /// when it is called again. Stop the timers meanwhile.
    SwitchUnits(SwitchUnitsOptions),
    /// Show the dead letters of a deployed stack and send them back to their queue.
    ///
    /// What cannot be read stays; what was synchronized meanwhile is counted and removed. Records are read again before
    /// anything is written, so it may be run any number of times, and interrupted.
    Replay(ReplayOptions),
    /// List the dead letters of a deployed stack, or delete them.
    #[command(name = "dead-letters")]
    DeadLetters {
        #[command(subcommand)]
        action: DeadLettersAction,
    },
    /// Show the log lines of a deployed stack's functions.
    Logs(LogsOptions),
}

/// Records of a mapping, and how the command goes on with them.
#[derive(Clone, Debug, Args)]
pub struct NamedOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// A record of Business Central: its number, code, name or id; may be given several times.
    #[arg(long = "bc", value_name = "RECORD")]
    pub business_central: Vec<String>,
    /// A row of Dataverse: its number, name or id; may be given several times.
    #[arg(long, value_name = "ROW")]
    pub dataverse: Vec<String>,
    #[command(flatten)]
    pub how: HowOptions,
}

/// How a command that changes records goes on.
#[derive(Clone, Debug, Args)]
pub struct HowOptions {
    /// Only show which records are meant, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How many seconds to wait for a deployed stack; afterwards it goes on alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub wait: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Whose history is shown.
#[derive(Clone, Debug, Args)]
pub struct HistoryOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The record of Business Central: its number, code, name or id.
    #[arg(long = "bc", value_name = "RECORD", required_unless_present = "dataverse", conflicts_with = "dataverse")]
    pub business_central: Option<String>,
    /// The row of Dataverse: its number, name or id.
    #[arg(long, value_name = "ROW")]
    pub dataverse: Option<String>,
    /// How many outcomes at most, the newest first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is looked at.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// Of the mappings only these; it may be given more than once.
    #[arg(long, value_name = "MAPPING")]
    pub mapping: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// How the set-up goes on.
#[derive(Clone, Debug, Args)]
pub struct SetupOptions {
    /// A file with answers (TOML); then nothing is asked, and what is refused ends the command.
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// A file with a connection string of Dataverse, or - for the standard input: what it says is answered.
    #[arg(long, value_name = "FILE")]
    pub connection_string: Option<PathBuf>,
    /// Write the parameters of a stack into this file, for sam deploy --config-file, instead of a settings file.
    #[arg(long, value_name = "FILE")]
    pub sam: Option<PathBuf>,
    /// Forget what was answered earlier, and begin with the first question.
    #[arg(long)]
    pub again: bool,
    /// Only print what a file with answers holds.
    #[arg(long)]
    pub example: bool,
}

/// How the connection is switched off.
#[derive(Clone, Debug, Args)]
pub struct DisableOptions {
    /// Why, for whoever looks later.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Which jobs are meant.
#[derive(Clone, Debug, Args)]
pub struct JobsOptions {
    /// Names of jobs, such as CUSTOMER or "Item Availability".
    #[arg(required_unless_present = "all", value_name = "JOB")]
    pub jobs: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "jobs")]
    pub all: bool,
}

/// Which records are synchronized, and how.
#[derive(Clone, Debug, Args)]
pub struct SyncRecordsOptions {
    #[command(flatten)]
    pub named: NamedOptions,
    #[command(flatten)]
    pub filtered: WhereOptions,
    /// Which way; every way the mapping has if left out.
    #[arg(long, value_enum)]
    pub direction: Option<Way>,
    /// Give a record that is not coupled a partner.
    #[arg(long)]
    pub create: bool,
}

/// Which records are coupled.
#[derive(Clone, Debug, Args)]
pub struct CoupleOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The record of Business Central: its number, code, name or id.
    #[arg(long = "bc", value_name = "RECORD")]
    pub business_central: String,
    /// The row of Dataverse: its number, name or id.
    #[arg(long, value_name = "ROW")]
    pub dataverse: String,
    /// The side whose values win; Business Central, if the mapping travels from there, if left out.
    #[arg(long, value_enum)]
    pub wins: Option<Winner>,
    #[command(flatten)]
    pub how: HowOptions,
}

/// How records are matched.
#[derive(Clone, Debug, Args)]
pub struct MatchOptions {
    /// Name of the mapping, such as CUSTOMER.
    pub mapping: String,
    /// The fields that have to be equal, such as number,name; those of the mapping if left out.
    #[arg(long, value_name = "FIELDS")]
    pub by: Option<String>,
    /// Let upper and lower case differ.
    #[arg(long)]
    pub case_sensitive: bool,
    /// Synchronize the pairs, also if the mapping says otherwise.
    #[arg(long, conflicts_with = "no_sync")]
    pub sync: bool,
    /// Couple the pairs and leave their values as they are, also if the mapping says otherwise.
    #[arg(long)]
    pub no_sync: bool,
    /// Synchronize the pairs, and let the values of this side win.
    #[arg(long, value_enum, conflicts_with = "no_sync")]
    pub wins: Option<Winner>,
    /// Create a row of Dataverse for each record that matches nothing, also if the mapping says otherwise.
    #[arg(long, conflicts_with = "no_create")]
    pub create_unmatched: bool,
    /// Create nothing, also if the mapping says otherwise.
    #[arg(long)]
    pub no_create: bool,
    #[command(flatten)]
    pub how: HowOptions,
}

/// Chosen records of a mapping, or all.
#[derive(Clone, Debug, Args)]
pub struct ChosenOptions {
    #[command(flatten)]
    pub named: NamedOptions,
    #[command(flatten)]
    pub filtered: WhereOptions,
    /// All of them that the command concerns.
    #[arg(long, conflicts_with_all = ["business_central", "dataverse", "filter"])]
    pub all: bool,
}

/// Whose failures are tried again.
#[derive(Clone, Debug, Args)]
pub struct RetryOptions {
    /// Name of the mapping, such as CUSTOMER.
    #[arg(required_unless_present = "all")]
    pub mapping: Option<String>,
    /// Those of every mapping.
    #[arg(long, conflicts_with_all = ["mapping", "filter"])]
    pub all: bool,
    #[command(flatten)]
    pub filtered: WhereOptions,
    #[command(flatten)]
    pub how: HowOptions,
}

/// Which way records travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// From Business Central to Dataverse.
    ToDataverse,
    /// From Dataverse to Business Central.
    FromDataverse,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::ToDataverse => Self::ToDataverse,
            Way::FromDataverse => Self::FromDataverse,
        }
    }
}

/// How units are switched.
#[derive(Clone, Debug, Args)]
pub struct SwitchUnitsOptions {
    /// Show what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How the jobs go on.
#[derive(Clone, Debug, Args)]
pub struct ResumeOptions {
    /// The next run of each job is a full synchronization in which one side wins: its values are written wherever they
    /// differ, and its records are created again where their partner is gone.
    #[arg(long)]
    pub read_everything: bool,
    /// The side that is right; Business Central if left out.
    #[arg(long, value_enum, requires = "read_everything")]
    pub wins: Option<Winner>,
    /// Accept that the Business Central environment has another name than before; its company must be the same.
    #[arg(long, conflicts_with_all = ["read_everything", "wins"])]
    pub moved: bool,
}

/// The side whose values are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Winner {
    /// Business Central.
    BusinessCentral,
    /// Dataverse.
    Dataverse,
}

impl From<Winner> for Side {
    fn from(winner: Winner) -> Self {
        match winner {
            Winner::BusinessCentral => Self::BusinessCentral,
            Winner::Dataverse => Self::Dataverse,
        }
    }
}

/// Which log lines are shown.
#[derive(Clone, Debug, Args)]
pub struct LogsOptions {
    /// Only this function, such as sync-record; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub function: Vec<String>,
    /// From when on: an instant, a date (UTC), or how long ago, such as 2h or 3d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = moment)]
    pub since: Timestamp,
    /// Only lines at least so severe.
    #[arg(long, value_enum)]
    pub level: Option<Level>,
    /// Only lines about this run.
    #[arg(long, value_name = "ID")]
    pub run: Option<RunId>,
    /// Only lines about this record.
    #[arg(long, value_name = "ID")]
    pub record: Option<RecordId>,
    /// Go on until Ctrl-C.
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON object per line, metrics included.
    #[arg(long)]
    pub json: bool,
}

/// How the demonstration goes.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// End after the comparison, with exit code 1 if anything is not as it should be.
    #[arg(long)]
    pub exit: bool,
    /// Serve the console on the systems that stay up, at this port of this machine; 7788 if none is named, 0 for any that is free.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = CONSOLE_PORT, conflicts_with = "exit")]
    pub console: Option<u16>,
    /// Items in Business Central that are not blocked.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub items: u32,
    /// Customers in Business Central.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub customers: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
