//! The frames of a provider's session: a WebSocket at `/v1/venues/{venue}/session`, one JSON object a text frame.
//!
//! `seq` begins at 1 and grows by one with each frame that has it. Each such frame is answered once, in order, by
//! an [`Ack`](ServerFrame::Ack) or a [`Reject`](ServerFrame::Reject) with its `seq`.

use serde::{Deserialize, Serialize};

use crate::{CapsSpec, OfferReason, OfferSpec};

/// What a provider sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// Where calls are sent from now on.
    Endpoint {
        /// The frame's number.
        seq: u64,
        /// As in [`crate::EndpointSpec`].
        url: String,
        /// As in [`crate::EndpointSpec`].
        secret: String,
    },
    /// A price sheet. One that is in force already is taken again without a change.
    PriceSheet {
        /// The frame's number.
        seq: u64,
        /// The sheet as TOML text, or as a JSON object of the same shape.
        sheet: serde_json::Value,
    },
    /// All offers: they take the place of those there were.
    MassQuote {
        /// The frame's number.
        seq: u64,
        /// All of them.
        offers: Vec<OfferSpec>,
    },
    /// One offer, new or in place of the one of its id.
    Quote {
        /// The frame's number.
        seq: u64,
        /// The offer.
        offer: Box<OfferSpec>,
    },
    /// The end of one offer.
    Cancel {
        /// The frame's number.
        seq: u64,
        /// The offer.
        id: String,
    },
    /// The end of all offers.
    CancelAll {
        /// The frame's number.
        seq: u64,
    },
    /// That the price of a held offer is meant.
    Confirm {
        /// The frame's number.
        seq: u64,
        /// The offer.
        id: String,
    },
    /// What the provider takes at most, in place of all caps there were.
    Caps {
        /// The frame's number.
        seq: u64,
        /// The caps.
        caps: CapsSpec,
    },
    /// The provider's kill switch.
    Kill {
        /// The frame's number.
        seq: u64,
        /// Whether nothing is to be sent.
        on: bool,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// That the provider lives: at least one frame of any kind must come within three heartbeats.
    Heartbeat,
}

impl ClientFrame {
    /// The frame's number; a heartbeat has none.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Endpoint { seq, .. }
            | Self::PriceSheet { seq, .. }
            | Self::MassQuote { seq, .. }
            | Self::Quote { seq, .. }
            | Self::Cancel { seq, .. }
            | Self::CancelAll { seq }
            | Self::Confirm { seq, .. }
            | Self::Caps { seq, .. }
            | Self::Kill { seq, .. } => Some(*seq),
            Self::Heartbeat => None,
        }
    }
}

/// What Merit sends. More keys may be added: a provider ignores what it does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The first frame.
    Welcome {
        /// The session.
        session: String,
        /// The venue.
        venue: String,
        /// Milliseconds between two heartbeats of either side.
        heartbeat_ms: u64,
        /// The number of the last frame taken: 0, as each session counts anew.
        last_seq: u64,
        /// Offers the venue may have at once.
        max_offers: u64,
    },
    /// A frame was taken.
    Ack {
        /// Its number.
        seq: u64,
        /// Offers taken; those held are among them.
        accepted: u32,
        /// Offers taken but out of the market.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        held: Vec<OfferReason>,
        /// Offers taken that no function is called by now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        idle: Vec<OfferReason>,
        /// Offers not taken.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rejected: Vec<OfferReason>,
    },
    /// A frame was not taken; nothing has changed.
    Reject {
        /// Its number, where it could be read.
        seq: Option<u64>,
        /// A stable word: `malformed`, `replayed`, `out_of_order`, `rate_limited`, `too_many_offers`, `bad_price_sheet`,
        /// `bad_endpoint`, `bad_caps`, `unknown_offer`, `not_held`.
        reason: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// That Merit lives.
    Heartbeat {
        /// Merit's time.
        at: String,
    },
    /// A kill switch was turned on, or off when `on` is false.
    Killed {
        /// Whose: `provider` or `operator`.
        by: String,
        /// Whether it is on now.
        on: bool,
        /// Why.
        why: String,
    },
    /// An offer is live again that was held: it was confirmed, or the band has reached it.
    Released {
        /// The offer.
        id: String,
    },
    /// A call was run here and charged.
    Fill {
        /// The invocation.
        invocation: String,
        /// The offer.
        offer: String,
        /// The function.
        function: String,
        /// `ok`, `function-error` or the kind of failure.
        result: String,
        /// What it was charged, in dollars.
        charge: String,
        /// Fills since the last that told of one which the session was too slow for; the statement has them all.
        #[serde(default, skip_serializing_if = "is_zero")]
        missed: u64,
    },
    /// The last frame: Merit ends the session, and all its offers are cancelled.
    Bye {
        /// A stable word: `replaced`, `silent`, `unreadable`, `revoked`, `removed`, `shutting_down`.
        reason: String,
        /// What happened, and what to do.
        message: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<ClientFrame>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"type":"heartbeat"}"#), Ok(ClientFrame::Heartbeat));
        assert_eq!(read(r#"{"type":"cancel","seq":3,"id":"a"}"#), Ok(ClientFrame::Cancel { seq: 3, id: "a".into() }));
        let offer = r#"{"id":"a","function":"f","target":"/f","memory_mb":128,"slots":4,"ttl_ms":5000}"#;
        let quote = read(&format!(r#"{{"type":"quote","seq":1,"offer":{offer}}}"#)).expect("a quote");
        assert_eq!(quote.seq(), Some(1));
        for (bad, why) in [
            (r#"{"type":"cancel","seq":3,"id":"a","when":"now"}"#.to_owned(), "unknown field `when`"),
            (r#"{"type":"cancel","seq":-3,"id":"a"}"#.to_owned(), "invalid value"),
            (r#"{"type":"buy","seq":3}"#.to_owned(), "unknown variant `buy`"),
            (offer.replace("\"slots\":4", "\"slots\":4,\"price\":1"), "missing field `type`"),
            (
                format!(r#"{{"type":"quote","seq":1,"offer":{}}}"#, offer.replace("}", r#","price":"1"}"#)),
                "unknown field `price`",
            ),
            (
                format!(
                    r#"{{"type":"quote","seq":1,"offer":{}}}"#,
                    offer.replace("}", r#","prices":{"request":NaN}}"#)
                ),
                "expected",
            ),
        ] {
            let error = read(&bad).expect_err(&bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn what_merit_sends_is_plain() {
        let fill = ServerFrame::Fill {
            invocation: "i".into(),
            offer: "a".into(),
            function: "f".into(),
            result: "ok".into(),
            charge: "0.000001".into(),
            missed: 0,
        };
        let text = serde_json::to_string(&fill).expect("serialisable");
        assert_eq!(
            text,
            r#"{"type":"fill","invocation":"i","offer":"a","function":"f","result":"ok","charge":"0.000001"}"#
        );
    }
}
