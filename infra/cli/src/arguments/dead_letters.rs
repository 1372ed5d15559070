//! What can be asked of `couplet replay` and `couplet dead-letters`.

use clap::{Args, Subcommand, ValueEnum};
use couplet_runtime::replay::QueueName;
use jiff::Timestamp;

use crate::times::moment;

/// Which dead letters are sent back.
#[derive(Clone, Debug, Args)]
pub struct ReplayOptions {
    /// Only those of one queue.
    #[arg(long, value_enum)]
    pub queue: Option<Queue>,
    /// Only messages first sent at or after this: an instant, a date (UTC), or how long ago, such as 2h or 3d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only messages first sent before this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only records of this mapping, and tasks of the job of this name.
    #[arg(long)]
    pub mapping: Option<String>,
    /// Only the letter with this message id, as --json lists it; may be given several times.
    #[arg(long, value_name = "ID")]
    pub message: Vec<String>,
    /// Only show what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object with every letter.
    #[arg(long)]
    pub json: bool,
}

/// What is done with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersAction {
    /// List them with the reason why they died, and change nothing.
    List(ReplayOptions),
    /// Delete them: their records are noted as failed, and can be tried again with retry; what cannot be read is gone.
    ///
    /// Name which ones, or --all; look first with --dry-run. What was synchronized meanwhile is only counted and removed.
    ///
    ///     couplet --profile aws dead-letters delete --mapping CUSTOMER --until 3d --dry-run
    ///     couplet --profile aws dead-letters delete --all
    #[command(verbatim_doc_comment)]
    Delete(DeleteOptions),
}

/// Which dead letters are deleted.
#[derive(Clone, Debug, Args)]
pub struct DeleteOptions {
    /// All of them.
    #[arg(long, required_unless_present_any = ["queue", "since", "until", "mapping", "message"], conflicts_with_all = ["queue", "since", "until", "mapping", "message"])]
    pub all: bool,
    #[command(flatten)]
    pub which: ReplayOptions,
}

/// A queue with dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Queue {
    /// One message per record.
    Records,
    /// Continuations of long runs.
    Tasks,
}

impl From<Queue> for QueueName {
    fn from(queue: Queue) -> Self {
        match queue {
            Queue::Records => Self::Records,
            Queue::Tasks => Self::Tasks,
        }
    }
}
