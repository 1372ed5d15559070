//! Ctrl-C, once for everything that has to end.

use tokio::sync::watch;

/// A flag that becomes true at Ctrl-C. A second Ctrl-C ends the process at once, as without it.
pub fn flag() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            // Nobody may be waiting any more.
            let _ = sender.send(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        } else {
            // Without the signal the flag stays false for as long as the process lives.
            std::future::pending::<()>().await;
        }
    });
    receiver
}
