//! A proxy before a simulator that disturbs what passes: somebody else answers, answers are cut, values are changed.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it passed.
#[derive(Clone, Debug)]
pub struct Passing {
    /// The verb.
    pub method: String,
    /// Path and query, as they were sent.
    pub path: String,
    /// What it prefers.
    pub prefer: String,
    /// The body as text.
    pub body: String,
}

impl Passing {
    /// The page size it asks for.
    #[must_use]
    pub fn page_size(&self) -> Option<usize> {
        let (_, size) = self.prefer.split_once("odata.maxpagesize=")?;
        size.split(',').next()?.parse().ok()
    }

    /// How often its body holds a text.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.body.matches(text).count()
    }
}

/// An answer that the service did not give.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

impl Foreign {
    /// A page for people, as a gateway gives it.
    #[must_use]
    pub fn page(status: u16) -> Self {
        let body = "<!DOCTYPE html><html><body>Please sign in</body></html>".to_owned();
        Self { status, headers: vec![("Content-Type", "text/html".to_owned())], body }
    }

    /// An answer without content that asks for nothing.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Edit = Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>;
type Meant = Box<dyn Fn(&Passing) -> bool + Send + Sync>;

/// What is done to a request.
#[derive(Clone)]
pub enum Disturbance {
    /// Somebody else answers, and the service never sees it.
    Before(Foreign),
    /// The service does it, but somebody else answers.
    After(Foreign),
    /// The service's answer is changed on the way.
    Edit(Edit),
}

impl Disturbance {
    /// The service's answer with its body changed.
    #[must_use]
    pub fn edit(edit: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(move |body| edit(String::from_utf8_lossy(&body).into_owned()).into_bytes()))
    }
}

struct Rule {
    meant: Meant,
    times: usize,
    disturbance: Disturbance,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    passed: Vec<Passing>,
}

/// The proxy. Ends with the test.
pub struct Proxy {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// A proxy before the service at this address.
    pub async fn before(service: &str) -> Self {
        let origin_end = service.find("://").map_or(0, |at| at + 3);
        let path_start = service[origin_end..].find('/').map_or(service.len(), |at| origin_end + at);
        let (origin, path) = service.split_at(path_start);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let own = format!("http://{}", listener.local_addr().expect("it listens"));
        let state: Arc<Mutex<State>> = Arc::default();
        let serving = Serving { origin: origin.to_owned(), own: own.clone(), state: Arc::clone(&state) };
        tokio::spawn(async move {
            let client = reqwest::Client::new();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(client.clone(), stream));
            }
        });
        Self { url: format!("{own}{path}"), state }
    }

    /// The address to call instead of the service's.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Disturbs the next so many requests that are meant.
    pub fn disturb(
        &self,
        times: usize,
        disturbance: Disturbance,
        meant: impl Fn(&Passing) -> bool + Send + Sync + 'static,
    ) {
        self.state().rules.push(Rule { meant: Box::new(meant), times, disturbance });
    }

    /// Lets everything pass again.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// What has passed since the last call.
    #[must_use]
    pub fn passed(&self) -> Vec<Passing> {
        std::mem::take(&mut self.state().passed)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Serving {
    origin: String,
    own: String,
    state: Arc<Mutex<State>>,
}

impl Serving {
    async fn serve(self, client: reqwest::Client, mut stream: TcpStream) {
        let Some((request, headers, body)) = read_request(&mut stream).await else { return };
        let disturbance = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.passed.push(request.clone());
            let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && (rule.meant)(&request));
            rule.map(|rule| {
                rule.times -= 1;
                rule.disturbance.clone()
            })
        };
        if let Some(Disturbance::Before(foreign)) = &disturbance {
            return write_answer(&mut stream, foreign.status, &foreign.headers, foreign.body.as_bytes()).await;
        }
        let method = Method::from_bytes(request.method.as_bytes()).expect("a verb");
        let mut forwarded = client.request(method, format!("{}{}", self.origin, request.path)).body(body);
        for (name, value) in headers {
            if !["host", "content-length", "connection", "accept-encoding"].contains(&name.as_str()) {
                forwarded = forwarded.header(name, value.replace(&self.own, &self.origin));
            }
        }
        // A connection that the service cuts is cut here, too.
        let Ok(answer) = forwarded.send().await else { return };
        let status = answer.status().as_u16();
        let kept: Vec<(String, String)> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()))
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.replace(&self.origin, &self.own))))
            .collect();
        let Ok(body) = answer.bytes().await else { return };
        match disturbance {
            Some(Disturbance::After(foreign)) => {
                write_answer(&mut stream, foreign.status, &foreign.headers, foreign.body.as_bytes()).await;
            }
            other => {
                // Links lead back through the proxy.
                let mut body = String::from_utf8_lossy(&body).replace(&self.origin, &self.own).into_bytes();
                if let Some(Disturbance::Edit(edit)) = other {
                    body = edit(body);
                }
                write_answer(&mut stream, status, &kept, &body).await;
            }
        }
    }
}

type Headers = Vec<(String, String)>;

async fn read_request(stream: &mut TcpStream) -> Option<(Passing, Headers, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let (head, length) = loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        break (head, end + 4 + length.unwrap_or(0));
    };
    while bytes.len() < length {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
    let body = bytes.split_off(head.len() + 4);
    let mut lines = head.lines();
    let mut words = lines.next()?.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let prefer = headers.iter().find(|(name, _)| name == "prefer").map(|(_, value)| value.clone()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    Some((Passing { method, path, prefer, body: text }, headers, body))
}

async fn write_answer(stream: &mut TcpStream, status: u16, headers: &[(impl AsRef<str>, String)], body: &[u8]) {
    let mut text = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{}: {value}\r\n", name.as_ref()));
    }
    if status != 204 {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let _ = stream.write_all(text.as_bytes()).await;
    if status != 204 {
        let _ = stream.write_all(body).await;
    }
    let _ = stream.shutdown().await;
}
