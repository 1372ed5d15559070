//! The settings as types, and their way from text.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use couplet_model::ids::CompanyId;
use couplet_model::switches::{Ownership, SalesOrders, Switches};

use super::addresses;
use super::error::ConfigurationError;
use super::keys::{Key, key};
use super::proof_setting::{ProofSetting, WebIdentitySetting};
use super::secret_setting::{SecretPlace, SecretSetting};
use super::sources::{Found, Sources};

/// All settings of one installation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Business Central company.
    pub company: CompanyId,
    /// Folder in which the command keeps its data.
    pub data: PathBuf,
    /// Folder with a catalogue of one's own.
    pub catalogue: Option<PathBuf>,
    /// Which mappings and rows there are.
    pub switches: Switches,
    /// Business Central.
    pub business_central: BusinessCentralSection,
    /// Dataverse.
    pub dataverse: DataverseSection,
    /// AWS, or what stands in for it.
    pub cloud: CloudSection,
    /// How long history is kept.
    pub retention: RetentionSection,
    /// Times.
    pub limits: Limits,
    /// Change notifications; `None`: nobody tells of changes, and timers find them.
    pub notifications: Option<NotificationsSection>,
}

/// Change notifications.
#[derive(Clone, Debug)]
pub struct NotificationsSection {
    /// Address of the door, as both systems reach it, ending in a slash. The door itself need not know it.
    pub url: Option<String>,
    /// What shows that a notification is not forged.
    pub secret: SecretSetting,
    /// Where the door is opened on this machine.
    pub listen: SocketAddr,
    /// Jobs that may be started; `None`: all.
    pub jobs: Option<Vec<String>>,
}

impl NotificationsSection {
    /// Where the door is opened on this machine if nothing else is said.
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7357);
}

/// An application that may enter a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Address that gives tokens.
    pub authority: String,
    /// Tenant.
    pub tenant: String,
    /// Application.
    pub client_id: String,
    /// How it proves itself.
    pub proof: ProofSetting,
}

/// Business Central.
#[derive(Clone, Debug)]
pub struct BusinessCentralSection {
    /// Address up to and including the environment.
    pub url: String,
    /// Who enters.
    pub credentials: Credentials,
    /// Whether the companion app is installed.
    pub companion: bool,
    /// Requests at once.
    pub concurrency: usize,
    /// Records read in one request.
    pub page_size: u32,
    /// Certificates of a private authority.
    pub ca_file: Option<PathBuf>,
}

/// Dataverse.
#[derive(Clone, Debug)]
pub struct DataverseSection {
    /// Address of the environment.
    pub url: String,
    /// Who enters.
    pub credentials: Credentials,
    /// Requests at once.
    pub concurrency: usize,
    /// Records read in one request.
    pub page_size: u32,
    /// Certificates of a private authority.
    pub ca_file: Option<PathBuf>,
}

/// AWS, or what stands in for it.
#[derive(Clone, Debug)]
pub struct CloudSection {
    /// DynamoDB table.
    pub table: String,
    /// Records queue; the embedded cloud brings its own.
    pub queue_url: Option<String>,
    /// Tasks queue; the embedded cloud brings its own.
    pub tasks_queue_url: Option<String>,
    /// Deliveries after which the queue gives up on a message: the last one notes why.
    pub max_receives: u32,
    /// Pause before a record that failed technically is tried again; doubles with every attempt.
    pub first_retry_seconds: u32,
}

impl Default for CloudSection {
    fn default() -> Self {
        Self {
            table: "couplet".to_owned(),
            queue_url: None,
            tasks_queue_url: None,
            max_receives: 5,
            first_retry_seconds: 30,
        }
    }
}

/// How long history is kept.
#[derive(Clone, Copy, Debug)]
pub struct RetentionSection {
    /// Days for runs.
    pub runs_days: u32,
    /// Days for errors.
    pub errors_days: u32,
    /// Days for what became of each record; 0 keeps none of it.
    pub history_days: u32,
}

/// Times.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a run that died blocks its job.
    pub lease_minutes: u32,
    /// Age from which a record is read again before it is written.
    pub snapshot_minutes: u32,
    /// How far reading by time of change reaches back before the cursor.
    pub look_back_minutes: u32,
    /// Seconds after which a run goes on in a new invocation; `None`: when the invocation has to end.
    pub run_seconds: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lease_minutes: 15, snapshot_minutes: 5, look_back_minutes: 5, run_seconds: None }
    }
}

