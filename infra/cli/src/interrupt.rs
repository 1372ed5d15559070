//! Ctrl-C and SIGTERM, once for everything that has to end.

use std::io;
use std::sync::OnceLock;

use tokio::sync::watch;

/// What a process ends with that was told to.
pub const INTERRUPTED: u8 = 130;

/// A flag that becomes true at Ctrl-C or SIGTERM; the same one for all who ask. A second signal ends the process at once, as
/// without it.
pub fn flag() -> watch::Receiver<bool> {
    static FLAG: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    FLAG.get_or_init(raised_by_signals).clone()
}

fn raised_by_signals() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    // From here on, not from when the task is first looked at: who is told to end at once ends in order as well.
    let signals = Signals::listen();
    tokio::spawn(async move {
        let Ok(mut signals) = signals else {
            // Without signals the flag stays false for as long as the process lives.
            return std::future::pending::<()>().await;
        };
        signals.next().await;
        // Nobody may be waiting any more.
        let _ = sender.send(true);
        signals.next().await;
        std::process::exit(INTERRUPTED.into());
    });
    receiver
}

/// Waits until the flag is true.
pub async fn told(stop: &watch::Receiver<bool>) {
    // Without a sender nobody will ever tell.
    if stop.clone().wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
