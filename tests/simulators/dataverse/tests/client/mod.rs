//! A small client for the tests: one simulator, one token, plain requests.
#![allow(dead_code)]

use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use reqwest::Method;
use serde_json::Value;

pub struct Client {
    pub simulator: DataverseSimulator,
    pub api: String,
    pub token: String,
    http: reqwest::Client,
}

pub struct Answer {
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    pub fn new_id(&self) -> String {
        assert!(self.status < 300, "{}", self.text());
        let url = self.header("odata-entityid");
        url.rsplit_once('(').map(|(_, rest)| rest.trim_end_matches(')').to_owned()).unwrap_or_default()
    }
}

impl Client {
    pub async fn start(options: DataverseOptions) -> Self {
        let simulator = DataverseSimulator::start(options).await.expect("the simulator starts");
        Self::of(simulator).await
    }

    pub async fn of(simulator: DataverseSimulator) -> Self {
        let http = reqwest::Client::new();
        let (tenant, id, secret) = simulator.credentials();
        let scope = format!("{}/.default", simulator.url());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", secret.as_str()),
            ("scope", scope.as_str()),
        ];
        let answer: Value = http
            .post(format!("{}/{tenant}/oauth2/v2.0/token", simulator.authority()))
            .form(&form)
            .send()
            .await
            .expect("the token endpoint answers")
            .json()
            .await
            .expect("the token answer is JSON");
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        Self { api: format!("{}/api/data/v9.2", simulator.url()), simulator, token, http }
    }

    pub async fn try_send(
        &self,
        method: Method,
        resource: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let url = if resource.starts_with("http") { resource.to_owned() } else { format!("{}/{resource}", self.api) };
        let mut request = self.http.request(method, url).bearer_auth(&self.token).header("Accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    pub async fn send(&self, method: Method, resource: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        self.try_send(method, resource, body, headers).await.expect("an answer")
    }

    pub async fn get(&self, resource: &str) -> Answer {
        self.send(Method::GET, resource, None, &[]).await
    }

    pub async fn post(&self, resource: &str, body: Value) -> Answer {
        self.send(Method::POST, resource, Some(body), &[]).await
    }

    pub async fn patch(&self, resource: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::PATCH, resource, Some(body), headers).await
    }

    pub async fn delete(&self, resource: &str) -> Answer {
        self.send(Method::DELETE, resource, None, &[]).await
    }

    pub async fn batch(&self, boundary: &str, body: &str, continue_on_error: bool) -> Answer {
        let mut request = self
            .http
            .post(format!("{}/$batch", self.api))
            .bearer_auth(&self.token)
            .header("Content-Type", format!("multipart/mixed; boundary=\"{boundary}\""))
            .body(body.to_owned());
        if continue_on_error {
            request = request.header("Prefer", "odata.continue-on-error");
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a body").to_vec(),
        }
    }
}
