//! What the address of a function does: it takes requests with notifications and gives them to their handler. Beside it runs
//! the timer that keeps the subscriptions.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use couplet_engine::SubscriptionsStatus;
use couplet_model::notification::LARGEST_BODY;
use couplet_runtime::Application;
use couplet_runtime::handlers::{self, ChangeAnswer, ChangeRequest, KeepError, Keeping};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Time between two renewals, as in the deployed stack.
const RENEWAL: Duration = Duration::from_secs(6 * 3600);
/// Time between two looks whether something is to be told of what was received.
const TELLING: Duration = Duration::from_secs(60);

/// The door of an installation, open until it is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Door {
    /// Opens the door at an address of this machine; port 0 takes any that is free.
    ///
    /// # Errors
    /// When the address is taken, or is none of this machine.
    pub async fn open(application: Application, at: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(application);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the door for notifications is closed: {error}; timers find the changes");
            }
        });
        Ok(Self { address, serving })
    }

    /// Its address as this machine reaches it, ending in a slash.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Takes one request; of a body that is too large no more is read than tells that.
async fn answer(State(application): State<Application>, request: Request<Body>) -> Response {
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let announced = text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
    let body = match announced {
        Some(length) if length > LARGEST_BODY as u64 => None,
        _ => to_bytes(body, LARGEST_BODY).await.ok().map(|bytes| bytes.to_vec()),
    };
    let request = ChangeRequest {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        key: text("code"),
        body,
    };
    let ChangeAnswer { status, body } = handlers::receive_change(&application, &request).await;
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), ChangeAnswer::HEADERS, body)
        .into_response()
}

/// Keeps the subscriptions, at once and every six hours, until told to stop. `after` is told how it went.
pub async fn keep(
    application: &Application,
    stop: &watch::Receiver<bool>,
    after: impl Fn(Result<SubscriptionsStatus, KeepError>),
) {
    let ticking = |every| {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks
    };
    let (mut stop, mut renewals, mut tellings) = (stop.clone(), ticking(RENEWAL), ticking(TELLING));
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return,
            _ = renewals.tick() => after(handlers::keep_subscriptions(application, Keeping::Renew).await),
            _ = tellings.tick() => handlers::tell_received(application),
        }
    }
}
