//! What people do in Sales that is an action of the Web API rather than a change of a row.

use serde_json::{Value as Json, json};

use crate::World;

impl World {
    /// Calls an unbound action of Dataverse.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn sales_action(&self, name: &str, body: &Json) {
        self.sales_answer(name, body).await;
    }

    /// Calls an unbound action of Dataverse and gives what it answers, null if nothing.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn sales_answer(&self, name: &str, body: &Json) -> Json {
        let (tenant, client, secret) = self.dataverse.credentials();
        let http = reqwest::Client::new();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", format!("{}/.default", self.dataverse.url())),
        ];
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.dataverse.authority());
        let answer = http.post(url).form(&form).send().await.expect("the token endpoint answers");
        let token: Json = answer.json().await.expect("a token");
        let token = token["access_token"].as_str().expect("a token");
        let url = format!("{}/api/data/v9.2/{name}", self.dataverse.url());
        let answer = http.post(url).bearer_auth(token).json(body).send().await.expect("Dataverse answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{name} was refused: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Adds an option to a choice of accounts, as an administrator would.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn add_option(&self, column: &str, value: i64, label: &str) {
        let option = json!({
            "EntityLogicalName": "account",
            "AttributeLogicalName": column,
            "Value": value,
            "Label": {"LocalizedLabels": [{"Label": label, "LanguageCode": 1033}]},
        });
        self.sales_action("InsertOptionValue", &option).await;
    }

    /// Merges one account into another, as a person in Sales would; the other becomes inactive.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn merge_accounts(&self, master: uuid::Uuid, subordinate: uuid::Uuid) {
        let account = |id: uuid::Uuid| json!({"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": id});
        let body = json!({
            "Target": account(master),
            "Subordinate": account(subordinate),
            "UpdateContent": {"@odata.type": "Microsoft.Dynamics.CRM.account"},
            "PerformParentingChecks": false,
        });
        self.sales_action("Merge", &body).await;
    }
}
