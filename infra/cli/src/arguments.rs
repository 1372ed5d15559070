//! What can be asked of the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Keeps Microsoft Dynamics 365 Business Central and Dynamics 365 Sales in step.
#[derive(Debug, Parser)]
#[command(name = "couplet", version, arg_required_else_help = true)]
pub struct Arguments {
    /// Settings file; couplet.toml in the working folder if left out. Variables COUPLET_… win over it.
    #[arg(long, global = true, env = "COUPLET_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Synchronize two simulated systems on this machine and compare them afterwards.
    Demo(DemoOptions),
    /// Write a commented example of the settings file.
    Init {
        /// The file to write.
        #[arg(default_value = "couplet.toml")]
        file: PathBuf,
    },
    /// Test the connection to both systems.
    Check {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
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
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run all jobs by their timers until Ctrl-C.
    Serve,
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
}

/// How the demonstration goes.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// End after the comparison, with exit code 1 if anything is not as it should be.
    #[arg(long)]
    pub exit: bool,
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
