//! Why an ask was passed over, and why a call found no place at all.
//!
//! An ask has one exclusion: the first that applies, in the order of the variants of
//! [`Exclusion`]. What cannot change while a call waits comes before what can: the ask
//! itself, then the terms in the order a caller states them, then the deployment's health,
//! then its room.

use std::fmt;

use merit_units::{Micros, Money, Timestamp};

/// Why an ask does not get the call. The order of the variants is their precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exclusion {
    /// A kill switch of its venue is on.
    Killed,
    /// The venue has no price for it.
    NoPrice,
    /// The price has outlived its validity.
    StalePrice,
    /// The price is in a currency without an exchange rate.
    NoExchangeRate,
    /// The deployment or its venue was switched off.
    Disabled,
    /// Its venue says that it can't be called now, as for want of credentials.
    VenueUnready,
    /// Its provider has no offer for it: cancelled, or gone with the session.
    NoOffer,
    /// Its provider's offer was not sent again in time.
    OfferExpired,
    /// The price of its provider's offer moved too far and waits to be confirmed.
    QuoteHeld,
    /// Its replies differed from others' of its function.
    Quarantined,
    /// Its function takes only what is proven equal, and it is not.
    NotProvenEqual,
    /// The terms do not allow the venue.
    VenueNotAllowed,
    /// The terms do not allow the region.
    RegionNotAllowed,
    /// The terms do not allow the isolation class.
    IsolationNotAllowed,
    /// The terms do not allow the architecture.
    ArchitectureNotAllowed,
    /// The call is expected to cost more than the terms allow.
    OverMaxPrice {
        /// Expected charge, in picodollars.
        cost_pico: i64,
        /// The most the terms allow, in picodollars.
        max_pico: i64,
    },
    /// The 95th percentile of latency is above what the terms allow.
    OverLatency {
        /// The 95th percentile.
        p95: Micros,
        /// The longest the terms allow.
        max: Micros,
    },
    /// The call is a request of plain HTTP, and it is called by a provider's own API.
    NoPlainHttp,
    /// This invocation was tried there before.
    AlreadyTried,
    /// Its venue is on trial, and this call is not in the small share that it gets.
    OnTrial,
    /// Ejected after failures.
    Ejected {
        /// When probation begins.
        until: Timestamp,
    },
    /// On probation, and the trickle's next call is not due.
    OnProbation {
        /// When the next call may go there.
        next_probe: Timestamp,
    },
    /// The venue throttled a call, and is left alone for as long as it asked, or for a moment.
    Throttled {
        /// For how long.
        until: Timestamp,
    },
    /// The deployment has no room.
    AtCapacity {
        /// Calls in flight there.
        in_flight: u32,
        /// Calls allowed there: configured, or learned from throttling.
        cap: u32,
    },
    /// The venue has no room, all its deployments taken together.
    VenueAtCapacity {
        /// Calls in flight at the venue.
        in_flight: u32,
        /// Calls allowed at the venue: configured, or learned from throttling.
        cap: u32,
    },
    /// The venue has no memory left for it: that of all calls in flight there has a quota.
    VenueMemoryFull {
        /// Megabytes of calls in flight at the venue.
        in_use_mb: u64,
        /// Megabytes allowed there.
        quota_mb: u64,
    },
    /// The venue has taken all that its provider allows in one window of time.
    CapReached {
        /// When the next window begins.
        until: Timestamp,
    },
}

impl Exclusion {
    /// A stable word for it, in kebab-case.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::NoPrice => "no-price",
            Self::StalePrice => "stale-price",
            Self::NoExchangeRate => "no-exchange-rate",
            Self::Disabled => "disabled",
            Self::VenueUnready => "venue-unready",
            Self::NoOffer => "no-offer",
            Self::OfferExpired => "offer-expired",
            Self::QuoteHeld => "quote-held",
            Self::Quarantined => "quarantined",
            Self::NotProvenEqual => "not-proven-equal",
            Self::VenueNotAllowed => "venue-not-allowed",
            Self::RegionNotAllowed => "region-not-allowed",
            Self::IsolationNotAllowed => "isolation-not-allowed",
            Self::ArchitectureNotAllowed => "architecture-not-allowed",
            Self::OverMaxPrice { .. } => "over-max-price",
            Self::OverLatency { .. } => "over-latency",
            Self::NoPlainHttp => "no-plain-http",
            Self::AlreadyTried => "already-tried",
            Self::OnTrial => "on-trial",
            Self::Ejected { .. } => "ejected",
            Self::OnProbation { .. } => "on-probation",
            Self::Throttled { .. } => "throttled",
            Self::AtCapacity { .. } => "at-capacity",
            Self::VenueAtCapacity { .. } => "venue-at-capacity",
            Self::VenueMemoryFull { .. } => "venue-memory-full",
            Self::CapReached { .. } => "cap-reached",
        }
    }
}

