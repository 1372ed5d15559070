//! `couplet console`: the operator's pages for a browser on this machine.

mod operator;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use couplet_console::{Guard, router};
use couplet_runtime::configuration::Settings;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::operator::{ConsoleOperator, Site};
use crate::place::Place;
use crate::{installation, interrupt, output};

/// Serves the console until told to stop.
pub async fn console(place: &Place, port: u16) -> anyhow::Result<ExitCode> {
    let named = match place {
        Place::Here(config) => in_folder(&installation::settings(config.as_deref())?),
        Place::Deployed(stack) => format!("stack {stack}"),
    };
    let operator = ConsoleOperator::new(Site::Commanded(place.clone()), named);
    // Who cannot look at all is told so here, and not by a page.
    operator.look().await?;
    let console = Console::open(operator, port).await?;
    console.serve(&interrupt::flag()).await?;
    Ok(ExitCode::SUCCESS)
}

/// An installation on this machine, as the pages name it.
pub(super) fn in_folder(settings: &Settings) -> String {
    format!("this machine, {}", settings.data.display())
}

/// A console whose port is taken.
pub struct Console {
    listener: TcpListener,
    operator: Arc<ConsoleOperator>,
    guard: Guard,
}

impl Console {
    /// Takes the port, and prints the address that lets a browser in.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn open(operator: ConsoleOperator, port: u16) -> anyhow::Result<Self> {
        let taken = || format!("the port {port} of this machine cannot be had; name another one, or 0 for any");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(taken)?;
        let address = listener.local_addr()?;
        let guard = Guard::new(address.port());
        output::result(&format!("console: http://{address}{}", guard.entrance()))?;
        output::note("open the address in a browser; it holds the key of this process; Ctrl-C ends");
        Ok(Self { listener, operator: Arc::new(operator), guard })
    }

    /// Serves until told to stop; acts under way come to their end first.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let Self { listener, operator, guard } = self;
        let router = router(Arc::<ConsoleOperator>::clone(&operator), guard);
        let stop = stop.clone();
        let told = async move { interrupt::told(&stop).await };
        axum::serve(listener, router).with_graceful_shutdown(told).await?;
        operator.finish().await;
        Ok(())
    }
}
