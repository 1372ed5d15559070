//! `business-central-simulator`: a Business Central service on this machine, with a demonstration company if wanted.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use business_central_simulator::{
    BusinessCentralOptions, BusinessCentralSimulator, DemoSize, Latency, Limits, TradeSize,
};
use clap::Parser;
use simulator_platform::{EndSignals, exit_code};
use tracing_subscriber::EnvFilter;

/// A Business Central service on 127.0.0.1: API v2.0, the companion app's API, tokens, webhooks.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Fill the company with demonstration data.
    #[arg(long)]
    demo: bool,
    /// TCP port; a free one if left out.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Items in the demonstration company.
    #[arg(long, default_value_t = 100)]
    items: usize,
    /// Customers in the demonstration company.
    #[arg(long, default_value_t = 20)]
    customers: usize,
    /// Give customers of the demonstration company salespeople.
    #[arg(long)]
    salesperson_codes: bool,
    /// Give the demonstration company prices, opportunities and posted invoices.
    #[arg(long)]
    trade: bool,
    /// The number the demonstration company is made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serve HTTPS with a throw-away certificate authority.
    #[arg(long)]
    https: bool,
    /// Where to write the certificate of that authority (PEM).
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Faults from the start, as JSON in the form that `POST /_simulator/faults` takes.
    #[arg(long)]
    faults: Option<String>,
    /// Load the company from this file if it exists, and save it there at the end.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Let number series allow numbers given by hand.
    #[arg(long)]
    manual_numbers: bool,
    /// Take as long as the real service: 300 ms for a page, 80 ms for a write.
    #[arg(long)]
    slow: bool,
    /// Lift the limits of the online service (6,000 requests in 5 minutes, 5 at once).
    #[arg(long)]
    no_limits: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("business-central-simulator", run().await)
}

async fn run() -> anyhow::Result<()> {
    // From here on, not only when it serves: who is told to end at once ends in order as well.
    let mut ends = EndSignals::listen()?;
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let demo = arguments.demo.then(|| DemoSize {
        items: arguments.items,
        customers: arguments.customers,
        salesperson_codes: arguments.salesperson_codes,
        trade: if arguments.trade { TradeSize::of(arguments.items, arguments.customers) } else { TradeSize::NONE },
        ..DemoSize::default()
    });
    let simulator = BusinessCentralSimulator::start(BusinessCentralOptions {
        port: arguments.port,
        demo,
        seed: arguments.seed,
        https: arguments.https,
        ca_file: arguments.ca_file.clone(),
        state_file: arguments.state,
        manual_numbers: arguments.manual_numbers,
        latency: if arguments.slow { Latency::benchmark() } else { Latency::default() },
        limits: if arguments.no_limits { Limits::off() } else { Limits::online() },
        ..BusinessCentralOptions::default()
    })
    .await?;
    if let Some(faults) = &arguments.faults {
        simulator.set_faults(faults).context("--faults is not what POST /_simulator/faults takes")?;
    }
    let (tenant, client, secret) = simulator.credentials();
    let authority = simulator.authority();
    let certificate = match (&arguments.ca_file, arguments.https) {
        (Some(path), true) => format!(" --cacert '{}'", path.display()),
        (None, true) => " --insecure".to_owned(),
        (_, false) => String::new(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "URL       {}", simulator.url())?;
    writeln!(out, "Company   {}  {}", simulator.company_id(), simulator.company_name())?;
    writeln!(out, "Tenant    {tenant}\nClient    {client}\nSecret    {secret}")?;
    writeln!(out, "Switches  {authority}/_simulator/\n")?;
    writeln!(
        out,
        "TOKEN=$(curl -s{certificate} '{authority}/{tenant}/oauth2/v2.0/token' -d grant_type=client_credentials -d 'client_id={client}' -d 'client_secret={secret}' \\"
    )?;
    writeln!(
        out,
        "  -d scope=https://api.businesscentral.dynamics.com/.default | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    )?;
    writeln!(
        out,
        "curl -s{certificate} -H \"Authorization: Bearer $TOKEN\" '{}/api/v2.0/companies({})/items?$top=3'",
        simulator.url(),
        simulator.company_id()
    )?;
    out.flush()?;
    drop(out);
    ends.next().await?;
    simulator.save().context("the state is not saved")?;
    simulator.stop().await;
    Ok(())
}
