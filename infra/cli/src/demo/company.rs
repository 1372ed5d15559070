//! The demonstration's two systems, and the settings that lead to them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, TradeSize};
use couplet_model::ids::CompanyId;
use couplet_model::switches::{Ownership, SalesOrders, Switches};
use couplet_runtime::Settings;
use couplet_runtime::configuration::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, NotificationsSection, RetentionSection,
};
use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use serde_json::json;

use crate::arguments::DemoOptions;

/// Items in a thousand that are blocked, beside those that are not.
const BLOCKED_IN_THOUSAND: u32 = 25;

/// The resource that stands for what sellers only write into a line.
pub const WRITTEN_IN: &str = "WRITE-IN";
/// The account that freight is charged on.
const FREIGHT_ACCOUNT: &str = "6910";

/// Both systems of the demonstration.
pub struct Company {
    /// Business Central.
    pub business_central: BusinessCentralSimulator,
    /// Dataverse.
    pub dataverse: DataverseSimulator,
}

impl Company {
    /// Starts both systems on free ports of this machine.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(options: &DemoOptions) -> anyhow::Result<Self> {
        let business_central = BusinessCentralOptions {
            demo: Some(business_central_simulator::DemoSize {
                items: options.items as usize,
                blocked_items: (options.items * BLOCKED_IN_THOUSAND).div_ceil(1000) as usize,
                customers: options.customers as usize,
                contacts: (options.customers as usize).div_ceil(2),
                trade: TradeSize::of(options.items as usize, options.customers as usize),
                ..Default::default()
            }),
            ..Default::default()
        };
        let business_central = BusinessCentralSimulator::start(business_central)
            .await
            .context("the Business Central simulator does not start")?;
        sellable(&business_central)?;
        let dataverse = DataverseOptions {
            demo: Some(dataverse_simulator::DemoSize::default()),
            company_id: business_central.company_id(),
            company_name: business_central.company_name(),
            ..Default::default()
        };
        let dataverse = DataverseSimulator::start(dataverse).await.context("the Dataverse simulator does not start")?;
        Ok(Self { business_central, dataverse })
    }

    /// Settings that lead to both systems.
    pub fn settings(&self) -> Settings {
        let credentials = |authority: String, (tenant, client_id, secret): (String, String, String)| Credentials {
            authority,
            tenant,
            client_id,
            proof: secret.into(),
        };
        Settings {
            company: CompanyId(self.business_central.company_id()),
            data: PathBuf::new(),
            catalogue: None,
            switches: Switches {
                ownership: Ownership::Person,
                sales_orders: SalesOrders::Legacy,
                ..Switches::default()
            },
            business_central: BusinessCentralSection {
                url: self.business_central.url(),
                credentials: credentials(self.business_central.authority(), self.business_central.credentials()),
                companion: true,
                concurrency: 5,
                page_size: 20_000,
                ca_file: None,
            },
            dataverse: DataverseSection {
                url: self.dataverse.url(),
                credentials: credentials(self.dataverse.authority(), self.dataverse.credentials()),
                concurrency: 8,
                page_size: 5_000,
                ca_file: None,
            },
            cloud: CloudSection { first_retry_seconds: 1, ..CloudSection::default() },
            retention: RetentionSection { runs_days: 30, errors_days: 30, history_days: 30 },
            limits: Limits::default(),
            notifications: Some(NotificationsSection {
                url: None,
                secret: uuid::Uuid::new_v4().to_string().into(),
                listen: NotificationsSection::LISTEN,
                jobs: None,
            }),
        }
    }

    /// Requests both systems have served so far.
    pub fn requests(&self) -> Requests {
        Requests { business_central: self.business_central.requests(), dataverse: self.dataverse.requests() }
    }

    /// What to do with the running demonstration.
    pub fn invitation(&self, period: Duration) -> String {
        let (bc_tenant, bc_client, bc_secret) = self.business_central.credentials();
        let (dv_tenant, dv_client, dv_secret) = self.dataverse.credentials();
        let token = |authority: String, tenant: String, client: String, secret: String, scope: &str| {
            format!(
                "curl -s {authority}/{tenant}/oauth2/v2.0/token -d grant_type=client_credentials -d client_id={client} -d client_secret={secret} -d scope={scope}/.default"
            )
        };
        let bc_token = token(
            self.business_central.authority(),
            bc_tenant,
            bc_client,
            bc_secret,
            "https://api.businesscentral.dynamics.com",
        );
        let dv_url = self.dataverse.url();
        let dv_token = token(self.dataverse.authority(), dv_tenant, dv_client, dv_secret, &dv_url);
        format!(
            "\nBoth systems stay up, and every job runs every {} seconds; Ctrl-C ends.\n\n\
             Business Central  {}/api/v2.0/companies({})/items\n  token: {bc_token}\n\
             Dataverse         {dv_url}/api/data/v9.2/products\n  token: {dv_token}\n",
            period.as_secs(),
            self.business_central.url(),
            self.business_central.company_id(),
        )
    }

    /// Stops both systems.
    pub async fn stop(self) {
        self.business_central.stop().await;
        self.dataverse.stop().await;
    }
}

/// Sets up what orders of Sales need: a resource for what sellers write in, and an account for freight.
fn sellable(business_central: &BusinessCentralSimulator) -> anyhow::Result<()> {
    let resource = json!({"number": WRITTEN_IN, "displayName": "Written in by Sales", "baseUnitOfMeasureCode": "PCS"});
    let made = business_central.create_as_user("Resource", resource);
    made.map_err(|error| anyhow!("the resource {WRITTEN_IN}: {error:?}"))?;
    let setup = json!({"writeInProductType": "Resource", "writeInProductNumber": WRITTEN_IN,
        "freightAccountNumber": FREIGHT_ACCOUNT, "archiveOrders": true});
    business_central.set_up_sales(setup).map_err(|error| anyhow!("the sales setup: {error:?}"))
}

/// Requests served by both systems, tokens aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// By Business Central.
    pub business_central: u64,
    /// By Dataverse.
    pub dataverse: u64,
}

impl Requests {
    /// These and others.
    pub fn and(self, others: Self) -> Self {
        Self {
            business_central: self.business_central + others.business_central,
            dataverse: self.dataverse + others.dataverse,
        }
    }

    /// Requests since an earlier count.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            business_central: self.business_central - earlier.business_central,
            dataverse: self.dataverse - earlier.dataverse,
        }
    }
}
