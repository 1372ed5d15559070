//! Settings that lead to the simulators: of a client, and of a whole installation.

use std::path::PathBuf;

use business_central_simulator::BusinessCentralSimulator;
use couplet_business_central::BusinessCentralSettings;
use couplet_dataverse::DataverseSettings;
use couplet_model::CompanyId;
use couplet_model::switches::{Ownership, Switches};
use couplet_runtime::Settings;
use couplet_runtime::configuration::{
    BusinessCentralSection, CloudSection, Credentials, DataverseSection, Limits, RetentionSection,
};
use dataverse_simulator::DataverseSimulator;
use uuid::Uuid;

use crate::systems::Systems;

/// Settings of a client of a simulated Business Central.
#[must_use]
pub fn business_central_settings(simulator: &BusinessCentralSimulator) -> BusinessCentralSettings {
    let (tenant, client, secret) = simulator.credentials();
    let company = CompanyId(simulator.company_id());
    BusinessCentralSettings::new(simulator.url(), simulator.authority(), tenant, client, secret, company)
}

/// Settings of a client of a simulated Dataverse.
#[must_use]
pub fn dataverse_settings(simulator: &DataverseSimulator) -> DataverseSettings {
    let (tenant, client, secret) = simulator.credentials();
    DataverseSettings::new(simulator.url(), simulator.authority(), tenant, client, secret)
}

/// Settings of an installation between both systems, in which persons own new records. It keeps nothing in a folder.
#[must_use]
pub fn settings(systems: &Systems) -> Settings {
    let Systems { business_central, dataverse } = systems;
    let mut settings = settings_to_nowhere();
    settings.company = CompanyId(business_central.company_id());
    settings.switches.ownership = Ownership::Person;
    settings.business_central.url = business_central.url();
    settings.business_central.credentials = credentials(business_central.authority(), business_central.credentials());
    settings.dataverse.url = dataverse.url();
    settings.dataverse.credentials = credentials(dataverse.authority(), dataverse.credentials());
    settings
}

/// Settings that lead to no system at all.
#[must_use]
pub fn settings_to_nowhere() -> Settings {
    let nowhere = || {
        let names = ["tenant", "client", "secret"].map(str::to_owned);
        credentials("http://127.0.0.1:1".to_owned(), names.into())
    };
    Settings {
        company: CompanyId(Uuid::from_u128(1)),
        data: PathBuf::new(),
        catalogue: None,
        // As worlds are by default.
        switches: Switches { unit_groups: false, ..Switches::default() },
        business_central: BusinessCentralSection {
            url: "http://127.0.0.1:1/v2.0/tenant/Production".to_owned(),
            credentials: nowhere(),
            companion: true,
            concurrency: 5,
            page_size: 20_000,
            ca_file: None,
        },
        dataverse: DataverseSection {
            url: "http://127.0.0.1:1".to_owned(),
            credentials: nowhere(),
            concurrency: 8,
            page_size: 5_000,
            ca_file: None,
        },
        cloud: CloudSection { first_retry_seconds: 1, ..CloudSection::default() },
        retention: RetentionSection { runs_days: 30, errors_days: 30, history_days: 30 },
        limits: Limits::default(),
        notifications: None,
    }
}

fn credentials(authority: String, (tenant, client_id, secret): (String, String, String)) -> Credentials {
    Credentials { authority, tenant, client_id, proof: secret.into() }
}
