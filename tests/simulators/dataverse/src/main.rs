//! The simulator as a program: starts, says how to reach it, and serves until interrupted.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use dataverse_simulator::{DataverseOptions, DataverseSimulator, DemoSize, Latency, ServiceLimits};
use simulator_platform::{EndSignals, exit_code};
use uuid::Uuid;

/// A Dataverse Web API on loopback, for tests, benchmarks and offline work.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Fill the organization with demo data.
    #[arg(long)]
    demo: bool,
    /// Accounts that only Sales knows (with --demo).
    #[arg(long, default_value_t = 5)]
    accounts: usize,
    /// Products that only Sales knows (with --demo).
    #[arg(long, default_value_t = 0)]
    products: usize,
    /// Licensed users (with --demo).
    #[arg(long, default_value_t = 5)]
    users: usize,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The Business Central company that the company row stands for.
    #[arg(long)]
    company_id: Option<Uuid>,
    /// ISO code of the base currency.
    #[arg(long, default_value = "USD")]
    base_currency: String,
    /// Serve HTTPS with a throw-away authority.
    #[arg(long)]
    https: bool,
    /// Where the authority's certificate is written (with --https).
    #[arg(long, default_value = "dataverse-simulator-ca.pem")]
    certificate: PathBuf,
    /// Faults from the start, as JSON in the form that `POST /_simulator/faults` takes.
    #[arg(long)]
    faults: Option<String>,
    /// Keep the rows in this file between runs.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Take the time that the real service takes, roughly.
    #[arg(long)]
    latency: bool,
    /// Enforce the documented service protection limits.
    #[arg(long)]
    limits: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("dataverse-simulator", run().await)
}

async fn run() -> anyhow::Result<()> {
    // From here on, not only when it serves: who is told to end at once ends in order as well.
    let mut ends = EndSignals::listen()?;
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let arguments = Arguments::parse();
    let defaults = DataverseOptions::default();
    let demo = DemoSize {
        accounts_only_in_sales: arguments.accounts,
        products_only_in_sales: arguments.products,
        users: arguments.users,
        ..DemoSize::default()
    };
    let simulator = DataverseSimulator::start(DataverseOptions {
        port: arguments.port,
        demo: arguments.demo.then_some(demo),
        seed: arguments.seed,
        company_id: arguments.company_id.unwrap_or(defaults.company_id),
        base_currency: arguments.base_currency,
        https: arguments.https,
        certificate_file: arguments.https.then(|| arguments.certificate.clone()),
        state_file: arguments.state.clone(),
        latency: if arguments.latency { Latency::benchmark() } else { Latency::default() },
        limits: arguments.limits.then(ServiceLimits::default),
        ..defaults
    })
    .await?;
    if let Some(faults) = &arguments.faults {
        simulator.set_faults(faults).context("--faults is not what POST /_simulator/faults takes")?;
    }
    let (tenant, client, secret) = simulator.credentials();
    let (url, authority) = (simulator.url(), simulator.authority());
    let trust = if arguments.https { format!(" --cacert {}", arguments.certificate.display()) } else { String::new() };
    println!("Dataverse simulator at {url}  (Web API {url}/api/data/v9.2, admin API {url}/_simulator/)");
    println!("tenant {tenant}\nclient id {client}\nclient secret {secret}\n");
    println!(
        "TOKEN=$(curl -s{trust} {authority}/{tenant}/oauth2/v2.0/token -d grant_type=client_credentials -d client_id={client} -d client_secret={secret} -d scope={url}/.default | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    println!("curl -s{trust} -H \"Authorization: Bearer $TOKEN\" {url}/api/data/v9.2/WhoAmI");
    ends.next().await?;
    if let Some(file) = &arguments.state {
        simulator.save_state(file).with_context(|| format!("the state is not saved in {}", file.display()))?;
    }
    simulator.stop().await;
    Ok(())
}
