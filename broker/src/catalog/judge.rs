//! What becomes of a sheet that a feed offers, given the one in force.

use merit_pricing::{Catalogue, Change, Concern, MoveLimit, PriceSheet};
use merit_units::Timestamp;

/// The sheet in force, as it matters here.
pub(super) struct InForce<'a> {
    pub(super) sheet: &'a PriceSheet,
    /// Whether a feed put it there: the built-in one is replaced even by its equal, whose source is better.
    pub(super) live: bool,
}

/// What becomes of an offered sheet.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It says what is in force.
    Confirmed,
    /// It comes into force.
    Put(PriceSheet, Change),
    /// It waits for a person; without a sheet there is nothing to put in force.
    Held(Option<PriceSheet>, Vec<String>),
}

/// Judges one offered sheet.
pub(super) fn judge(
    offered: Result<PriceSheet, Vec<String>>,
    last: Option<&InForce<'_>>,
    limit: MoveLimit,
    now: Timestamp,
) -> Verdict {
    let sheet = match offered {
        Ok(sheet) => sheet.numbered(last.map_or(1, |last| last.sheet.seq().saturating_add(1))),
        Err(reasons) => return Verdict::Held(None, reasons),
    };
    let change = match last {
        Some(last) => Change::between(last.sheet, &sheet, limit, now),
        None => match Catalogue::builtin().like(sheet.name().as_str()) {
            Some(other) => Change::beside(other, &sheet, now),
            None => Change::first(&sheet, now),
        },
    };
    if last.is_some_and(|last| last.live) && change.is_none() {
        return Verdict::Confirmed;
    }
    if change.concerns.is_empty() {
        return Verdict::Put(sheet, change);
    }
    let reasons = change.concerns.iter().map(Concern::to_string).collect();
    // One that does not hold yet would only make its venues ineligible; the feed will say it again when it does.
    let unusable = change.concerns.iter().any(|concern| matches!(concern, Concern::NotValid { .. }));
    Verdict::Held((!unusable).then_some(sheet), reasons)
}
