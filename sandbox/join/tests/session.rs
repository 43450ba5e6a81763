//! A provider against a scripted exchange, over real sockets.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use merit_join::{Exchange, Provider, run};
use merit_wire::{ClientFrame, EndpointSpec, OfferReason, OfferSpec, ServerFrame};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// Far more than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "mrt_provider";

/// A provider whose offers the test sets.
struct Scripted {
    offers: Mutex<Vec<OfferSpec>>,
    asked: AtomicU32,
}

impl Provider for Scripted {
    fn endpoint(&self) -> EndpointSpec {
        EndpointSpec { url: "http://127.0.0.1:1/".to_owned(), secret: "whsec_secret".to_owned() }
    }

    fn price_sheet(&self) -> String {
        "name = \"own\"".to_owned()
    }

    fn offers(&self) -> Vec<OfferSpec> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.offers.lock().expect("no panic").clone()
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(3)
    }
}

fn offer(id: &str, slots: u32) -> OfferSpec {
    let function = Some("thumbnail".to_owned());
    OfferSpec {
        id: id.to_owned(),
        function,
        target: "/t".to_owned(),
        memory_mb: 128,
        slots,
        ttl_ms: 3000,
        ..OfferSpec::default()
    }
}

/// An exchange that the test plays, and a provider that joins it.
struct Stage {
    listener: TcpListener,
    provider: Arc<Scripted>,
    leave: Option<oneshot::Sender<()>>,
    joined: JoinHandle<()>,
}

impl Stage {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let offers = Mutex::new(vec![offer("a", 1), offer("b", 2)]);
        let provider = Arc::new(Scripted { offers, asked: AtomicU32::new(0) });
        let (leave, left) = oneshot::channel();
        let exchange = Exchange { url, venue: "pool".to_owned(), key: KEY.to_owned() };
        let theirs = Arc::clone(&provider);
        let joined = tokio::spawn(async move { run(&exchange, &*theirs, async { drop(left.await) }).await });
        Self { listener, provider, leave: Some(leave), joined }
    }

    async fn accept(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("it connects").expect("accepts").0
    }

    /// Lets the provider in and says how often heartbeats come.
    async fn welcome(&self, heartbeat_ms: u64) -> Session {
        #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().path(), "/v1/venues/pool/session");
            assert_eq!(request.headers()["authorization"], format!("Bearer {KEY}"));
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(self.accept().await, check).await.expect("a WebSocket");
        let mut session = Session { socket, seq: 0 };
        let (id, venue) = ("s1".to_owned(), "pool".to_owned());
        session.send(&ServerFrame::Welcome { session: id, venue, heartbeat_ms, last_seq: 0, max_offers: 100 }).await;
        session
    }

    /// Lets the provider in and reads what it says first.
    async fn joined(&self) -> Session {
        let mut session = self.welcome(60_000).await;
        assert!(matches!(session.next().await, ClientFrame::Endpoint { secret, .. } if secret == "whsec_secret"));
        assert!(matches!(session.next().await, ClientFrame::PriceSheet { sheet, .. } if sheet == "name = \"own\""));
        assert!(matches!(session.next().await, ClientFrame::MassQuote { offers, .. } if offers.len() == 2));
        session
    }
}

struct Session {
    socket: WebSocketStream<TcpStream>,
    seq: u64,
}

impl Session {
    async fn send(&mut self, frame: &ServerFrame) {
        let text = serde_json::to_string(frame).expect("JSON");
        self.socket.send(Message::text(text)).await.expect("sends");
    }

    async fn ack(&mut self, held: Vec<OfferReason>) {
        self.send(&ServerFrame::Ack { seq: self.seq, accepted: 1, held, idle: Vec::new(), rejected: Vec::new() }).await;
    }

    /// The next frame, whose number must be the next.
    async fn next(&mut self) -> ClientFrame {
        let message =
            timeout(PATIENCE, self.socket.next()).await.expect("it says something").expect("open").expect("reads");
        let frame: ClientFrame = serde_json::from_str(message.to_text().expect("text")).expect("a frame");
        if let Some(seq) = frame.seq() {
            assert_eq!(seq, self.seq + 1, "{frame:?}");
            self.seq = seq;
        }
        frame
    }

    /// The next frame that is no renewal of all offers.
    async fn next_news(&mut self) -> ClientFrame {
        loop {
            let frame = self.next().await;
            if !matches!(frame, ClientFrame::MassQuote { .. } | ClientFrame::Heartbeat) {
                return frame;
            }
        }
    }

