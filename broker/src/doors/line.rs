//! Header values made of short words and numbers.
//!
//! Every reply has several. They are written into a buffer on the stack, without the machinery of `format!`, which
//! costs a few hundred instructions each.
//!
//! Known limitation: what does not fit into [`ROOM`] bytes is cut off.

use std::fmt::{self, Write as _};

use http::HeaderValue;
use merit_units::Micros;

/// Bytes a line may have; the longest of a reply has about 60.
const ROOM: usize = 96;

/// A header value being written.
pub(super) struct Line {
    bytes: [u8; ROOM],
    len: usize,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.push(text.as_bytes());
        self
    }

    pub(super) fn number(mut self, number: impl itoa::Integer) -> Self {
        self.push(itoa::Buffer::new().format(number).as_bytes());
        self
    }

    /// Milliseconds with three decimals, as `Server-Timing` has them.
    pub(super) fn millis(self, length: Micros) -> Self {
        let (millis, micros) = (length.get() / 1000, length.get() % 1000);
        let zeros = match micros {
            0..10 => "00",
            10..100 => "0",
            _ => "",
        };
        self.number(millis).text(".").text(zeros).number(micros)
    }

    /// What its `Display` gives.
    pub(super) fn shown(mut self, value: impl fmt::Display) -> Self {
        // Writing to it can't fail.
        write!(self, "{value}").ok();
        self
    }

    /// The header value; empty if something that is not of a header was written.
    pub(super) fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.len]).unwrap_or(HeaderValue::from_static(""))
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = ROOM - self.len;
        let taken = &bytes[..bytes.len().min(room)];
        self.bytes[self.len..][..taken.len()].copy_from_slice(taken);
        self.len += taken.len();
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use merit_units::Money;

    use super::*;

    #[test]
    fn words_and_numbers_stand_as_written() {
        let line = Line::new().text("a;dur=").millis(Micros::new(12_034)).text(", b=").number(7_u32);
        assert_eq!(line.value(), "a;dur=12.034, b=7");
        assert_eq!(Line::new().millis(Micros::new(5)).text(" ").millis(Micros::new(120)).value(), "0.005 0.120");
        assert_eq!(Line::new().shown(Money::from_pico(227_083)).value(), "0.000000227083");
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let long = "x".repeat(200);
        assert_eq!(Line::new().text("y").text(&long).value().len(), ROOM);
        assert_eq!(Line::new().text("a\nb").value(), "", "not of a header");
    }
}
