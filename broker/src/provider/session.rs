//! A provider's session: frames in order, each answered once, and all its offers cancelled when it ends.
//!
//! One session a venue: a newer one takes over, and the older one's offers are cancelled then. It ends too when the
//! socket closes, when nothing comes for three heartbeats, when the key is revoked, when the venue leaves the
//! configuration and when the broker drains. However it ends, its offers end with it, at once: [`Seat`] is dropped.
//!
//! A frame that can't be read, that is repeated or that comes out of order changes nothing, is answered, and is
//! counted; it does not end the session, as the next frame may be good. So is a frame over
//! `providers.max_quotes_per_second`; it has used its number up, or all that follow would be out of order.
//!
//! Answers are flushed when nothing more has come that is to be answered: what came together is answered together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use merit_units::VenueId;
use merit_wire::{ClientFrame, EndpointSpec, KillSpec, OffersTaken, ServerFrame};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::{Provider, Refused, Switch};
use crate::Broker;
use crate::clock::rfc3339;
use crate::keys::Key;
use crate::venue::VenueEntry;

/// Frames that may wait for a slow session before fills are left out.
const WAITING: usize = 1024;

/// Silent heartbeats after which a session is over.
const SILENT_HEARTBEATS: u32 = 3;

/// Frames written before they are flushed, however many more there are to answer.
const BATCH: usize = 64;

/// The open session of a venue.
pub(crate) struct Open {
    id: u64,
    frames: mpsc::Sender<ServerFrame>,
    missed: AtomicU64,
    replaced: watch::Sender<bool>,
}

impl Open {
    /// Tells it something; nothing when it is too slow.
    pub(crate) fn tell(&self, frame: ServerFrame) {
        drop(self.frames.try_send(frame));
    }

    /// Tells it of a fill, and with it how many it was too slow to hear of.
    pub(crate) fn tell_fill(&self, mut fill: ServerFrame) {
        let before = self.missed.swap(0, Ordering::Relaxed);
        if let ServerFrame::Fill { missed, .. } = &mut fill {
            *missed = before;
        }
        if self.frames.try_send(fill).is_err() {
            self.missed.fetch_add(before + 1, Ordering::Relaxed);
        }
    }
}

/// The place of a session at its venue; dropping it cancels what the session offered.
struct Seat {
    broker: Arc<Broker>,
    provider: Arc<Provider>,
    venue: VenueId,
    id: u64,
}

impl Seat {
    /// Takes the venue's place; whoever had it is sent away and its offers are cancelled.
    fn take(
        broker: &Arc<Broker>,
        venue: &VenueId,
        provider: &Arc<Provider>,
        frames: mpsc::Sender<ServerFrame>,
        replaced: watch::Sender<bool>,
    ) -> Self {
        let id = provider.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let former = provider.session.swap(Some(Arc::new(Open { id, frames, missed: AtomicU64::new(0), replaced })));
        broker.metrics.providers.sessions.inc();
        if let Some(former) = former {
            former.replaced.send_replace(true);
            if let Some(entry) = broker.directory.load().venues.get(venue) {
                broker.cancel_offers(entry, provider, Some(former.id), "a newer session has taken over");
            }
        }
        tracing::info!(%venue, session = id, "a provider's session is open");
        Self { broker: Arc::clone(broker), provider: Arc::clone(provider), venue: venue.clone(), id }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let own = |open: &Option<Arc<Open>>| open.as_ref().is_some_and(|open| open.id == self.id);
        self.provider.session.rcu(|open| if own(open) { None } else { open.clone() });
        let directory = self.broker.directory.load();
        if let Some(venue) = directory.venues.get(&self.venue) {
            let why = "its session has ended";
            let ended = self.broker.cancel_offers(venue, &self.provider, Some(self.id), why);
            tracing::info!(venue = %self.venue, session = self.id, offers = ended, "a provider's session has ended");
        }
        self.broker.metrics.providers.sessions.dec();
    }
}

/// Why a session is ended from this side.
struct End {
    word: &'static str,
    message: String,
}

impl End {
    fn new(word: &'static str, message: impl Into<String>) -> Self {
        Self { word, message: message.into() }
    }

    fn removed() -> Self {
        Self::new("removed", "the venue is no longer in the broker's configuration")
    }
}

