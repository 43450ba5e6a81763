//! Sources that answer, fail, take their time and panic.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;

use super::*;

/// Answers in the order given, the last one again and again.
#[derive(Debug)]
struct Scripted {
    answers: Mutex<Vec<Answer>>,
    asked: AtomicUsize,
    forgotten: AtomicUsize,
}

#[derive(Clone, Debug)]
enum Answer {
    Good(&'static str, Option<Duration>),
    Bad(&'static str),
    Panics,
    Never,
}

impl TokenSource for Scripted {
    fn token(self: Arc<Self>) -> BoxFuture<'static, Result<Token, String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("no panic");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        async move {
            match answer {
                Answer::Good(text, lives) => Token::try_new(text, lives),
                Answer::Bad(why) => Err(why.to_owned()),
                Answer::Panics => panic!("a bug in a library"),
                Answer::Never => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

fn start(answers: &[Answer]) -> (Arc<Keyring>, Arc<Scripted>) {
    let source = Arc::new(Scripted {
        answers: Mutex::new(answers.to_vec()),
        asked: AtomicUsize::new(0),
        forgotten: AtomicUsize::new(0),
    });
    (Keyring::start(source.clone(), Duration::from_secs(10)), source)
}

async fn token(keyring: &Arc<Keyring>) -> Result<String, NoToken> {
    let token = keyring.token(Instant::now() + Duration::from_secs(60)).await?;
    assert!(token.is_sensitive());
    Ok(token.to_str().expect("text").to_owned())
}

fn asked(source: &Scripted) -> usize {
    source.asked.load(Ordering::SeqCst)
}

/// Lets tasks run that have something to do.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_once_and_renewed_before_it_ends() {
    let (keyring, source) = start(&[Answer::Good("one", Some(HOUR)), Answer::Good("two", Some(HOUR))]);
    for _ in 0..100 {
        assert_eq!(token(&keyring).await.as_deref(), Ok("one"));
    }
    assert_eq!(asked(&source), 1);
    tokio::time::advance(HOUR - RENEW_AHEAD + Duration::from_secs(1)).await;
    assert_eq!(token(&keyring).await.as_deref(), Ok("one"), "renewal is beside the calls");
    settle().await;
    assert_eq!(token(&keyring).await.as_deref(), Ok("two"));
    assert_eq!((asked(&source), keyring.unready()), (2, None));
}

#[tokio::test(start_paused = true)]
async fn while_renewal_fails_the_old_token_serves_to_its_end() {
    let (keyring, _) = start(&[Answer::Good("one", Some(HOUR)), Answer::Bad("the server is away")]);
    assert_eq!(token(&keyring).await.as_deref(), Ok("one"));
    tokio::time::advance(HOUR - Duration::from_secs(20)).await;
    assert_eq!(token(&keyring).await.as_deref(), Ok("one"));
    settle().await;
    assert_eq!((token(&keyring).await.as_deref(), keyring.unready()), (Ok("one"), None));
    tokio::time::advance(Duration::from_secs(21)).await;
    assert_eq!(keyring.unready().as_deref(), Some("the server is away"));
    assert_eq!(token(&keyring).await.map_err(|none| none.late), Err(false));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_calls_are_refused_at_once_until_it_is_tried_again() {
    let (keyring, source) = start(&[Answer::Bad("no such key"), Answer::Good("good", None)]);
    for _ in 0..10 {
        let none = token(&keyring).await.expect_err("no token");
        assert_eq!((&*none.reason, none.late), ("no such key", false));
    }
    assert_eq!(asked(&source), 1, "not asked again for each call");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(keyring.unready().is_some(), "asking again is what this does");
    settle().await;
    assert_eq!((token(&keyring).await.as_deref(), keyring.unready()), (Ok("good"), None));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_sent_again() {
    let (keyring, source) = start(&[Answer::Good("one", Some(HOUR)), Answer::Good("two", Some(HOUR))]);
    let one = keyring.token(Instant::now() + HOUR).await.expect("a token");
    keyring.refused(&HeaderValue::from_static("another"), "of another call");
    assert_eq!(keyring.unready(), None, "an older token was refused: this one may be good");
    keyring.refused(&one, "it has been revoked");
    assert_eq!(token(&keyring).await.expect_err("refused").reason.as_ref(), "it has been revoked");
    assert_eq!(source.forgotten.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(keyring.unready().is_some());
    settle().await;
    assert_eq!(token(&keyring).await.as_deref(), Ok("two"));
}

#[tokio::test(start_paused = true)]
async fn sources_that_panic_or_hang_have_failed() {
    let (keyring, _) = start(&[Answer::Panics]);
    let none = token(&keyring).await.expect_err("no token");
    assert!(none.reason.contains("can't be read"), "{}", none.reason);
    let (keyring, _) = start(&[Answer::Never]);
    let soon = Instant::now() + Duration::from_millis(50);
    assert!(keyring.token(soon).await.is_err_and(|none| none.late), "the call's own time ran out");
    let none = token(&keyring).await.expect_err("no token");
    assert!(none.reason.contains("within 20 seconds"), "{}", none.reason);
}

#[test]
fn what_is_no_token_is_refused() {
    assert!(Token::try_new("Bearer a\nb", None).is_err_and(|why| why.contains("no header takes")));
    assert!(Token::try_new("Bearer a", Some(Duration::ZERO)).is_err_and(|why| why.contains("clock")));
    assert!(!format!("{:?}", Token::try_new("Bearer hunter2", None)).contains("hunter2"));
}