    async fn closed(&mut self) {
        while let Some(Ok(message)) = timeout(PATIENCE, self.socket.next()).await.expect("it closes") {
            assert!(!matches!(message, Message::Text(_)), "{message:?}");
        }
    }
}

#[tokio::test]
async fn it_says_where_it_is_what_it_costs_and_what_it_offers() {
    Stage::set().await.joined().await;
}

#[tokio::test]
async fn what_changes_is_sent_and_nothing_else_is() {
    let stage = Stage::set().await;
    let mut session = stage.joined().await;
    stage.provider.offers.lock().expect("no panic")[1].slots = 7;
    assert!(
        matches!(session.next_news().await, ClientFrame::Quote { offer, .. } if offer.id == "b" && offer.slots == 7)
    );
    // One that goes away is taken back by all that are left.
    stage.provider.offers.lock().expect("no panic").remove(0);
    loop {
        match session.next().await {
            ClientFrame::MassQuote { offers, .. } if offers.len() == 1 => break,
            ClientFrame::MassQuote { .. } | ClientFrame::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn offers_are_renewed_before_they_expire() {
    let stage = Stage::set().await;
    let mut session = stage.joined().await;
    let begun = Instant::now();
    assert!(matches!(session.next().await, ClientFrame::MassQuote { offers, .. } if offers.len() == 2));
    let after = begun.elapsed();
    assert!(after >= Duration::from_millis(700), "not all the time: {after:?}");
}

#[tokio::test]
async fn it_shows_that_it_lives() {
    let stage = Stage::set().await;
    let mut session = stage.welcome(100).await;
    let beats = async {
        for _ in 0..3 {
            while session.next().await != ClientFrame::Heartbeat {
                session.send(&ServerFrame::Heartbeat { at: String::new() }).await;
            }
            session.send(&ServerFrame::Heartbeat { at: String::new() }).await;
        }
    };
    timeout(PATIENCE, beats).await.expect("heartbeats");
}

#[tokio::test]
async fn a_held_offer_is_confirmed() {
    let stage = Stage::set().await;
    let mut session = stage.joined().await;
    let held = OfferReason { id: "a".to_owned(), reason: "price_fell".to_owned(), message: String::new() };
    session.ack(vec![held]).await;
    assert!(matches!(session.next_news().await, ClientFrame::Confirm { id, .. } if id == "a"));
}

#[tokio::test]
async fn it_comes_back_after_a_cut_a_refusal_and_a_silence() {
    let stage = Stage::set().await;
    drop(stage.joined().await);
    // A door that lets nobody in.
    let mut refused = stage.accept().await;
    let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    tokio::io::AsyncWriteExt::write_all(&mut refused, answer).await.expect("answers");
    // An exchange that falls silent: its heartbeats should come every 50 ms.
    let mut silent = stage.welcome(50).await;
    while timeout(PATIENCE, silent.socket.next()).await.expect("it goes away").is_some_and(|read| read.is_ok()) {}
    stage.joined().await;
}

#[tokio::test]
async fn a_session_that_lost_count_begins_anew() {
    let stage = Stage::set().await;
    let mut session = stage.joined().await;
    let (reason, message) = ("out_of_order".to_owned(), String::new());
    session.send(&ServerFrame::Reject { seq: Some(9), reason, message }).await;
    stage.joined().await;
}

#[tokio::test]
async fn it_withdraws_before_it_leaves() {
    let mut stage = Stage::set().await;
    let mut session = stage.joined().await;
    stage.leave.take().expect("joined").send(()).expect("it listens");
    assert!(matches!(session.next_news().await, ClientFrame::CancelAll { .. }));
    assert!(!stage.joined.is_finished(), "it waits to hear that its offers are gone");
    session.ack(Vec::new()).await;
    session.closed().await;
    timeout(PATIENCE, &mut stage.joined).await.expect("it ends").expect("no panic");
}

#[tokio::test]
async fn it_leaves_too_when_nobody_is_there() {
    let mut stage = Stage::set().await;
    drop(std::mem::replace(&mut stage.listener, TcpListener::bind("127.0.0.1:0").await.expect("a port")));
    stage.leave.take().expect("joining").send(()).expect("it listens");
    timeout(PATIENCE, &mut stage.joined).await.expect("it ends").expect("no panic");
}
