//! Behaviour over real HTTP beyond rows.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../client/mod.rs"]
mod client;

mod customizing;
mod queries;
mod selling;
mod service;
mod webhooks;

use client::Client;
use serde_json::json;

/// One account with two contacts.
async fn family(client: &Client) -> String {
    let account = client.post("accounts", json!({"name": "Parent", "creditlimit": 10})).await.new_id();
    for name in ["First", "Second"] {
        client
            .post(
                "contacts",
                json!({"lastname": name, "parentcustomerid_account@odata.bind": format!("/accounts({account})")}),
            )
            .await
            .new_id();
    }
    account
}
