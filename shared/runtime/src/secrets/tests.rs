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
        while !is_whole(&request) {
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

/// Whether a request has as many bytes behind its head as that says.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length =
        head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
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

/// The token service at an address.
fn token_service(url: &str) -> WebIdentity {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .build();
    WebIdentity { client: OnceCell::new_with(Some(aws_sdk_sts::Client::from_conf(config))) }
}

const TOKEN: &str = "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
<WebIdentityToken>a.b.c</WebIdentityToken><Expiration>2026-11-29T12:00:00Z</Expiration></GetWebIdentityTokenResult>\
</GetWebIdentityTokenResponse>";
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
<Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";

#[tokio::test]
async fn a_token_of_aws_is_for_entra_id_alone_and_asked_for_each_time() {
    let service = Service::start(&[(200, TOKEN), (200, TOKEN), (403, DENIED), (500, DENIED)]).await;
    let secret = ClientSecret::fresh(token_service(&service.url));
    for _ in 0..2 {
        assert_eq!(secret.get().await.expect("a token").expose_secret(), "a.b.c");
    }
    for request in service.asked.lock().expect("a lock").iter() {
        for part in ["Action=GetWebIdentityToken", "api%3A%2F%2FAzureADTokenExchange", "DurationSeconds=300", "RS256"] {
            assert!(request.contains(part), "{part}: {request}");
        }
    }
    let refused = secret.get().await.expect_err("refused");
    assert!(matches!(refused, KeeperError::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("sts:GetWebIdentityToken is allowed"), "{refused}");
    let passing = secret.get().await.expect_err("out of order");
    assert!(matches!(passing, KeeperError::Unreachable(_)), "{passing:?}");
}

#[tokio::test]
async fn a_file_is_read_as_text_or_as_base64_and_named_when_it_cannot_be() {
    let folder = std::env::temp_dir().join(format!("couplet-files-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("couplet.pfx");
    let read = || async { files::File::certificate(&path).read().await };
    let missing = read().await.expect_err("nothing there").to_string();
    assert!(missing.contains("couplet.pfx cannot be read") && missing.contains("certificate_file"), "{missing}");
    for (bytes, expected) in
        [(&b" text\n"[..], Ok("text")), (&[0x30, 0x82, 0xff], Ok("MIL/")), (b" \n", Err("it is empty"))]
    {
        std::fs::write(&path, bytes).expect("a file");
        match (read().await, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text.expose_secret(), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (read, expected) => panic!("{:?} instead of {expected:?}", read.is_ok()),
        }
    }
    std::fs::write(&path, vec![b'a'; 1024 * 1024 + 1]).expect("a file");
    assert!(read().await.expect_err("too long").to_string().contains("has 1048577 bytes"));
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}