/// Serves a session until it ends.
pub(crate) async fn serve(
    broker: Arc<Broker>,
    key: Arc<Key>,
    venue: VenueId,
    provider: Arc<Provider>,
    socket: WebSocket,
) {
    let (frames, mut waiting) = mpsc::channel(WAITING);
    let (replaced, mut taken_over) = watch::channel(false);
    let seat = Seat::take(&broker, &venue, &provider, frames, replaced);
    let settings = broker.settings.load().providers.clone();
    let heartbeat = Duration::from_millis(settings.heartbeat_ms);
    let mut line = Line { broker: &broker, provider: &provider, venue: &venue, id: seat.id, last_seq: 0, heartbeat };
    let (sink, mut stream) = socket.split();
    let mut out = Out { sink, unflushed: 0, patience: heartbeat * SILENT_HEARTBEATS };
    let mut ended = out.send(&line.welcome()).await.err();
    let mut heard = Instant::now();
    let mut beats = tokio::time::interval(heartbeat);
    while ended.is_none() {
        let next = tokio::select! {
            // Flushing comes last: only when there is nothing more to answer.
            biased;
            () = replaced_by_another(&mut taken_over) => {
                Err(Some(End::new("replaced", "another session of this venue has taken over")))
            }
            _ = beats.tick() => line.beat(&key).map(Some).map_err(Some),
            Some(frame) = waiting.recv() => Ok(Some(frame)),
            message = stream.next() => {
                heard = Instant::now();
                line.hear(message).await
            }
            () = tokio::time::sleep_until(heard + heartbeat * SILENT_HEARTBEATS) => {
                Err(Some(End::new("silent", format!("nothing came for {SILENT_HEARTBEATS} heartbeats"))))
            }
            flushed = out.flush(), if out.unflushed > 0 => flushed.map(|()| None),
        };
        ended = match next {
            Ok(None) => None,
            Ok(Some(frame)) => out.send(&frame).await.err(),
            Err(end) => Some(end),
        };
    }
    // The offers first: saying goodbye to somebody who does not listen takes time.
    drop(seat);
    if let Some(Some(End { word, message })) = ended {
        let bye = ServerFrame::Bye { reason: word.to_owned(), message };
        out.patience = heartbeat;
        if out.send(&bye).await.is_ok() && out.flush().await.is_ok() {
            drop(timeout(heartbeat, out.sink.send(Message::Close(None))).await);
        }
    }
}

async fn replaced_by_another(taken_over: &mut watch::Receiver<bool>) {
    drop(taken_over.wait_for(|replaced| *replaced).await);
}

/// The way to the provider.
struct Out {
    sink: SplitSink<WebSocket, Message>,
    /// Frames written since the last flush.
    unflushed: usize,
    /// How long it may take none of what is written.
    patience: Duration,
}

impl Out {
    /// Writes a frame, and flushes when there are many. `Err(None)` when the other side has gone, or does not read.
    async fn send(&mut self, frame: &ServerFrame) -> Result<(), Option<End>> {
        let text = serde_json::to_string(frame).expect("invariant: frames are serialisable");
        match timeout(self.patience, self.sink.feed(Message::Text(Utf8Bytes::from(text)))).await {
            Ok(Ok(())) => self.unflushed += 1,
            _ => return Err(None),
        }
        if self.unflushed >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// What was written is on its way when this completes. It may be dropped and begun anew.
    async fn flush(&mut self) -> Result<(), Option<End>> {
        match timeout(self.patience, self.sink.flush()).await {
            Ok(Ok(())) => {
                self.unflushed = 0;
                Ok(())
            }
            _ => Err(None),
        }
    }
}

/// A frame that is read for its number alone.
#[derive(Deserialize)]
struct Numbered {
    seq: Option<u64>,
}

/// What a session's frames are done with.
struct Line<'a> {
    broker: &'a Arc<Broker>,
    provider: &'a Arc<Provider>,
    venue: &'a VenueId,
    id: u64,
    last_seq: u64,
    heartbeat: Duration,
}

