//! How many quotes a second a venue may send: by sessions and by REST together, so that a new session begins no new
//! second.
//!
//! A frame counts as one, and a mass quote as many as it has offers. An offer for a class is one for each of its
//! functions, and counts as that, unless it is sent again unchanged.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::offer::Refused;

/// The pace of one venue.
pub(super) struct Pace {
    limiter: DefaultDirectRateLimiter,
    per_second: NonZeroU32,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::direct(Quota::per_second(per_second)), per_second }
    }

    pub(super) const fn per_second(&self) -> u32 {
        self.per_second.get()
    }

    /// Whether one more frame may come now.
    pub(super) fn allows_frame(&self) -> bool {
        self.limiter.check().is_ok()
    }

    /// Takes offers that count as `quotes`, of which `counted` were taken with their frame. More offers than may ever
    /// come in a second count as a whole one; what classes make of them may not.
    pub(super) fn take(&self, offers: usize, quotes: usize, counted: u32) -> Result<(), Refused> {
        let max = self.per_second.get();
        if quotes > offers && quotes > max as usize {
            let message = format!(
                "this counts as {quotes} quotes, as an offer for a class is one for each of its functions, and \
                 providers.max_quotes_per_second is {max}; send fewer at once"
            );
            return Err(Refused::new("rate_limited", message));
        }
        let quotes = u32::try_from(quotes).unwrap_or(u32::MAX).min(max).saturating_sub(counted);
        let fits = NonZeroU32::new(quotes).is_none_or(|quotes| matches!(self.limiter.check_n(quotes), Ok(Ok(()))));
        if fits { Ok(()) } else { Err(self.refused()) }
    }

    /// Why something is not taken now.
    pub(super) fn refused(&self) -> Refused {
        let max = self.per_second;
        let message =
            format!("a venue may send {max} quotes a second, providers.max_quotes_per_second; send this again later");
        Refused::new("rate_limited", message)
    }
}
