//! A service on a port of this machine: connections, HTTPS, the `Date` header, cut connections, an end in order.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use http::header::{DATE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::tls;

/// How long requests in progress may take when the service ends.
const LONGEST_END: Duration = Duration::from_secs(2);

/// Pause after a connection that could not be accepted, for example because there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Largest head of a request: `$batch` parts and long filters come in the address.
const LARGEST_HEAD: usize = 1 << 20;

/// The connection ends without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub struct Cut;

/// What answers the requests of all connections.
pub trait Service: Send + Sync + 'static {
    /// Answers one request, or cuts its connection.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response<Body>, Cut>> + Send;

    /// What the service's clock shows; the `Date` header of every answer.
    fn now(&self) -> Timestamp;
}

/// An open port on 127.0.0.1 on which nobody answers yet.
pub struct Port {
    listener: TcpListener,
    secure: Option<TlsAcceptor>,
    origin: String,
    certificate: Option<String>,
}

impl Port {
    /// Opens a port; 0 takes a free one. HTTPS is spoken with a certificate for this machine and `names`, if there are any.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn open(port: u16, https: Option<&[&str]>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("cannot listen on port {port} of 127.0.0.1"))?;
        let (secure, certificate) = https.map(tls::acceptor).transpose()?.unzip();
        let scheme = if secure.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr()?);
        Ok(Self { listener, secure, origin, certificate })
    }

    /// `http://127.0.0.1:port`, or with `https`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The certificate of the throw-away authority (PEM), when HTTPS is spoken.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Writes that certificate into a file, if there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_certificate(&self, file: Option<&Path>) -> anyhow::Result<()> {
        match (file, &self.certificate) {
            (Some(file), Some(pem)) => {
                std::fs::write(file, pem).with_context(|| format!("cannot write {}", file.display()))
            }
            _ => Ok(()),
        }
    }
}

/// A service that is running. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    serving: Mutex<Option<JoinHandle<()>>>,
    beside: Vec<JoinHandle<()>>,
}

impl Running {
    /// Serves a port from now on. `beside` are tasks that run as long as the service does.
    pub fn start<S: Service>(service: Arc<S>, port: Port, beside: Vec<JoinHandle<()>>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(service, port, stopped));
        Self { stop, serving: Mutex::new(Some(serving)), beside }
    }

    /// Takes no more connections and waits until requests in progress are answered, two seconds at most.
    pub async fn stop(&self) {
        self.beside.iter().for_each(JoinHandle::abort);
        let _ = self.stop.send(true);
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            let _ = serving.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.beside.iter().for_each(JoinHandle::abort);
        if let Some(serving) = self.serving.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            serving.abort();
        }
    }
}

async fn serve<S: Service>(service: Arc<S>, port: Port, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            accepted = port.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Small answers must not wait for more data.
                let _ = stream.set_nodelay(true);
                let (service, secure, stop) = (Arc::clone(&service), port.secure.clone(), stop.clone());
                connections.spawn(async move {
                    match secure {
                        None => connection(service, stream, stop).await,
                        Some(secure) => match secure.accept(stream).await {
                            Ok(stream) => connection(service, stream, stop).await,
                            Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                        },
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(port);
    let _ = tokio::time::timeout(LONGEST_END, connections.join_all()).await;
}

async fn connection<S: Service>(
    service: Arc<S>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut stop: watch::Receiver<bool>,
) {
    let answering = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { service.answer(request).await.map(|response| dated(response, service.now())) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(LARGEST_HEAD);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answering));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The `Date` header follows the service's clock, not the machine's.
fn dated(mut response: Response<Body>, now: Timestamp) -> Response<Body> {
    if let Ok(date) = HeaderValue::try_from(now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// Scheme and host as the client called them: links must lead back to it, also when a resolver sends the public name of the service
/// here. A host that is none is replaced by the service's own origin.
#[must_use]
pub fn called_at(origin: &str, uri: &Uri, headers: &HeaderMap) -> String {
    let scheme = origin.split_once("://").map_or("http", |(scheme, _)| scheme);
    let named = uri.authority().map(Authority::as_str).or_else(|| headers.get(HOST)?.to_str().ok());
    let plain = |host: &&str| host.parse::<Authority>().is_ok_and(|parsed| !parsed.as_str().contains('@'));
    named.filter(plain).map_or_else(|| origin.to_owned(), |host| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_back_to_the_name_that_was_called() {
        let called = |host: &str| {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(host) {
                headers.insert(HOST, value);
            }
            called_at("https://127.0.0.1:8443", &Uri::from_static("/v2.0/t/Production"), &headers)
        };
        assert_eq!(called("api.businesscentral.dynamics.com"), "https://api.businesscentral.dynamics.com");
        assert_eq!(called("localhost:81"), "https://localhost:81");
        for none in ["", "a b", "user@host", "<script>"] {
            assert_eq!(called(none), "https://127.0.0.1:8443", "{none}");
        }
    }
}
