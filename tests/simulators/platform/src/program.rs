//! What the programs of both simulators do alike: they end in order when told to, and say in one line why they fail.

use std::io::Write as _;
use std::process::ExitCode;

/// The exit code of a program. A failure is one line on standard error, whatever `RUST_BACKTRACE` says: what is wrong is the caller's
/// to mend.
pub fn exit_code(program: &str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C and SIGTERM, noted from when it is made: a program that is told to end while it starts ends in order as well.
#[derive(Debug)]
pub struct EndSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl EndSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    #[cfg(unix)]
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// None here.
    #[cfg(not(unix))]
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until the program is told to end.
    ///
    /// # Errors
    /// None here.
    #[cfg(unix)]
    pub async fn next(&mut self) -> std::io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }

    /// Waits until the program is told to end.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    #[cfg(not(unix))]
    pub async fn next(&mut self) -> std::io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
