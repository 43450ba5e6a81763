//! A keyring under a paused clock: who waits, who is refused, and how often a provider is asked.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::UNIX_EPOCH;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{Result as Provided, future};
use tokio::time::{advance, sleep};

use super::*;

/// A provider that follows a script, and counts how often it was asked.
struct Scripted {
    asked: Arc<AtomicUsize>,
    answer: fn(usize) -> Provided,
    takes: Duration,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl ProvideCredentials for Scripted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.asked.fetch_add(1, SeqCst);
        future::ProvideCredentials::new(async move {
            sleep(self.takes).await;
            (self.answer)(number)
        })
    }
}

const RETRY: Duration = Duration::from_secs(10);

fn keyring(answer: fn(usize) -> Provided, takes: Duration) -> (Arc<Keyring>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let provider = Scripted { asked: Arc::clone(&asked), answer, takes };
    (Keyring::start(SharedCredentialsProvider::new(provider), "eu-west-1", RETRY), asked)
}

/// Credentials that live for ever.
fn lasting() -> Provided {
    Ok(Credentials::new("AKID", "secret", None, None, "test"))
}

/// Credentials with about an hour left. The paused clock of a test is not the system's, so only
/// lengths count.
fn hourly() -> Provided {
    let end = UNIX_EPOCH.elapsed().expect("after 1970") + Duration::from_hours(1);
    Ok(Credentials::new("AKID", "secret", None, Some(UNIX_EPOCH + end), "test"))
}

fn missing() -> Provided {
    Err(CredentialsError::not_loaded("nobody has any"))
}

async fn ready(keyring: &Arc<Keyring>) -> Result<Arc<Held>, Arc<str>> {
    keyring.ready(Instant::now() + Duration::from_secs(30)).await
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_calls_ask_once() {
    let (keyring, asked) = keyring(|_| lasting(), Duration::from_secs(1));
    let calls = (0..100).map(|_| ready(&keyring));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_no_call_waits_and_success_brings_it_back() {
    let (keyring, asked) = keyring(|number| if number < 2 { missing() } else { lasting() }, Duration::from_secs(4));
    let why = ready(&keyring).await.expect_err("none yet");
    assert!(why.contains("no credentials"), "{why}");
    let begun = Instant::now();
    for _ in 0..1000 {
        ready(&keyring).await.expect_err("refused at once");
    }
    assert_eq!((begun.elapsed(), asked.load(SeqCst)), (Duration::ZERO, 1));
    for tries in 2..=3 {
        advance(RETRY).await;
        let begun = Instant::now();
        keyring.unready().expect("not yet");
        assert_eq!(begun.elapsed(), Duration::ZERO, "asked beside");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(asked.load(SeqCst), tries);
    }
    assert_eq!(keyring.unready(), None);
    ready(&keyring).await.expect("back");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_ahead_of_their_end_while_calls_go_on() {
    let (keyring, asked) = keyring(|_| hourly(), Duration::from_secs(1));
    ready(&keyring).await.expect("good");
    advance(Duration::from_mins(54)).await;
    ready(&keyring).await.expect("good");
    assert_eq!(asked.load(SeqCst), 1, "six minutes left");
    advance(Duration::from_mins(2)).await;
    let begun = Instant::now();
    ready(&keyring).await.expect("still good");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(asked.load(SeqCst), 2, "renewed beside");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_be_renewed_serve_to_their_end_and_no_longer() {
    let (keyring, _) = keyring(|number| if number == 0 { hourly() } else { missing() }, Duration::ZERO);
    ready(&keyring).await.expect("good");
    advance(Duration::from_mins(57)).await;
    ready(&keyring).await.expect("three minutes left");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(keyring.unready(), None, "the old ones serve");
    advance(Duration::from_mins(4)).await;
    ready(&keyring).await.expect_err("ended");
    assert!(keyring.unready().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_former_keys_says_nothing_of_the_present_ones() {
    let (keyring, _) = keyring(|_| lasting(), Duration::ZERO);
    let present = ready(&keyring).await.expect("good");
    let former = Held { access_key_id: "AKIDOLD".into(), ..Held::clone(&present) };
    keyring.refused(&former, "expired");
    assert_eq!(keyring.unready(), None);
    keyring.refused(&present, "expired");
    assert_eq!(keyring.unready().as_deref(), Some("expired"));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_is_given_up() {
    let (keyring, _) = keyring(|_| lasting(), Duration::from_hours(1));
    let why = ready(&keyring).await.expect_err("never");
    assert!(why.contains("did not answer"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_no_header_can_hold_are_none() {
    let broken = |_| Ok(Credentials::new("AKID", "secret", Some("two\nlines".to_owned()), None, "test"));
    let (keyring, _) = keyring(broken, Duration::ZERO);
    let why = ready(&keyring).await.expect_err("refused");
    assert!(why.contains("copy them again") && !why.contains("lines"), "{why}");
}
