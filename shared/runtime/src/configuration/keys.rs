//! Every setting there is, in the order of the example file.

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Name in the file, its section before the dot.
    pub name: &'static str,
    /// What it is, for the example file and for errors.
    pub what: &'static str,
    /// A value as the file writes it.
    pub example: &'static str,
    /// Whether nothing works without it.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
}

impl Key {
    /// The environment variable that sets it, and wins over the file.
    pub fn variable(&self) -> String {
        format!("COUPLET_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The environment variable that holds the ARN of a secret in Secrets Manager instead of the secret itself.
    pub fn arn_variable(&self) -> String {
        format!("{}_ARN", self.variable())
    }

    /// The line of the file that sets it, its section before it.
    pub fn line(&self) -> String {
        match self.name.rsplit_once('.') {
            Some((section, name)) => format!("[{section}] {name} = {}", self.example),
            None => format!("{} = {}", self.name, self.example),
        }
    }
}

const fn required(name: &'static str, what: &'static str, example: &'static str) -> Key {
    Key { name, what, example, required: true, secret: false }
}

const fn optional(name: &'static str, what: &'static str, example: &'static str) -> Key {
    Key { name, what, example, required: false, secret: false }
}

const fn secret(name: &'static str, what: &'static str, required: bool) -> Key {
    Key { name, what, example: "\"…\"", required, secret: true }
}

/// The records queue, which only the functions on AWS have to be told.
pub const QUEUE_URL: Key = optional(
    "cloud.queue_url",
    "URL of the records queue; needed on AWS only",
    "\"https://sqs.eu-west-1.amazonaws.com/123456789012/couplet-records\"",
);

/// The tasks queue, which only the functions on AWS have to be told.
pub const TASKS_QUEUE_URL: Key = optional(
    "cloud.tasks_queue_url",
    "URL of the tasks queue; needed on AWS only",
    "\"https://sqs.eu-west-1.amazonaws.com/123456789012/couplet-tasks\"",
);

/// Every setting.
pub const KEYS: &[Key] = &[
    required("company", "id of the Business Central company", "\"5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c\""),
    optional("data", "folder in which the command keeps its data", "\"couplet-data\""),
    optional("catalogue", "folder with a catalogue of your own instead of the built-in one", "\"catalogue\""),
    required("entra.tenant", "Entra ID tenant, its id or domain", "\"contoso.onmicrosoft.com\""),
    required("entra.client_id", "id of the Entra ID application", "\"9d1f6a54-5c3e-4a0b-8f57-0c6f1a2b3c4d\""),
    secret(
        "entra.client_secret",
        "secret of the Entra ID application, or its certificate with the key as text (PEM, or PFX in Base64); better in the environment than in a file, unless one of the three settings below is set",
        true,
    ),
    optional(
        "entra.client_secret_file",
        "file that holds that secret and nothing else, for its owner alone",
        "\"couplet.secret\"",
    ),
    optional(
        "entra.certificate_file",
        "certificate of the Entra ID application with its private key, in PEM or as PFX, instead of a secret",
        "\"couplet.pem\"",
    ),
    secret("entra.certificate_password", "password of the PFX file, if it has one", false),
    optional(
        "entra.web_identity",
        "instead of a secret: aws for a token of AWS STS that the application trusts, or the file of such a token",
        "\"aws\"",
    ),
    optional("entra.authority", "address that gives tokens", "\"https://login.microsoftonline.com\""),
    optional("business_central.url", "address of Business Central", "\"https://api.businesscentral.dynamics.com\""),
    required("business_central.environment", "environment of Business Central", "\"Production\""),
    optional("business_central.companion", "whether the companion app is installed", "true"),
    optional("business_central.tenant", "tenant of Business Central if it is another one", "\"contoso.com\""),
    optional("business_central.client_id", "application for Business Central if it is another one", "\"…\""),
    secret("business_central.client_secret", "secret or certificate of that application", false),
    optional("business_central.client_secret_file", "file that holds the secret of that application", "\"…\""),
    optional("business_central.certificate_file", "certificate of that application, with its private key", "\"…\""),
    secret("business_central.certificate_password", "password of that PFX file", false),
    optional("business_central.web_identity", "aws, or the file of a token, for that application", "\"aws\""),
    optional(
        "business_central.authority",
        "address that gives tokens for Business Central if it is another one",
        "\"https://…\"",
    ),
    optional("business_central.concurrency", "requests to Business Central at once, 1 to 5", "5"),
    optional("business_central.page_size", "records read in one request, 1 to 20000", "20000"),
    optional("business_central.ca_file", "certificates of a private authority, in PEM", "\"ca.pem\""),
    required("dataverse.url", "address of the Dataverse environment", "\"https://contoso.crm4.dynamics.com\""),
    optional("dataverse.tenant", "tenant of Dataverse if it is another one", "\"contoso.com\""),
    optional("dataverse.client_id", "application for Dataverse if it is another one", "\"…\""),
    secret("dataverse.client_secret", "secret or certificate of that application", false),
    optional("dataverse.client_secret_file", "file that holds the secret of that application", "\"…\""),
    optional("dataverse.certificate_file", "certificate of that application, with its private key", "\"…\""),
    secret("dataverse.certificate_password", "password of that PFX file", false),
    optional("dataverse.web_identity", "aws, or the file of a token, for that application", "\"aws\""),
    optional("dataverse.authority", "address that gives tokens for Dataverse if it is another one", "\"https://…\""),
    optional("dataverse.concurrency", "requests to Dataverse at once, 1 to 50", "8"),
    optional("dataverse.page_size", "rows read in one request, 1 to 5000", "5000"),
    optional("dataverse.ca_file", "certificates of a private authority, in PEM", "\"ca.pem\""),
    optional("switches.ownership", "who owns new records in Dataverse: person or team", "\"team\""),
    optional("switches.unit_groups", "unit groups per item instead of one per unit of measure", "true"),
    optional("switches.extended_pricing", "newer price lists of Business Central", "true"),
    optional("switches.sales_orders", "sales orders: off, legacy or bidirectional", "\"off\""),
    optional("switches.auto_create_orders", "whether orders submitted in Sales become orders by themselves", "true"),
    optional("switches.auto_process_quotes", "whether quotes activated in Sales are processed by themselves", "true"),
    optional("switches.item_availability", "whether stock travels to Sales", "true"),
    optional("switches.default_price_list_code_is_set", "whether the sales setup names a default price list", "false"),
    optional("cloud.table", "name of the DynamoDB table", "\"couplet\""),
    QUEUE_URL,
    TASKS_QUEUE_URL,
    optional("cloud.max_receives", "deliveries after which the queue gives up on a message, 1 to 1000", "5"),
    optional(
        "cloud.first_retry_seconds",
        "pause before a record that failed technically is tried again, 1 to 900",
        "30",
    ),
    optional(
        "retention.runs_days",
        "days for which runs are kept; 15 at least, because messages are believed as long as their run is",
        "30",
    ),
    optional("retention.errors_days", "days for which errors are kept", "30"),
    optional(
        "retention.history_days",
        "days for which it is kept what became of each record and why, with the values; 0 keeps none of it",
        "30",
    ),
    optional("limits.lease_minutes", "how long a run that died blocks its job, 1 to 60", "15"),
    optional("limits.snapshot_minutes", "age from which a record is read again before it is written, 0 to 60", "5"),
    optional(
        "limits.look_back_minutes",
        "how long a transaction may stay open in either system before a change of it can be missed, 1 to 60",
        "5",
    ),
    optional(
        "limits.run_seconds",
        "seconds after which a run goes on in a new invocation, 1 to 900; as long as the invocation may last if left out",
        "600",
    ),
    optional(
        "notifications.url",
        "address at which both systems reach the door for change notifications; without it there are none",
        "\"https://couplet.contoso.com/\"",
    ),
    secret("notifications.secret", "what shows that a notification is not forged; any long random text", false),
    optional("notifications.listen", "where couplet serve opens the door on this machine", "\"127.0.0.1:7357\""),
    optional(
        "notifications.jobs",
        "jobs that a notification may start, separated by commas; all if left out",
        "\"…, …\"",
    ),
];

/// Variables with our prefix that are no settings.
pub const OTHER_VARIABLES: &[&str] =
    &["COUPLET_LOG", "COUPLET_CONFIG", "COUPLET_METRICS_NAMESPACE", "COUPLET_PROFILE", "COUPLET_STACK"];

/// The setting of that name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