impl Settings {
    /// Types what was found.
    ///
    /// # Errors
    /// When a setting is missing or wrong: the first one, in one line.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigurationError> {
        let reader = Reader { sources };
        let company =
            reader.required("company", |text| CompanyId::from_str(text).map_err(|_| "not an id".to_owned()))?;
        let business_central_credentials = reader.credentials("business_central")?;
        let environment = reader.required("business_central.environment", plain)?;
        let tenant = &business_central_credentials.tenant;
        let address = |text: &str| addresses::environment(text, tenant, &environment);
        let url = match reader.optional("business_central.url", address)? {
            Some(url) => url,
            None => reader.usual("business_central.url", "https://api.businesscentral.dynamics.com", address)?,
        };
        let (defaults, cloud, limits) = (Switches::default(), CloudSection::default(), Limits::default());
        Ok(Self {
            company,
            data: reader.optional("data", path)?.unwrap_or_else(|| PathBuf::from("couplet-data")),
            catalogue: reader.optional("catalogue", path)?,
            business_central: BusinessCentralSection {
                url,
                credentials: business_central_credentials,
                companion: reader.optional("business_central.companion", flag)?.unwrap_or(true),
                concurrency: reader.number("business_central.concurrency", 1, 5, 5)? as usize,
                page_size: reader.number("business_central.page_size", 1, 20_000, 20_000)?,
                ca_file: reader.optional("business_central.ca_file", path)?,
            },
            dataverse: DataverseSection {
                url: reader.required("dataverse.url", addresses::host_alone)?,
                credentials: reader.credentials("dataverse")?,
                concurrency: reader.number("dataverse.concurrency", 1, 50, 8)? as usize,
                page_size: reader.number("dataverse.page_size", 1, 5_000, 5_000)?,
                ca_file: reader.optional("dataverse.ca_file", path)?,
            },
            switches: Switches {
                ownership: reader.optional("switches.ownership", ownership)?.unwrap_or(defaults.ownership),
                unit_groups: reader.optional("switches.unit_groups", flag)?.unwrap_or(defaults.unit_groups),
                extended_pricing: reader
                    .optional("switches.extended_pricing", flag)?
                    .unwrap_or(defaults.extended_pricing),
                sales_orders: reader.optional("switches.sales_orders", sales_orders)?.unwrap_or(defaults.sales_orders),
                auto_create_orders: reader
                    .optional("switches.auto_create_orders", flag)?
                    .unwrap_or(defaults.auto_create_orders),
                auto_process_quotes: reader
                    .optional("switches.auto_process_quotes", flag)?
                    .unwrap_or(defaults.auto_process_quotes),
                item_availability: reader
                    .optional("switches.item_availability", flag)?
                    .unwrap_or(defaults.item_availability),
                default_price_list_code_is_set: reader
                    .optional("switches.default_price_list_code_is_set", flag)?
                    .unwrap_or(defaults.default_price_list_code_is_set),
            },
            cloud: CloudSection {
                table: reader.optional("cloud.table", plain)?.unwrap_or(cloud.table),
                queue_url: reader.optional("cloud.queue_url", addresses::queue)?,
                tasks_queue_url: reader.optional("cloud.tasks_queue_url", addresses::queue)?,
                max_receives: reader.number("cloud.max_receives", 1, 1000, cloud.max_receives)?,
                first_retry_seconds: reader.number("cloud.first_retry_seconds", 1, 900, cloud.first_retry_seconds)?,
            },
            retention: RetentionSection {
                runs_days: reader.number("retention.runs_days", 1, 3650, 30)?,
                errors_days: reader.number("retention.errors_days", 1, 3650, 30)?,
                history_days: reader.number("retention.history_days", 0, 3650, 30)?,
            },
            limits: Limits {
                lease_minutes: reader.number("limits.lease_minutes", 1, 60, limits.lease_minutes)?,
                snapshot_minutes: reader.number("limits.snapshot_minutes", 0, 60, limits.snapshot_minutes)?,
                look_back_minutes: reader.number("limits.look_back_minutes", 1, 60, limits.look_back_minutes)?,
                run_seconds: reader.optional("limits.run_seconds", within(1, 900))?,
            },
            notifications: reader.notifications()?,
        })
    }
}

struct Reader<'a> {
    sources: &'a Sources,
}

