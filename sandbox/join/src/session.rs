//! One session, from the welcome to its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use merit_wire::{ClientFrame, OfferSpec, ServerFrame};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::connect::{Socket, connect};
use crate::{Exchange, JoinError, Provider, UPDATE_EVERY};

/// How long the first frame may take.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// How long the acknowledgement of the withdrawal is waited for.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Changed offers that are sent one by one; more are sent by a mass quote.
const SINGLY: usize = 8;

pub(crate) struct Session {
    socket: Socket,
    heartbeat: Duration,
    seq: u64,
    /// What the exchange was told last, by id.
    told: BTreeMap<String, OfferSpec>,
    /// When all offers were sent last.
    renewed: Instant,
    /// When anything was sent last.
    sent: Instant,
    /// When anything came last.
    heard: Instant,
}

impl Session {
    /// Connects and waits for the welcome.
    pub(crate) async fn open(exchange: &Exchange) -> Result<Self, JoinError> {
        let mut socket = connect(exchange).await?;
        let welcome = timeout(WELCOME_WITHIN, receive(&mut socket)).await.map_err(|_| JoinError::Silent)??;
        let now = Instant::now();
        match welcome {
            Some(ServerFrame::Welcome { heartbeat_ms, .. }) => Ok(Self {
                socket,
                heartbeat: Duration::from_millis(heartbeat_ms.max(1)),
                seq: 0,
                told: BTreeMap::new(),
                renewed: now,
                sent: now,
                heard: now,
            }),
            Some(ServerFrame::Bye { reason, message }) => Err(JoinError::Ended { reason, message }),
            _ => Err(JoinError::Protocol("it did not begin with a welcome".to_owned())),
        }
    }