impl Line<'_> {
    /// What came; what to answer. `Err` ends the session, without a word when the other side has gone.
    async fn hear(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<ServerFrame>, Option<End>> {
        match message {
            Some(Ok(Message::Text(text))) => self.take(&text).await.map_err(Some),
            Some(Ok(Message::Binary(_))) => Ok(Some(self.refuse(None, "malformed", "send text frames"))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Close(_))) | None => Err(None),
            Some(Err(error)) => {
                let max = self.broker.settings.load().providers.max_message_bytes;
                self.broker.metrics.providers.refused("unreadable");
                Err(Some(End::new("unreadable", format!("{error}; a frame may have {max} bytes"))))
            }
        }
    }

    /// A heartbeat, unless the session is to end.
    fn beat(&self, key: &Key) -> Result<ServerFrame, End> {
        if self.broker.is_draining() {
            return Err(End::new("shutting_down", "this broker is shutting down; connect again shortly"));
        }
        if !self.broker.directory.load().venues.contains_key(self.venue) {
            return Err(End::removed());
        }
        if !self.broker.keys.is_good(&key.id) {
            return Err(End::new("revoked", "the key was revoked"));
        }
        Ok(ServerFrame::Heartbeat { at: rfc3339(self.broker.clock.now()) })
    }

    fn welcome(&self) -> ServerFrame {
        ServerFrame::Welcome {
            session: self.id.to_string(),
            venue: self.venue.to_string(),
            heartbeat_ms: u64::try_from(self.heartbeat.as_millis()).unwrap_or(u64::MAX),
            last_seq: self.last_seq,
            max_offers: self.broker.settings.load().providers.max_offers as u64,
        }
    }

    fn refuse(&self, seq: Option<u64>, word: &'static str, message: impl Into<String>) -> ServerFrame {
        self.broker.metrics.providers.refused(word);
        ServerFrame::Reject { seq, reason: word.to_owned(), message: message.into() }
    }

    /// Takes a frame; what to answer. `Err` ends the session.
    async fn take(&mut self, text: &str) -> Result<Option<ServerFrame>, End> {
        let directory = self.broker.directory.load_full();
        let Some(venue) = directory.venues.get(self.venue) else { return Err(End::removed()) };
        if !self.provider.pace.load().allows_frame() {
            return Ok(self.take_late(text));
        }
        let frame = match serde_json::from_str::<ClientFrame>(text) {
            Ok(frame) => frame,
            Err(error) => return Ok(Some(self.refuse(None, "malformed", error.to_string()))),
        };
        let Some(seq) = frame.seq() else { return Ok(None) };
        if let Some(refusal) = self.misnumbered(seq) {
            return Ok(Some(refusal));
        }
        Ok(Some(match self.act(venue, frame).await {
            Ok(OffersTaken { accepted, held, idle, rejected }) => {
                ServerFrame::Ack { seq, accepted, held, idle, rejected }
            }
            Err(Refused { word, message }) => self.refuse(Some(seq), word, message),
        }))
    }

    /// Takes the frame's number if it is the next; what to answer if not.
    fn misnumbered(&mut self, seq: u64) -> Option<ServerFrame> {
        let next = self.last_seq + 1;
        if seq != next {
            let word = if seq < next { "replayed" } else { "out_of_order" };
            return Some(self.refuse(Some(seq), word, format!("the next frame is number {next}, not {seq}")));
        }
        self.last_seq = seq;
        None
    }

    /// What to answer to a frame that came too fast.
    fn take_late(&mut self, text: &str) -> Option<ServerFrame> {
        match serde_json::from_str::<Numbered>(text) {
            Ok(Numbered { seq: Some(seq) }) => Some(self.misnumbered(seq).unwrap_or_else(|| self.too_fast(seq))),
            // A heartbeat, to which there is no answer.
            Ok(Numbered { seq: None }) => None,
            Err(error) => Some(self.refuse(None, "malformed", error.to_string())),
        }
    }

    fn too_fast(&self, seq: u64) -> ServerFrame {
        let Refused { word, message } = self.provider.pace.load().refused();
        self.refuse(Some(seq), word, message)
    }

    async fn act(&self, venue: &Arc<VenueEntry>, frame: ClientFrame) -> Result<OffersTaken, Refused> {
        let (broker, provider, session) = (self.broker, &**self.provider, Some(self.id));
        if matches!(frame, ClientFrame::Endpoint { .. } | ClientFrame::PriceSheet { .. } | ClientFrame::Caps { .. }) {
            provider.take_change()?;
        }
        match frame {
            ClientFrame::Endpoint { url, secret, .. } => {
                broker.put_endpoint(venue, provider, &EndpointSpec { url, secret }).await?;
            }
            ClientFrame::PriceSheet { sheet, .. } => {
                let text = match sheet {
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                };
                let published = broker.publish_sheet(venue, &text).await;
                published.map_err(|refusal| Refused::new("bad_price_sheet", refusal.to_string()))?;
            }
            ClientFrame::MassQuote { offers, .. } => return broker.mass_quote(venue, provider, offers, session),
            ClientFrame::Quote { offer, .. } => return broker.quote_offer(venue, provider, *offer, session),
            ClientFrame::Cancel { id, .. } => {
                if !broker.cancel_offer(venue, provider, &id) {
                    return Err(Refused::new(
                        "unknown_offer",
                        format!("no offer `{}` stands", super::offer::shown(&id)),
                    ));
                }
            }
            ClientFrame::CancelAll { .. } => {
                broker.cancel_offers(venue, provider, None, "its provider cancelled all");
            }
            ClientFrame::Confirm { id, .. } => {
                if broker.confirm_offer(venue, provider, &id) != Some(true) {
                    return Err(Refused::new("not_held", format!("no offer `{}` is held", super::offer::shown(&id))));
                }
            }
            ClientFrame::Caps { caps, .. } => {
                broker.set_caps(venue, provider, caps)?;
                broker.store_provider(venue, provider).await?;
            }
            ClientFrame::Kill { on, why, .. } => {
                if broker.switch(venue, provider, Switch::Provider, &KillSpec { on, why })? {
                    broker.store_provider(venue, provider).await?;
                }
            }
            ClientFrame::Heartbeat => {}
        }
        Ok(OffersTaken::default())
    }
}
