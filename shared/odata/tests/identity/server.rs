//! A token endpoint and a system behind it that answers by script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// The refusal of an application whose secret is wrong.
pub const INVALID_CLIENT: (u16, &str) =
    (401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#);

/// What the server does with one request.
#[derive(Clone)]
pub enum Answer {
    Status(u16, &'static str),
    /// Reads the request and closes the connection.
    Cut,
    /// Answers 200 as somebody on the way would: markup, or a page without an end.
    Page(&'static str),
    /// Reads the request and does nothing more.
    Never,
    /// Answers 200 when so many requests have come that the barrier opens.
    Together(Arc<Barrier>),
}

#[derive(Default)]
pub struct Server {
    script: Mutex<VecDeque<Answer>>,
    /// Every application is refused like this.
    pub token_answer: Mutex<Option<(u16, &'static str)>>,
    /// Every application with another secret is refused.
    pub only_secret: Mutex<Option<&'static str>>,
    tokens: AtomicUsize,
    pub seen: Mutex<Vec<String>>,
    running: AtomicUsize,
    pub most_running: AtomicUsize,
}

impl Server {
    pub async fn start(script: &[Answer]) -> (Arc<Self>, String) {
        let server = Arc::new(Self { script: Mutex::new(script.iter().cloned().collect()), ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        (server, url)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let Some(request) = read_request(&mut stream).await else { return };
        if request.contains("/oauth2/v2.0/token") {
            let number = self.tokens.fetch_add(1, Ordering::SeqCst);
            let only = *self.only_secret.lock().unwrap();
            let is_wrong = only.is_some_and(|secret| !request.contains(&format!("client_secret={secret}&")));
            let refused = self.token_answer.lock().unwrap().or(is_wrong.then_some(INVALID_CLIENT));
            let (status, body) = refused.map_or_else(
                || (200, format!("{{\"access_token\":\"token-{number}\",\"expires_in\":3599}}")),
                |(status, body)| (status, body.to_owned()),
            );
            return reply(&mut stream, status, "", &body).await;
        }
        self.seen.lock().unwrap().push(request);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Answer::Status(200, ""));
        match &answer {
            Answer::Never => std::future::pending().await,
            Answer::Together(others) => {
                others.wait().await;
            }
            _ => {}
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        match answer {
            Answer::Status(status, headers) => reply(&mut stream, status, headers, "{}").await,
            Answer::Page(body) => reply(&mut stream, 200, "", body).await,
            Answer::Cut => {}
            Answer::Never | Answer::Together(_) => reply(&mut stream, 200, "", "{}").await,
        }
    }

    /// How the next requests are answered, the token endpoint's aside.
    pub fn answers(&self, script: &[Answer]) {
        self.script.lock().unwrap().extend(script.iter().cloned());
    }

    pub fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn tokens(&self) -> usize {
        self.tokens.load(Ordering::SeqCst)
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok())
            .unwrap_or(0);
        if bytes.len() >= head + 4 + length {
            return Some(text);
        }
    }
}

async fn reply(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let (media_type, mark) =
        if body.starts_with('<') { ("text/html", "") } else { ("application/json", "OData-Version: 4.0\r\n") };
    let text = format!(
        "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close\r\nContent-Type: {media_type}\r\n{mark}{headers}\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
