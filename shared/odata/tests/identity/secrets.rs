//! Secrets that are kept elsewhere: when they are read, and when they are read again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use couplet_model::system::{RetryClass, SystemErrorKind};
use couplet_odata::{ClientSecret, KeeperError, SecretKeeper};
use secrecy::{ExposeSecret, SecretString};

use crate::server::{Answer, Server};
use crate::{identity_with, read, together};

/// A keeper whose secret, or failure, the test changes.
struct Keeper {
    answer: Mutex<Result<&'static str, KeeperError>>,
    takes: Takes,
    reads: AtomicUsize,
}

/// How long a reading takes.
#[derive(Clone, Copy)]
enum Takes {
    NoTime,
    /// As long as everybody who could ask in the meantime needs to do so.
    AWhile,
    ForEver,
}

/// More often than tasks of a test give way to each other before they wait for the reading.
const WHILE: usize = 1000;

struct Door(Arc<Keeper>);

#[async_trait]
impl SecretKeeper for Door {
    async fn read(&self) -> Result<SecretString, KeeperError> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        match self.0.takes {
            Takes::NoTime => {}
            Takes::AWhile => {
                for _ in 0..WHILE {
                    tokio::task::yield_now().await;
                }
            }
            Takes::ForEver => std::future::pending().await,
        }
        self.0.answer.lock().unwrap().clone().map(SecretString::from)
    }
}

impl Keeper {
    fn of(answer: Result<&'static str, KeeperError>, takes: Takes) -> (Arc<Self>, ClientSecret) {
        let keeper = Arc::new(Self { answer: Mutex::new(answer), takes, reads: AtomicUsize::new(0) });
        let secret = ClientSecret::kept(Door(Arc::clone(&keeper)));
        (keeper, secret)
    }

    fn with(secret: &'static str) -> (Arc<Self>, ClientSecret) {
        Self::of(Ok(secret), Takes::NoTime)
    }