impl Reader<'_> {
    fn optional<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigurationError> {
        let key = declared(name);
        let Some(Found { text, from }) = self.sources.get(name) else { return Ok(None) };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(problem) => {
                let problem =
                    if key.secret { problem } else { format!("{:?} is {problem}", addresses::without_user(text)) };
                Err(ConfigurationError::Wrong { key, problem, from: from.clone() })
            }
        }
    }

    /// What a setting is that was left out.
    fn usual<T>(
        &self,
        name: &'static str,
        text: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigurationError> {
        let from = "what it is if it is left out".to_owned();
        parse(text).map_err(|problem| ConfigurationError::Wrong { key: declared(name), problem, from })
    }

    fn required<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigurationError> {
        self.optional(name, parse)?.ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &'static str) -> ConfigurationError {
        ConfigurationError::Missing { key: declared(name), place: self.sources.place() }
    }

    fn number(&self, name: &'static str, least: u32, most: u32, default: u32) -> Result<u32, ConfigurationError> {
        Ok(self.optional(name, within(least, most))?.unwrap_or(default))
    }

    /// A secret that is set itself, or else by its ARN.
    fn secret(&self, name: &'static str) -> Result<Option<SecretSetting>, ConfigurationError> {
        if let Some(text) = self.optional(name, plain)? {
            return Ok(Some(SecretSetting::from(text)));
        }
        let Some(Found { text, from }) = self.sources.arn(name) else { return Ok(None) };
        let key = declared(name);
        // It may be the secret itself, put into the wrong variable: a text that is not an ARN is shown nowhere.
        if !text.starts_with("arn:") {
            let problem = "not the ARN of a secret in Secrets Manager".to_owned();
            return Err(ConfigurationError::Wrong { key, problem, from: from.clone() });
        }
        Ok(Some(SecretSetting::Kept(SecretPlace { arn: text.clone(), variable: key.arn_variable() })))
    }

    /// How an application proves itself by the settings of one section, if there are any: exactly one way.
    fn proof(&self, section: &str) -> Result<Option<ProofSetting>, ConfigurationError> {
        let [secret, secret_file, file, password, identity] =
            ["client_secret", "client_secret_file", "certificate_file", "certificate_password", "web_identity"]
                .map(|name| of(section, name));
        let is_set = |name: &&&'static str| self.sources.get(name).is_some() || self.sources.arn(name).is_some();
        let ways: Vec<&'static str> = [secret, secret_file, file, identity].iter().filter(is_set).copied().collect();
        if let [one, other, ..] = ways[..] {
            let from = self.sources.get(other).or(self.sources.arn(other)).map(|found| found.from.clone());
            let problem = format!("set beside {one}, and one of them is enough: leave the other out");
            return Err(ConfigurationError::Wrong { key: declared(other), problem, from: from.unwrap_or_default() });
        }
        if let Some(secret) = self.secret(secret)? {
            return Ok(Some(ProofSetting::Secret { secret, password: self.secret(password)? }));
        }
        if let Some(file) = self.optional(secret_file, path)? {
            return Ok(Some(ProofSetting::SecretFile(file)));
        }
        if let Some(file) = self.optional(file, path)? {
            return Ok(Some(ProofSetting::CertificateFile { file, password: self.secret(password)? }));
        }
        let identity = self.optional(identity, |text| {
            Ok(if text == "aws" { WebIdentitySetting::Aws } else { WebIdentitySetting::File(PathBuf::from(text)) })
        })?;
        Ok(identity.map(ProofSetting::WebIdentity))
    }

    /// The door for change notifications, if it is set up: an address or a secret says so, and without the secret it would be
    /// open to everybody.
    fn notifications(&self) -> Result<Option<NotificationsSection>, ConfigurationError> {
        let url = self.optional("notifications.url", addresses::door)?;
        let secret = self.secret("notifications.secret")?;
        let listen = self.optional("notifications.listen", socket_address)?.unwrap_or(NotificationsSection::LISTEN);
        let jobs = self.optional("notifications.jobs", list)?;
        match (url, secret) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.missing("notifications.secret")),
            (url, Some(secret)) => Ok(Some(NotificationsSection { url, secret, listen, jobs })),
        }
    }

    /// The credentials of one system: its own where it has some, else those of `[entra]`.
    fn credentials(&self, system: &'static str) -> Result<Credentials, ConfigurationError> {
        let [tenant, client_id, authority] = ["tenant", "client_id", "authority"].map(|name| of(system, name));
        let either = |own: &'static str, shared: &'static str| match self.optional(own, plain)? {
            Some(text) => Ok(text),
            None => self.required(shared, plain),
        };
        let authority = match self.optional(authority, addresses::host_alone)? {
            Some(authority) => Some(authority),
            None => self.optional("entra.authority", addresses::host_alone)?,
        };
        Ok(Credentials {
            tenant: either(tenant, "entra.tenant")?,
            client_id: either(client_id, "entra.client_id")?,
            proof: match self.proof(system)? {
                Some(own) => own,
                None => self.proof("entra")?.ok_or_else(|| self.missing("entra.client_secret"))?,
            },
            authority: authority.unwrap_or_else(|| "https://login.microsoftonline.com".to_owned()),
        })
    }
}

/// The setting of a section.
fn of(section: &str, name: &str) -> &'static str {
    key(&format!("{section}.{name}")).map_or("?", |key| key.name)
}

/// The key of a name used in this file; the tests read every setting once, so that none is undeclared.
fn declared(name: &'static str) -> &'static Key {
    static UNDECLARED: Key = Key { name: "?", what: "undeclared", example: "", required: false, secret: true };
    key(name).unwrap_or(&UNDECLARED)
}

fn plain(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn within(least: u32, most: u32) -> impl Fn(&str) -> Result<u32, String> {
    move |text| match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a number from {least} to {most}")),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "neither true nor false".to_owned())
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an address and a port, such as 127.0.0.1:7357".to_owned())
}

fn list(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

fn ownership(text: &str) -> Result<Ownership, String> {
    match text {
        "person" => Ok(Ownership::Person),
        "team" => Ok(Ownership::Team),
        _ => Err("neither person nor team".to_owned()),
    }
}

fn sales_orders(text: &str) -> Result<SalesOrders, String> {
    match text {
        "off" => Ok(SalesOrders::Off),
        "legacy" => Ok(SalesOrders::Legacy),
        "bidirectional" => Ok(SalesOrders::Bidirectional),
        _ => Err("none of off, legacy, bidirectional".to_owned()),
    }
}
