use std::collections::VecDeque;
use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::Region;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:entra";

/// A Secrets Manager that answers by script, and remembers what it was asked for.
struct Service {
    script: Mutex<VecDeque<(u16, &'static str)>>,
    asked: Mutex<Vec<String>>,
    url: String,
}

impl Service {
    async fn start(script: &[(u16, &'static str)]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let script = Mutex::new(script.iter().copied().collect());
        let service = Arc::new(Self { script, asked: Mutex::default(), url });
        let serving = Arc::clone(&service);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.serve(stream).await;
            }
        });
        service
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut request = String::new();
        let mut buffer = [0; 4096];
        while !request.ends_with('}') {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => request.push_str(&String::from_utf8_lossy(&buffer[..count])),
                _ => return,
            }
        }
        self.asked.lock().expect("a lock").push(request);
        let (status, body) = self.script.lock().expect("a lock").pop_front().expect("a question that was expected");
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close", body.len());
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("an open connection");
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("a lock").len()
    }
}

fn manager(url: &str) -> SecretsManager {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url);
    let client = Arc::new(OnceCell::new_with(Some(Client::from_conf(config.build()))));
    SecretsManager { client, kept: BTreeMap::new() }
}

fn kept(arn: &str) -> SecretSetting {
    SecretSetting::Kept(SecretPlace { arn: arn.to_owned(), variable: "COUPLET_ENTRA_CLIENT_SECRET_ARN".to_owned() })
}

async fn text_of(secret: &ClientSecret) -> String {
    secret.get().await.expect("a secret").expose_secret().to_owned()
}

async fn instead_of(secret: &ClientSecret, refused: &SecretString) -> Option<String> {
    let other = secret.instead_of(refused).await.expect("an answer");
    other.map(|secret| secret.expose_secret().to_owned())
}

#[tokio::test]
async fn a_secret_is_read_by_its_arn_when_it_is_needed() {
    let service = Service::start(&[(200, r#"{"SecretString":" hunter2\n"}"#)]).await;
    let secret = manager(&service.url).client_secret(&kept(ARN));
    assert_eq!(service.asked(), 0, "not before it is needed");
    assert_eq!(text_of(&secret).await, "hunter2");
    assert_eq!(text_of(&secret).await, "hunter2");
    let asked = service.asked.lock().expect("a lock");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains("secretsmanager.GetSecretValue") && asked[0].contains(ARN), "{}", asked[0]);
}

#[tokio::test]
async fn settings_with_one_arn_share_what_was_read_and_others_do_not() {
    let service = Service::start(&[
        (200, r#"{"SecretString":"first"}"#),
        (200, r#"{"SecretString":"other"}"#),
        (200, r#"{"SecretString":"second"}"#),
    ])
    .await;
    let mut manager = manager(&service.url);
    let [one, same, other] = [ARN, ARN, "arn:other"].map(|arn| manager.client_secret(&kept(arn)));
    let first = one.get().await.expect("a secret");
    assert_eq!(text_of(&same).await, first.expose_secret());
    assert_eq!(text_of(&other).await, "other");
    assert_eq!(instead_of(&one, &first).await.as_deref(), Some("second"));
    assert_eq!(instead_of(&same, &first).await.as_deref(), Some("second"));
    assert_eq!(service.asked(), 3);
}

#[tokio::test]
async fn a_given_secret_asks_nobody() {
    let service = Service::start(&[]).await;
    let secret = manager(&service.url).client_secret(&"hunter2".into());
    assert_eq!(text_of(&secret).await, "hunter2");
    assert_eq!(service.asked(), 0);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named_with_the_remedy_in_one_line() {
    const DENIED: &str = r#"{"__type":"AccessDeniedException","Message":"not authorized"}"#;
    const GONE: &str = r#"{"__type":"ResourceNotFoundException","Message":"can't find the specified secret."}"#;
    for (status, body, passes, expected) in [
        (
            400,
            DENIED,
            false,
            "(AccessDeniedException: not authorized): check that it is there and that secretsmanager:GetSecretValue",
        ),
        (400, GONE, false, "(ResourceNotFoundException: can't find the specified secret.): check that it is there"),
        (200, r#"{"SecretBinary":"aHVudGVyMg=="}"#, false, "holds no text"),
        (200, r#"{"SecretString":"  "}"#, false, "holds no text"),
        (500, r#"{"__type":"InternalServiceError","Message":"sorry"}"#, true, "(InternalServiceError: sorry): if this"),
    ] {
        let service = Service::start(&[(status, body)]).await;
        let error = manager(&service.url).client_secret(&kept(ARN)).get().await.expect_err("no secret");
        assert_eq!(matches!(error, KeeperError::Unreachable(_)), passes, "{error}");
        let text = error.to_string();
        assert!(text.contains(ARN) && text.contains("in COUPLET_ENTRA_CLIENT_SECRET_ARN"), "{text}");
        assert!(text.contains(expected) && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_said_in_one_line() {
    let error = manager("http://127.0.0.1:9").client_secret(&kept(ARN)).get().await.expect_err("nobody is there");
    assert!(matches!(error, KeeperError::Unreachable(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("no connection: Connection refused") && !text.contains('\n'), "{text}");
    assert!(text.len() < 300, "{text}");
}