    fn now_gives(&self, answer: Result<&'static str, KeeperError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Server {
    fn accepts_only(&self, secret: &'static str) {
        *self.only_secret.lock().unwrap() = Some(secret);
    }
}

#[tokio::test]
async fn a_kept_secret_is_read_once_and_only_when_the_first_token_is_needed() {
    let (server, url) = Server::start(&[Answer::Status(401, "")]).await;
    server.accepts_only("first");
    let (keeper, secret) = Keeper::with("first");
    let identity = identity_with(&url, 4, secret);
    assert_eq!((keeper.reads(), server.tokens()), (0, 0), "nothing is asked at the start");
    assert_eq!(together(&identity, &url, 4).await, [200; 4]);
    assert_eq!((keeper.reads(), server.tokens()), (1, 2), "the second token needs no second reading");
}

#[tokio::test]
async fn two_applications_with_one_secret_read_it_once_even_at_the_same_time() {
    let (server, url) = Server::start(&[]).await;
    let (keeper, secret) = Keeper::of(Ok("first"), Takes::AWhile);
    let (one, other) = (identity_with(&url, 1, secret.clone()), identity_with(&url, 1, secret));
    let (of_one, of_other) = tokio::join!(together(&one, &url, 1), together(&other, &url, 1));
    assert_eq!([of_one, of_other], [[200], [200]]);
    assert_eq!((keeper.reads(), server.tokens()), (1, 2));
}

#[tokio::test]
async fn a_rotated_secret_is_read_again_once_for_all_and_no_request_fails() {
    let (server, url) = Server::start(&[]).await;
    server.accepts_only("first");
    let (keeper, secret) = Keeper::with("first");
    let (one, other) = (identity_with(&url, 1, secret.clone()), identity_with(&url, 1, secret));
    for identity in [&one, &other] {
        assert_eq!(together(identity, &url, 1).await, [200]);
    }
    keeper.now_gives(Ok("second"));
    server.accepts_only("second");
    // The first is refused with the old one and let in with the new one; the second begins with the new one.
    for (identity, tokens) in [(&one, 4), (&other, 5)] {
        server.answers(&[Answer::Status(401, "")]);
        assert_eq!(together(identity, &url, 1).await, [200]);
        assert_eq!((keeper.reads(), server.tokens()), (2, tokens));
    }
}

#[tokio::test]
async fn two_applications_that_are_refused_at_the_same_time_read_the_new_secret_once() {
    let (keeper, secret) = Keeper::of(Ok("first"), Takes::AWhile);
    let old = secret.get().await.unwrap();
    keeper.now_gives(Ok("second"));
    let (for_one, for_other) = tokio::join!(secret.instead_of(&old), secret.instead_of(&old));
    for answer in [for_one, for_other] {
        assert_eq!(answer.unwrap().unwrap().expose_secret(), "second");
    }
    assert_eq!(keeper.reads(), 2);
}

#[tokio::test]
async fn a_new_secret_is_not_looked_for_while_the_old_one_is_accepted() {
    let (server, url) = Server::start(&[]).await;
    let (keeper, secret) = Keeper::with("first");
    let identity = identity_with(&url, 1, secret);
    assert_eq!(together(&identity, &url, 1).await, [200]);
    keeper.now_gives(Ok("second"));
    server.answers(&[Answer::Status(401, "")]);
    assert_eq!(together(&identity, &url, 1).await, [200]);
    assert_eq!((keeper.reads(), server.tokens()), (1, 2));
}

#[tokio::test]
async fn a_wrong_secret_that_has_not_changed_is_not_read_in_a_loop() {
    let (server, url) = Server::start(&[]).await;
    server.accepts_only("right");
    let (keeper, secret) = Keeper::with("wrong");
    let identity = identity_with(&url, 1, secret);
    for tokens in 1..=5 {
        let error = identity.send(&read(&url)).await.unwrap_err();
        assert_eq!(error.kind, SystemErrorKind::Unauthorized);
        assert!(error.message.contains("AADSTS7000215") && !format!("{error:?}").contains("wrong"), "{error:?}");
        assert_eq!((keeper.reads(), server.tokens()), (2, tokens), "read, refused, read again, left alone");
    }
}

#[tokio::test]
async fn a_new_secret_that_is_refused_as_well_is_the_end() {
    let (server, url) = Server::start(&[]).await;
    server.accepts_only("right");
    let (keeper, secret) = Keeper::with("wrong");
    let _ = secret.get().await;
    keeper.now_gives(Ok("wrong too"));
    let error = identity_with(&url, 1, secret).send(&read(&url)).await.unwrap_err();
    assert_eq!((error.kind, keeper.reads(), server.tokens()), (SystemErrorKind::Unauthorized, 2, 2));
}

#[tokio::test]
async fn a_keeper_that_fails_gives_an_error_that_names_the_remedy_and_nothing_is_sent() {
    for (failure, class) in [
        (KeeperError::Refused("arn:1 cannot be read: allow it".into()), RetryClass::Configuration),
        (KeeperError::Unreachable("arn:1 cannot be read: wait".into()), RetryClass::RetryNow),
    ] {
        let (server, url) = Server::start(&[]).await;
        let (keeper, secret) = Keeper::of(Err(failure.clone()), Takes::NoTime);
        let identity = identity_with(&url, 1, secret);
        let error = identity.send(&read(&url)).await.unwrap_err();
        assert_eq!((error.retry_class(), error.message.clone()), (class, failure.to_string()));
        assert_eq!(error.to_string(), format!("cannot sign in to Dataverse: {failure}"));
        assert_eq!((keeper.reads(), server.tokens(), server.seen()), (1, 0, 0));
        keeper.now_gives(Ok("first"));
        assert_eq!(together(&identity, &url, 1).await, [200], "a failure is not remembered");
    }
}

#[tokio::test]
async fn a_refusal_is_still_told_when_the_keeper_fails_after_it() {
    let (server, url) = Server::start(&[]).await;
    server.accepts_only("right");
    let (keeper, secret) = Keeper::with("wrong");
    let _ = secret.get().await;
    keeper.now_gives(Err(KeeperError::Unreachable("arn:1 cannot be read: wait".into())));
    let error = identity_with(&url, 1, secret).send(&read(&url)).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Unauthorized);
    assert!(error.message.contains("AADSTS7000215") && error.message.contains("arn:1 cannot be read"), "{error}");
    assert_eq!((keeper.reads(), server.tokens()), (2, 1));
}

#[tokio::test]
async fn a_keeper_that_does_not_answer_holds_nobody_past_the_deadline() {
    let (server, url) = Server::start(&[]).await;
    let (_, secret) = Keeper::of(Ok("first"), Takes::ForEver);
    let identity = identity_with(&url, 1, secret);
    identity.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
    let error = identity.send(&read(&url)).await.unwrap_err();
    assert_eq!((error.kind, server.tokens()), (SystemErrorKind::NoSecret { passes: true }, 0));
}
