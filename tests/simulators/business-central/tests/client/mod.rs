//! A small HTTP client for the tests.

#![allow(dead_code, clippy::unwrap_used)]

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A simulator and a client with a token.
pub struct Client {
    pub simulator: BusinessCentralSimulator,
    pub http: reqwest::Client,
    pub token: String,
}

/// Status, body and headers of an answer.
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
    pub text: String,
    pub headers: reqwest::header::HeaderMap,
}

impl Reply {
    /// The error code in the body.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn values(&self) -> &Vec<Value> {
        self.body["value"].as_array().unwrap()
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub fn etag(&self) -> String {
        self.body["@odata.etag"].as_str().unwrap().to_owned()
    }
}

impl Client {
    /// An empty company.
    pub async fn empty() -> Self {
        Self::with(BusinessCentralOptions::default()).await
    }

    /// An empty company whose number series allow numbers given by hand.
    pub async fn numbered_by_hand() -> Self {
        Self::with(BusinessCentralOptions { manual_numbers: true, ..BusinessCentralOptions::default() }).await
    }

    /// The demonstration company.
    pub async fn demo() -> Self {
        Self::with(BusinessCentralOptions { demo: Some(DemoSize::default()), ..BusinessCentralOptions::default() })
            .await
    }

    pub async fn with(options: BusinessCentralOptions) -> Self {
        let simulator = BusinessCentralSimulator::start(options).await.unwrap();
        let http = reqwest::Client::new();
        let token = token(&simulator, &http).await;
        Self { simulator, http, token }
    }

    pub async fn renew_token(&mut self) {
        self.token = token(&self.simulator, &self.http).await;
    }

    /// URL of a path below the company of the standard API.
    pub fn standard(&self, path: &str) -> String {
        format!("{}/api/v2.0/companies({})/{path}", self.simulator.url(), self.simulator.company_id())
    }

    /// URL of a path below the company of the companion API.
    pub fn companion(&self, path: &str) -> String {
        format!("{}/api/couplet/sync/v1.0/companies({})/{path}", self.simulator.url(), self.simulator.company_id())
    }

    pub async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        self.try_send(method, url, headers, body).await.unwrap()
    }

    pub async fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        Ok(Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), text, headers })
    }

    pub async fn get(&self, url: &str) -> Reply {
        self.send(Method::GET, url, &[], None).await
    }

    pub async fn post(&self, url: &str, body: Value) -> Reply {
        self.send(Method::POST, url, &[], Some(body)).await
    }

    pub async fn patch(&self, url: &str, etag: &str, body: Value) -> Reply {
        self.send(Method::PATCH, url, &[("if-match", etag)], Some(body)).await
    }

    pub async fn delete(&self, url: &str) -> Reply {
        self.send(Method::DELETE, url, &[("if-match", "*")], None).await
    }
}

async fn token(simulator: &BusinessCentralSimulator, http: &reqwest::Client) -> String {
    let (tenant, client, secret) = simulator.credentials();
    let url = format!("{}/{tenant}/oauth2/v2.0/token", simulator.authority());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client),
        ("client_secret", &secret),
        ("scope", "https://api.businesscentral.dynamics.com/.default"),
    ];
    let body: Value = http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}