    /// Publishes until `leave` completes, and withdraws then.
    pub(crate) async fn run(
        mut self,
        provider: &dyn Provider,
        mut leave: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), JoinError> {
        let endpoint = provider.endpoint();
        self.send(|seq| ClientFrame::Endpoint { seq, url: endpoint.url, secret: endpoint.secret }).await?;
        let sheet = provider.price_sheet().into();
        self.send(|seq| ClientFrame::PriceSheet { seq, sheet }).await?;
        self.mass_quote(provider.offers()).await?;
        let mut updates = interval(UPDATE_EVERY.min(self.heartbeat / 2));
        updates.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = leave.as_mut() => return self.withdraw().await,
                _ = updates.tick() => self.update(provider).await?,
                received = receive(&mut self.socket) => {
                    self.heard = Instant::now();
                    if let Some(frame) = received? {
                        self.take(frame).await?;
                    }
                }
            }
        }
    }

    /// Sends what has changed, what would expire, or at least a sign of life.
    async fn update(&mut self, provider: &dyn Provider) -> Result<(), JoinError> {
        if self.heard.elapsed() > 3 * self.heartbeat {
            return Err(JoinError::Silent);
        }
        let offers = provider.offers();
        let same_ids = offers.len() == self.told.len() && offers.iter().all(|offer| self.told.contains_key(&offer.id));
        let changed: Vec<&OfferSpec> = offers.iter().filter(|offer| self.told.get(&offer.id) != Some(*offer)).collect();
        if !same_ids || changed.len() > SINGLY || self.renewed.elapsed() >= provider.ttl() / 3 {
            return self.mass_quote(offers).await;
        }
        let changed: Vec<OfferSpec> = changed.into_iter().cloned().collect();
        for offer in changed {
            self.told.insert(offer.id.clone(), offer.clone());
            self.send(|seq| ClientFrame::Quote { seq, offer: Box::new(offer) }).await?;
        }
        if self.sent.elapsed() >= self.heartbeat {
            self.send_frame(&ClientFrame::Heartbeat).await?;
        }
        Ok(())
    }

    async fn mass_quote(&mut self, offers: Vec<OfferSpec>) -> Result<(), JoinError> {
        self.told = offers.iter().map(|offer| (offer.id.clone(), offer.clone())).collect();
        self.renewed = Instant::now();
        self.send(|seq| ClientFrame::MassQuote { seq, offers }).await
    }

    async fn take(&mut self, frame: ServerFrame) -> Result<(), JoinError> {
        match frame {
            ServerFrame::Ack { held, idle, rejected, .. } => {
                for offer in idle {
                    tracing::debug!(offer = offer.id, reason = offer.reason, message = offer.message, "no calls come");
                }
                for offer in rejected {
                    tracing::warn!(
                        offer = offer.id,
                        reason = offer.reason,
                        message = offer.message,
                        "an offer was not taken"
                    );
                }
                for offer in held {
                    tracing::info!(offer = offer.id, reason = offer.reason, "confirming an offer that is held");
                    self.send(|seq| ClientFrame::Confirm { seq, id: offer.id }).await?;
                }
            }
            ServerFrame::Reject { seq, reason, message } => {
                tracing::warn!(seq, reason, message, "the exchange did not take a frame");
                // What it makes of the next ones can't be known then: a new session begins in order.
                if matches!(reason.as_str(), "replayed" | "out_of_order") {
                    return Err(JoinError::Protocol(message));
                }
            }
            ServerFrame::Killed { by, on, why } => tracing::warn!(by, on, why, "a kill switch was turned"),
            ServerFrame::Bye { reason, message } => return Err(JoinError::Ended { reason, message }),
            ServerFrame::Fill { invocation, offer, charge, .. } => tracing::debug!(invocation, offer, charge, "a fill"),
            ServerFrame::Released { id } => tracing::debug!(offer = id, "an offer is live again"),
            ServerFrame::Welcome { .. } | ServerFrame::Heartbeat { .. } => {}
        }
        Ok(())
    }

    /// Cancels all offers, and waits a moment for that to be acknowledged.
    async fn withdraw(mut self) -> Result<(), JoinError> {
        self.send(|seq| ClientFrame::CancelAll { seq }).await?;
        let last = self.seq;
        let acknowledged = async {
            while !matches!(receive(&mut self.socket).await?, Some(ServerFrame::Ack { seq, .. }) if seq == last) {}
            Ok::<(), JoinError>(())
        };
        if !matches!(timeout(GOODBYE_WITHIN, acknowledged).await, Ok(Ok(()))) {
            tracing::warn!("the exchange did not acknowledge the withdrawal; it cancels what a closed session offered");
        }
        // Closing tells the exchange that nothing more comes; when it has gone first, there is nobody to tell.
        self.socket.close(None).await.ok();
        Ok(())
    }

    async fn send(&mut self, frame: impl FnOnce(u64) -> ClientFrame) -> Result<(), JoinError> {
        self.seq += 1;
        let frame = frame(self.seq);
        self.send_frame(&frame).await
    }

    async fn send_frame(&mut self, frame: &ClientFrame) -> Result<(), JoinError> {
        let text = serde_json::to_string(frame).expect("invariant: frames are JSON");
        self.sent = Instant::now();
        // A peer that takes nothing any more is as good as gone.
        match timeout(3 * self.heartbeat, self.socket.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(|error| JoinError::Lost(error.to_string())),
            Err(_) => Err(JoinError::Silent),
        }
    }
}

/// The next frame; `None` for one that is not known here, or that has no text.
async fn receive(socket: &mut Socket) -> Result<Option<ServerFrame>, JoinError> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => {
            let frame = serde_json::from_str(&text);
            if let Err(error) = &frame {
                tracing::debug!(%error, "a frame that is not known here");
            }
            Ok(frame.ok())
        }
        Some(Ok(Message::Close(frame))) => {
            let reason = frame.map_or_else(String::new, |frame| frame.reason.to_string());
            Err(JoinError::Lost(format!("closed by the exchange: {reason}")))
        }
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(JoinError::Lost(error.to_string())),
        None => Err(JoinError::Lost("the connection ended".to_owned())),
    }
}
