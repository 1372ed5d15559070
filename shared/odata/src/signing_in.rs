//! How an identity gets its token: one caller asks for all, with the application's secret as it is now.

use std::time::{Duration, Instant};

use couplet_model::Clock;
use couplet_model::system::{SystemError, SystemErrorKind};
use secrecy::{ExposeSecret, SecretString};

use tokio::sync::Mutex;

use crate::client_secret::KeeperError;
use crate::exchange::{Broken, Exchange};
use crate::token::{Token, TokenSource};

/// Longest time for a secret to be read, and for the token endpoint to answer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// One application at the token endpoint, and the token it holds.
pub(crate) struct SignIn {
    pub source: TokenSource,
    held: Mutex<Option<Token>>,
}

impl SignIn {
    /// An application that holds no token yet.
    pub(crate) fn new(source: TokenSource) -> Self {
        Self { source, held: Mutex::default() }
    }

    /// The token, fetched by one caller for all.
    pub(crate) async fn token(&self, exchange: &Exchange, deadline: Instant) -> Result<Token, SystemError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.is_good(Instant::now())) {
            return Ok(token.clone());
        }
        let generation = held.as_ref().map_or(0, |token| token.generation) + 1;
        let mut faults = 0;
        loop {
            let error = match self.sign_in(exchange, generation, deadline).await {
                Ok(token) => {
                    *held = Some(token.clone());
                    return Ok(token);
                }
                Err(error) => error,
            };
            faults += 1;
            // A keeper repeats by itself what it asks of the place it reads from.
            let passing = matches!(
                error.kind,
                SystemErrorKind::Unreachable
                    | SystemErrorKind::Timeout
                    | SystemErrorKind::Transient
                    | SystemErrorKind::Outage
                    | SystemErrorKind::Throttled(_)
            );
            exchange.retry_or(error, faults, passing, deadline).await?;
        }
    }

    /// Gives up the token of that generation; a newer one stays.
    pub(crate) async fn forget(&self, generation: u64) {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_mut().filter(|token| token.generation == generation) {
            token.expire();
        }
    }

    /// Asks for a token. When the application is refused, its secret may have been rotated: if it is another one by now,
    /// asks once more.
    async fn sign_in(&self, exchange: &Exchange, generation: u64, deadline: Instant) -> Result<Token, SystemError> {
        let kept = self.source.credential.text();
        let secret = in_time(kept.get(), deadline).await.map_err(|error| no_secret(exchange, &error))?;
        let refusal = match self.ask_for_token(exchange, &secret, generation, deadline).await {
            Err(error) if is_refusal(&error) => error,
            answer => return answer,
        };
        let what = self.source.credential.name(&secret);
        match in_time(kept.instead_of(&secret), deadline).await {
            Ok(None) => Err(refusal),
            Ok(Some(rotated)) => {
                tracing::info!(
                    "{} refused the application's {what}, which was changed: the new one is used",
                    self.source.side
                );
                self.ask_for_token(exchange, &rotated, generation, deadline).await
            }
            Err(error) => {
                let message = format!("{}; whether its {what} was changed is not known: {error}", refusal.message);
                Err(SystemError { message, ..refusal })
            }
        }
    }

    async fn ask_for_token(
        &self,
        exchange: &Exchange,
        secret: &SecretString,
        generation: u64,
        deadline: Instant,
    ) -> Result<Token, SystemError> {
        let TokenSource { credential, endpoint, client_id, scope, .. } = &self.source;
        let clock = Clock::default();
        let proof = credential.proof(secret, client_id, endpoint, &clock);
        let proof = in_time(proof, deadline).await.map_err(|error| no_secret(exchange, &error))?;
        let mut form = vec![("grant_type", "client_credentials"), ("client_id", client_id)];
        form.extend(proof.iter().map(|(name, value)| (*name, value.expose_secret())));
        form.push(("scope", scope));
        let answer = exchange.client.post(endpoint).form(&form).timeout(wait(deadline)).send().await;
        let answer = answer.map_err(|error| exchange.lost(&error))?;
        let reply = exchange.receive(answer).await.map_err(|error| match error {
            Broken::Connection(error) => exchange.lost(&error),
            Broken::TooLong => exchange.error(SystemErrorKind::Outage, "the token endpoint gave an endless answer"),
        })?;
        tracing::debug!(status = reply.status, "token for {}", self.source.side);
        Token::read(self.source.side, &reply, Instant::now(), generation)
    }
}

/// Whether the application, or what it proves itself with, is not taken.
fn is_refusal(error: &SystemError) -> bool {
    matches!(error.kind, SystemErrorKind::Unauthorized | SystemErrorKind::NoSecret { passes: false })
}

fn no_secret(exchange: &Exchange, error: &KeeperError) -> SystemError {
    let passes = matches!(error, KeeperError::Unreachable(_));
    exchange.error(SystemErrorKind::NoSecret { passes }, &error.to_string())
}

fn wait(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).min(LONGEST_WAIT)
}

async fn in_time<T>(
    reading: impl Future<Output = Result<T, KeeperError>>,
    deadline: Instant,
) -> Result<T, KeeperError> {
    let late = || KeeperError::Unreachable("the application's secret could not be read in the time left".to_owned());
    tokio::time::timeout(wait(deadline), reading).await.unwrap_or_else(|_| Err(late()))
}
