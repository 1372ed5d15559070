//! What can be asked about change notifications.

use clap::Subcommand;

/// What is done about change notifications.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum NotificationsCommand {
    /// Show which tables are subscribed, until when, and which cannot be and why; asks neither system.
    Status {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Make, renew and mend the subscriptions now, as the timer does every six hours.
    Renew {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Remove all subscriptions that were made here. The timer makes them again, unless notifications are switched off.
    Remove {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}