impl Exclusion {
    /// Until when it stands, where time alone ends it.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match *self {
            Self::Ejected { until }
            | Self::Throttled { until }
            | Self::OnProbation { next_probe: until }
            | Self::CapReached { until } => Some(until),
            _ => None,
        }
    }
}

impl fmt::Display for Exclusion {
    /// The reason with its figures, in words. Times are for programs: this crate knows no calendar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Killed => f.write_str("its venue's kill switch is on; `merit venues offers` says whose and why"),
            Self::NoPrice => f.write_str("the venue has no price for it"),
            Self::StalePrice => f.write_str("its price has outlived its validity"),
            Self::NoExchangeRate => f.write_str("its price is in a currency without an exchange rate"),
            Self::Disabled => f.write_str("it is switched off"),
            Self::VenueUnready => f.write_str("its venue can't be called now; `merit venues show` says why"),
            Self::NoOffer => f.write_str("its provider offers it no longer"),
            Self::OfferExpired => f.write_str("its provider's offer has expired"),
            Self::QuoteHeld => f.write_str("its provider's price moved too far and waits to be confirmed"),
            Self::Quarantined => f.write_str(
                "its replies differed from others' of its function; `merit functions quarantine show` has them",
            ),
            Self::NotProvenEqual => f.write_str(
                "nothing proves it equal to the function's other deployments; give your word with `merit functions vouch`, \
                 or replay samples against it with `merit functions samples replay`",
            ),
            Self::VenueNotAllowed => f.write_str("the terms do not allow its venue"),
            Self::RegionNotAllowed => f.write_str("the terms do not allow its region"),
            Self::IsolationNotAllowed => f.write_str("the terms do not allow its isolation class"),
            Self::ArchitectureNotAllowed => f.write_str("the terms do not allow its architecture"),
            Self::OverMaxPrice { cost_pico, max_pico } => {
                let [cost, max] = [cost_pico, max_pico].map(|pico| Money::from_pico(pico.into()));
                write!(f, "expected to cost {cost} USD, and the terms allow {max}")
            }
            Self::OverLatency { p95, max } => write!(f, "its p95 latency is {p95}, and the terms allow {max}"),
            Self::NoPlainHttp => f.write_str(
                "what it is called by carries no method, path and headers: deploy it behind a URL, or post a payload to \
                 /v1/functions/FUNCTION/invocations",
            ),
            Self::AlreadyTried => f.write_str("this invocation was tried there before"),
            Self::OnTrial => f.write_str("its venue is on trial and gets a small share of the calls"),
            Self::Ejected { .. } => f.write_str("ejected after failures"),
            Self::OnProbation { .. } => f.write_str("on probation after failures, and its next call is not due"),
            Self::Throttled { .. } => f.write_str("the venue throttled a call and is left alone for a while"),
            Self::AtCapacity { in_flight, cap } => write!(f, "{in_flight} calls in flight of {cap} allowed"),
            Self::VenueAtCapacity { in_flight, cap } => {
                write!(f, "{in_flight} calls in flight at its venue of {cap} allowed")
            }
            Self::VenueMemoryFull { in_use_mb, quota_mb } => {
                write!(
                    f,
                    "calls in flight at its venue take {in_use_mb} MB of {quota_mb} MB allowed: no room for one more"
                )
            }
            Self::CapReached { .. } => f.write_str("its provider's cap for this window of time is reached"),
        }
    }
}

/// Why no ask gets the call. The order of the variants is their precedence, last first:
/// the refusal is the one that came closest to a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPick {
    /// The book is empty.
    #[error("the function has no deployment")]
    NoAsks,
    /// Each ask is ineligible or excluded by the terms.
    #[error("no ask meets the terms")]
    NoneEligible,
    /// Each ask that meets the terms has been tried.
    #[error("every ask that meets the terms has been tried")]
    AllTried,
    /// An untried ask meets the terms, and has no room now.
    #[error("every ask that meets the terms is at capacity")]
    AtCapacity,
}
