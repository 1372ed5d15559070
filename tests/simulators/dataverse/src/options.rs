//! How a simulator is started: port, demo data, switches for behaviour that is not certain, latency.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::schema::CustomNavigation;

/// The company id that the demo's company row belongs to, unless another is given.
pub const DEMO_COMPANY_ID: Uuid = Uuid::from_u128(0x0000_0000_0000_0000_0000_0000_c0de_0001);

/// How to start.
#[derive(Debug, Clone)]
pub struct DataverseOptions {
    /// Port on loopback; 0 takes any free one.
    pub port: u16,
    /// Demo data; `None` starts with the organization and its users only.
    pub demo: Option<DemoSize>,
    /// Everything random follows from it.
    pub seed: u64,
    /// Time that requests take.
    pub latency: Latency,
    /// Read at start when it exists, written at stop.
    pub state_file: Option<PathBuf>,
    /// Serve HTTPS with a certificate of a throw-away authority.
    pub https: bool,
    /// Where to write the authority's certificate (PEM).
    pub certificate_file: Option<PathBuf>,
    /// Business Central company that the company row stands for.
    pub company_id: Uuid,
    /// Name of that company, at most 30 characters.
    pub company_name: String,
    /// ISO code of the organization's base currency.
    pub base_currency: String,
    /// Enforce the service protection limits.
    pub limits: Option<crate::faults::ServiceLimits>,
    /// Lifetime of access tokens.
    pub token_lifetime: Duration,
    /// Switches.
    pub behaviour: Behaviour,
}

impl Default for DataverseOptions {
    fn default() -> Self {
        Self {
            port: 0,
            demo: Some(DemoSize::default()),
            seed: 1,
            latency: Latency::default(),
            state_file: None,
            https: false,
            certificate_file: None,
            company_id: DEMO_COMPANY_ID,
            company_name: "CRONUS USA, Inc.".to_owned(),
            base_currency: "USD".to_owned(),
            limits: None,
            token_lifetime: Duration::from_secs(3599),
            behaviour: Behaviour::default(),
        }
    }
}

/// How much demo data there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSize {
    /// Active products that only Sales knows.
    pub products_only_in_sales: usize,
    /// Active customer accounts that only Sales knows.
    pub accounts_only_in_sales: usize,
    /// Contacts of those accounts, per account.
    pub contacts_per_account: usize,
    /// Licensed, enabled people.
    pub users: usize,
    /// People who are disabled or have no licence.
    pub inactive_users: usize,
    /// Unit groups named `NAV <unit>`.
    pub unit_groups: Vec<String>,
}

impl Default for DemoSize {
    fn default() -> Self {
        Self {
            products_only_in_sales: 0,
            accounts_only_in_sales: 5,
            contacts_per_account: 0,
            users: 5,
            inactive_users: 2,
            unit_groups: Vec::new(),
        }
    }
}

/// What a request costs in time. All zero unless asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latency {
    /// Every request.
    pub request: Duration,
    /// A single write.
    pub single_write: Duration,
    /// Each write inside `$batch`.
    pub batch_row: Duration,
    /// Each row of `CreateMultiple`.
    pub bulk_create_row: Duration,
    /// Each row of `UpdateMultiple` and `UpsertMultiple`.
    pub bulk_update_row: Duration,
    /// Each thousand rows read.
    pub thousand_rows_read: Duration,
}

impl Latency {
    /// The model for benchmarks: what one row costs in the real service, roughly.
    #[must_use]
    pub fn benchmark() -> Self {
        Self {
            request: Duration::from_millis(30),
            single_write: Duration::from_millis(100),
            batch_row: Duration::from_millis(40),
            bulk_create_row: Duration::from_millis(10),
            bulk_update_row: Duration::from_millis(30),
            thousand_rows_read: Duration::from_millis(100),
        }
    }
}

/// Switches for behaviour that documents leave open or that depends on the organization's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Behaviour {
    /// Copied from the options.
    pub seed: u64,
    /// Active and Retired products may be edited. The documented error says no; the built-in integration does it.
    pub published_products_editable: bool,
    /// A Retired product may become Active again. The documented error says no; the built-in integration does it.
    pub retired_products_reactivate: bool,
    /// New products are Active instead of Draft (an organization setting).
    pub products_start_active: bool,
    /// A `statecode` sent with a new product takes effect. The definitions say that the column is valid for create; that it is ignored, and
    /// the product is a draft, is what the actions around publishing suggest.
    pub product_state_on_create: bool,
    /// The unit group of a product may change. The documents say no.
    pub unit_groups_changeable: bool,
    /// Names of price lists are unique.
    pub price_list_names_unique: bool,
    /// Submitted, fulfilled and invoiced orders and their lines take no changes but of state. The built-in integration opens
    /// them before it writes in one mode, and does not in the other.
    pub submitted_orders_read_only: bool,
    /// Active quotes take no changes but of state.
    pub active_quotes_read_only: bool,
    /// Posts can be created by an upsert. Many tables of the system take none, and the documents do not say which.
    pub posts_take_upserts: bool,
    /// HTTP status of a taken product number: 412 or 400.
    pub duplicate_product_number_status: u16,
    /// Decimals that money columns keep: two in a standard organization, four at most.
    pub money_decimals: u32,
    /// Spelling of the navigation properties of custom lookups.
    pub custom_navigation: CustomNavigation,
    /// Columns such as `customeridtype` are properties of the Web API.
    pub entity_names_exposed: bool,
    /// HTTP status of an expired delta link.
    pub expired_delta_status: u16,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 1,
            published_products_editable: true,
            retired_products_reactivate: true,
            products_start_active: false,
            product_state_on_create: false,
            unit_groups_changeable: false,
            price_list_names_unique: true,
            submitted_orders_read_only: true,
            active_quotes_read_only: true,
            posts_take_upserts: false,
            duplicate_product_number_status: 412,
            money_decimals: 2,
            custom_navigation: CustomNavigation::default(),
            entity_names_exposed: false,
            expired_delta_status: 400,
        }
    }
}
