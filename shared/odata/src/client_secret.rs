//! The secret of one application: given, or kept elsewhere and read when a token is first needed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

/// How long a secret that was refused, read again and found the same is not read once more: an application that is set up
/// wrongly asks for tokens again and again, and the place where secrets are kept is not to pay for it.
const PAUSE_AFTER_THE_SAME: Duration = Duration::from_secs(60);

/// A place where one secret is kept, outside this process.
#[async_trait]
pub trait SecretKeeper: Send + Sync {
    /// The secret as it is now.
    ///
    /// # Errors
    /// When it is not to be had.
    async fn read(&self) -> Result<SecretString, KeeperError>;
}

/// Why there is no secret: one line that names the secret by its place, and what to do. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeeperError {
    /// A person has to mend it: there is no such secret, or we may not read it.
    #[error("{0}")]
    Refused(String),
    /// It passes: the place cannot be reached.
    #[error("{0}")]
    Unreachable(String),
}

/// The secret an application signs in with. Clones share what was read: two applications with one secret read it once.
#[derive(Clone)]
pub struct ClientSecret(Source);

#[derive(Clone)]
enum Source {
    Given(SecretString),
    Kept(Arc<Kept>),
    /// What lives for minutes: never remembered.
    Fresh(Arc<dyn SecretKeeper>),
}

struct Kept {
    keeper: Box<dyn SecretKeeper>,
    remembered: Mutex<Option<Remembered>>,
}

struct Remembered {
    secret: SecretString,
    /// When it was last refused, read again and found the same.
    found_the_same: Option<Instant>,
}

impl Remembered {
    fn may_be_read_again(&self, now: Instant) -> bool {
        self.found_the_same.is_none_or(|then| now.saturating_duration_since(then) >= PAUSE_AFTER_THE_SAME)
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

impl ClientSecret {
    /// A secret that is read from its keeper when it is first needed.
    pub fn kept(keeper: impl SecretKeeper + 'static) -> Self {
        Self(Source::Kept(Arc::new(Kept { keeper: Box::new(keeper), remembered: Mutex::default() })))
    }

    /// A secret that its keeper is asked for each time it is needed.
    pub fn fresh(keeper: impl SecretKeeper + 'static) -> Self {
        Self(Source::Fresh(Arc::new(keeper)))
    }

    /// The secret: as it was last read, or read now.
    ///
    /// # Errors
    /// When the keeper does not give it.
    pub async fn get(&self) -> Result<SecretString, KeeperError> {
        let kept = match &self.0 {
            Source::Given(secret) => return Ok(secret.clone()),
            Source::Kept(kept) => kept,
            Source::Fresh(keeper) => return keeper.read().await,
        };
        let mut remembered = kept.remembered.lock().await;
        if let Some(remembered) = remembered.as_ref() {
            return Ok(remembered.secret.clone());
        }
        let secret = kept.keeper.read().await?;
        *remembered = Some(Remembered { secret: secret.clone(), found_the_same: None });
        Ok(secret)
    }

    /// What has taken the place of a secret that was refused; `None` when it is still the same as far as is known.
    ///
    /// # Errors
    /// When the keeper does not give it.
    pub async fn instead_of(&self, refused: &SecretString) -> Result<Option<SecretString>, KeeperError> {
        let Source::Kept(kept) = &self.0 else { return Ok(None) };
        let mut held = kept.remembered.lock().await;
        match held.as_ref() {
            // Somebody else met the refusal first and has read it already.
            Some(remembered) if !is_same(&remembered.secret, refused) => return Ok(Some(remembered.secret.clone())),
            Some(remembered) if !remembered.may_be_read_again(Instant::now()) => return Ok(None),
            _ => {}
        }
        let secret = kept.keeper.read().await?;
        let is_the_same = is_same(&secret, refused);
        *held = Some(Remembered { secret: secret.clone(), found_the_same: is_the_same.then(Instant::now) });
        Ok((!is_the_same).then_some(secret))
    }
}

impl From<SecretString> for ClientSecret {
    fn from(secret: SecretString) -> Self {
        Self(Source::Given(secret))
    }
}

impl From<String> for ClientSecret {
    fn from(text: String) -> Self {
        SecretString::from(text).into()
    }
}

impl From<&str> for ClientSecret {
    fn from(text: &str) -> Self {
        SecretString::from(text).into()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Given(_) => "ClientSecret(hidden)",
            Source::Kept(_) | Source::Fresh(_) => "ClientSecret(kept elsewhere)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_found_the_same_is_left_alone_for_a_minute() {
        let then = Instant::now();
        for (found_the_same, seconds_later, expected) in
            [(None, 0, true), (Some(then), 0, false), (Some(then), 59, false), (Some(then), 60, true)]
        {
            let remembered = Remembered { secret: "hunter2".into(), found_the_same };
            let now = then + Duration::from_secs(seconds_later);
            assert_eq!(remembered.may_be_read_again(now), expected, "{seconds_later} s");
        }
    }

    #[tokio::test]
    async fn a_given_secret_has_nothing_to_take_its_place() {
        let given = ClientSecret::from("hunter2");
        let secret = given.get().await.expect("it was given");
        assert_eq!(secret.expose_secret(), "hunter2");
        assert!(matches!(given.instead_of(&secret).await, Ok(None)));
        assert!(!format!("{given:?}").contains("hunter2"));
    }
}
