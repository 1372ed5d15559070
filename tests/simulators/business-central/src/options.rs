//! How a simulator is set up.

use std::path::PathBuf;
use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::service::Switches;

/// Options of [`crate::BusinessCentralSimulator::start`].
#[derive(Clone, Debug)]
pub struct BusinessCentralOptions {
    /// TCP port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The demonstration company to fill in, or an empty company.
    pub demo: Option<DemoSize>,
    /// The demonstration company is made from this number alone.
    pub seed: u64,
    /// Id of the company.
    pub company_id: Uuid,
    /// Name of the company.
    pub company_name: String,
    /// Code of the local currency.
    pub local_currency: String,
    /// Whether the company's number series allow numbers given by hand; off, a number in a request is refused.
    pub manual_numbers: bool,
    /// Whether the company requires a country in every address; off, another country clears post code, city and county.
    pub requires_country: bool,
    /// Whether the company makes a company contact for every new customer and vendor, as companies with business relation
    /// codes do.
    pub contacts_of_partners: bool,
    /// The tax of everything that is sold, in percent.
    pub tax_percent: Decimal,
    /// The directory (tenant) id that tokens and URLs carry.
    pub tenant: String,
    /// Name of the environment in URLs.
    pub environment: String,
    /// Client id and secret that are given tokens.
    pub client: (String, String),
    /// How long requests take.
    pub latency: Latency,
    /// Limits of the service, off by default so that tests are not slowed down by chance.
    pub limits: Limits,
    /// Behaviour of the real service that is not certain.
    pub switches: Switches,
    /// How long changes are collected before a notification is sent (30 s in the real service).
    pub webhook_delay: Duration,
    /// The company is loaded from this file if it exists, and saved there when the simulator stops.
    pub state_file: Option<PathBuf>,
    /// Serve HTTPS with a throw-away certificate authority.
    pub https: bool,
    /// Where the certificate of that authority is written (PEM).
    pub ca_file: Option<PathBuf>,
}

impl Default for BusinessCentralOptions {
    fn default() -> Self {
        Self {
            port: 0,
            demo: None,
            seed: 1,
            company_id: Uuid::from_u128(0x5c1d_8f2e_3b6a_4e0f_9a7c_1d2e_3f4a_5b6c),
            company_name: "CRONUS USA, Inc.".into(),
            local_currency: "USD".into(),
            manual_numbers: false,
            requires_country: false,
            contacts_of_partners: true,
            tax_percent: Decimal::ZERO,
            tenant: "6f3c2f0e-8d6b-4a53-9f0e-2b8f4b1d7a10".into(),
            environment: "Production".into(),
            client: ("9d1f6a54-5c3e-4a0b-8f57-0c6f1a2b3c4d".into(), "simulated-secret".into()),
            latency: Latency::default(),
            limits: Limits::off(),
            switches: Switches::default(),
            webhook_delay: Duration::from_secs(30),
            state_file: None,
            https: false,
            ca_file: None,
        }
    }
}

/// How much the demonstration company holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoSize {
    /// Items that are not blocked.
    pub items: usize,
    /// Items that are blocked.
    pub blocked_items: usize,
    /// Customers.
    pub customers: usize,
    /// Vendors.
    pub vendors: usize,
    /// Contacts that are persons. They work for the customers in turn, every fourth of them for a vendor; where there are
    /// none, or the company makes no contacts for them, for company contacts of their own.
    pub contacts: usize,
    /// Resources that are not blocked.
    pub resources: usize,
    /// Resources that are blocked.
    pub blocked_resources: usize,
    /// Whether customers have salespeople.
    pub salesperson_codes: bool,
    /// What the company sells, and for how much.
    pub trade: TradeSize,
}

/// How much trade the demonstration company has seen; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeSize {
    /// Prices of items for customer price groups.
    pub sales_prices: usize,
    /// Lines of price lists. Every list holds up to a thousand, every second list in another currency.
    pub price_list_lines: usize,
    /// Opportunities of the contacts.
    pub opportunities: usize,
    /// Posted invoices, some of them paid, in part or in whole.
    pub invoices: usize,
}

impl TradeSize {
    /// No trade.
    pub const NONE: Self = Self { sales_prices: 0, price_list_lines: 0, opportunities: 0, invoices: 0 };

    /// As much as a company with so many items and customers may have.
    #[must_use]
    pub fn of(items: usize, customers: usize) -> Self {
        Self {
            sales_prices: items.div_ceil(5),
            price_list_lines: items.div_ceil(4),
            opportunities: customers.div_ceil(4),
            invoices: customers * 2,
        }
    }
}

impl Default for DemoSize {
    fn default() -> Self {
        Self {
            items: 100,
            blocked_items: 5,
            customers: 20,
            vendors: 8,
            contacts: 10,
            resources: 8,
            blocked_resources: 1,
            salesperson_codes: false,
            trade: TradeSize::NONE,
        }
    }
}

/// How long requests take; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Per read, a page being one read.
    pub read: Duration,
    /// Per write, also inside a batch.
    pub write: Duration,
}

impl Latency {
    /// What the service takes in benchmarks: 300 ms for a page, 80 ms for a write.
    #[must_use]
    pub fn benchmark() -> Self {
        Self { read: Duration::from_millis(300), write: Duration::from_millis(80) }
    }
}

/// Limits per client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether they hold at all.
    pub enabled: bool,
    /// Requests within the window.
    pub requests: usize,
    /// Length of the sliding window.
    pub window: Duration,
    /// Requests worked on at once.
    pub concurrent: usize,
    /// Requests that may wait.
    pub queue: usize,
    /// How long a request may wait before 503.
    pub longest_wait: Duration,
    /// Seconds in a `Retry-After` header on 429; the real service documents none.
    pub retry_after: Option<u64>,
}

impl Limits {
    /// No limits.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, ..Self::online() }
    }

    /// The documented limits of the online service: 6,000 requests in 5 minutes, 5 at once, 95 waiting for up to 8 minutes.
    #[must_use]
    pub fn online() -> Self {
        Self {
            enabled: true,
            requests: 6000,
            window: Duration::from_secs(300),
            concurrent: 5,
            queue: 95,
            longest_wait: Duration::from_secs(480),
            retry_after: None,
        }
    }
}
