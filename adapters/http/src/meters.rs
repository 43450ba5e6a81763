//! What a call used: told by the venue in `merit-meter-*` headers, or taken by the own clock.
//!
//! Invariant: the venue's word is taken whole or not at all. One header that is malformed, given
//! twice or impossible makes all of them worthless, and the own clock counts instead.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use merit_pricing::Usage;
use merit_units::{MemoryMb, Micros};
use merit_venue::{Measured, MeterBasis, Meters, Reply, meter_header};

/// More vCPUs than any machine gives one call; CPU time beyond so many times the wall time is a lie.
const MOST_VCPUS: u64 = 1024;

/// The longest number taken: 15 digits are 31 years in microseconds.
const MOST_DIGITS: usize = 15;

/// Whether the headers say that the function ran to its end.
pub(crate) fn are_told(headers: &HeaderMap, meters: Meters) -> bool {
    meters == Meters::Reported && headers.contains_key(meter_header::DURATION_US)
}

/// What a call of `elapsed` by the own clock used, whose reply had `reply_bytes`.
pub(crate) fn measure(headers: &HeaderMap, meters: Meters, elapsed: Micros, reply_bytes: usize) -> Measured {
    let egress_bytes = reply_bytes as u64;
    let own = |basis| Measured::by_clock(elapsed, reply_bytes, basis);
    if meters == Meters::OwnClock {
        return own(MeterBasis::OwnClock);
    }
    match read(headers, elapsed) {
        Ok(Some(told)) => Measured { usage: Usage { egress_bytes, ..told }, basis: MeterBasis::Reported },
        Ok(None) => own(MeterBasis::OwnClock),
        Err(Refused(name)) => {
            tracing::warn!(header = name, ?elapsed, "refused a venue's meters: malformed or impossible");
            own(MeterBasis::Refused)
        }
    }
}

/// The reply of a function that ran well: cold when its meters have an initialisation.
pub(crate) fn reply(status: StatusCode, headers: &HeaderMap, payload: Bytes, measured: Measured) -> Reply {
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    let cold = measured.usage.init > Micros::ZERO;
    Reply { cold, ..Reply::plain(status.as_u16(), content_type, payload, measured) }
}

/// The header for which all were refused.
#[derive(Debug)]
struct Refused(&'static str);

fn read(headers: &HeaderMap, elapsed: Micros) -> Result<Option<Usage>, Refused> {
    let Told { duration, init, cpu, memory } = Told::of(headers)?;
    let Some(duration) = duration else {
        let any = init.or(cpu).or(memory).is_some();
        return if any { Err(Refused(meter_header::DURATION_US)) } else { Ok(None) };
    };
    let init = init.unwrap_or(0);
    let longest = Measured::longest_credible(elapsed).get();
    if duration + init > longest {
        return Err(Refused(meter_header::DURATION_US));
    }
    if cpu.is_some_and(|cpu| cpu > longest.saturating_mul(MOST_VCPUS)) {
        return Err(Refused(meter_header::CPU_US));
    }
    let memory_peak = memory.map(MemoryMb::try_new).transpose().map_err(|_| Refused(meter_header::MEMORY_MB))?;
    let (duration, init, cpu) = (Micros::new(duration), Micros::new(init), cpu.map(Micros::new));
    Ok(Some(Usage { duration, init, cpu, memory_peak, ..Usage::default() }))
}

/// The numbers of a reply's headers, each where it is given.
#[derive(Default)]
struct Told {
    duration: Option<u64>,
    init: Option<u64>,
    cpu: Option<u64>,
    memory: Option<u64>,
}

impl Told {
    /// One pass over the headers costs a quarter of four look-ups, as most replies have few.
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut told = Self::default();
        for (name, value) in headers {
            let (name, place) = match name.as_str() {
                meter_header::DURATION_US => (meter_header::DURATION_US, &mut told.duration),
                meter_header::INIT_US => (meter_header::INIT_US, &mut told.init),
                meter_header::CPU_US => (meter_header::CPU_US, &mut told.cpu),
                meter_header::MEMORY_MB => (meter_header::MEMORY_MB, &mut told.memory),
                _ => continue,
            };
            if place.replace(number(value).ok_or(Refused(name))?).is_some() {
                return Err(Refused(name));
            }
        }
        Ok(told)
    }
}

fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    let valid = (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn measured(pairs: &[(&'static str, &'static str)]) -> Measured {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        measure(&headers, Meters::Reported, Micros::from_millis(100), 7)
    }

    #[test]
    fn takes_what_a_venue_tells() {
        let told = measured(&[
            (meter_header::DURATION_US, "80000"),
            (meter_header::INIT_US, "20000"),
            (meter_header::CPU_US, "150000"),
            (meter_header::MEMORY_MB, "70"),
        ]);
        let usage = Usage {
            duration: Micros::from_millis(80),
            init: Micros::from_millis(20),
            cpu: Some(Micros::from_millis(150)),
            memory_peak: Some(MemoryMb::try_new(70).expect("70 MB")),
            egress_bytes: 7,
            ..Usage::default()
        };
        assert_eq!(told, Measured { usage, basis: MeterBasis::Reported });
    }

    #[test]
    fn throws_lies_and_nonsense_away_whole() {
        let own = Usage { duration: Micros::from_millis(100), egress_bytes: 7, ..Usage::default() };
        for bad in [
            &[(meter_header::DURATION_US, "104000")][..],
            &[(meter_header::DURATION_US, "80000"), (meter_header::INIT_US, "80000")],
            &[(meter_header::DURATION_US, "80000"), (meter_header::DURATION_US, "80000")],
            &[(meter_header::DURATION_US, "80000"), (meter_header::CPU_US, "999999999")],
            &[(meter_header::DURATION_US, "80000"), (meter_header::MEMORY_MB, "0")],
            &[(meter_header::CPU_US, "5")],
            &[(meter_header::DURATION_US, "")],
            &[(meter_header::DURATION_US, "-1")],
            &[(meter_header::DURATION_US, "1.5")],
            &[(meter_header::DURATION_US, "1e3")],
            &[(meter_header::DURATION_US, "+12")],
            &[(meter_header::DURATION_US, "99999999999999999999999")],
        ] {
            assert_eq!(measured(bad), Measured { usage: own, basis: MeterBasis::Refused }, "{bad:?}");
        }
        assert_eq!(measured(&[]), Measured { usage: own, basis: MeterBasis::OwnClock });
    }

    #[test]
    fn the_own_clock_reads_no_header() {
        let mut headers = HeaderMap::new();
        headers.insert(meter_header::DURATION_US, HeaderValue::from_static("1"));
        let taken = measure(&headers, Meters::OwnClock, Micros::from_millis(3), 0);
        assert_eq!((taken.usage.duration, taken.basis), (Micros::from_millis(3), MeterBasis::OwnClock));
        assert!(are_told(&headers, Meters::Reported) && !are_told(&headers, Meters::OwnClock));
    }
}
