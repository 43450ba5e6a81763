//! Price sheets as text, with anything gone wrong: what people write by hand and `merit catalog import` reads.
//!
//! Nothing panics; what is taken is written and read again the same; and a figure that differs from the sheet in force is
//! always among the differences that are told, so that none is put in force in silence.

use merit_units::Timestamp;
use proptest::prelude::*;

use crate::{Catalogue, Change, MoveLimit, PriceSheet};

const LIMIT: MoveLimit = MoveLimit { percent: 25 };
/// The files as people write them, with tables, sources and comments.
const FILES: [&str; 3] = [
    include_str!("../../catalogue/azure.toml"),
    include_str!("../../catalogue/alibaba-fc.toml"),
    include_str!("../../catalogue/own.toml"),
];
const PUT: [&str; 20] = [
    "\"0\"",
    "\"-1\"",
    "\"1e9\"",
    "0",
    "-1",
    "1.5",
    "\"\"",
    "true",
    "nan",
    "[]",
    "{}",
    "\"EUR\"",
    "\"gb_second\"",
    "\"request\"",
    "\"0.0000166667\"",
    "99999999999999999999",
    "\"99999999999999999999999999999999999\"",
    "2026-11-22",
    "\"\\u0000\"",
    "[[[[[[]]]]]]",
];

#[derive(Clone, Debug)]
enum Mutation {
    /// A line is left out, stands there twice, or changes places with the next.
    Drop,
    Double,
    Swap,
    /// What is behind an equals sign, as far as a comma or the line's end, is something else.
    Put(&'static str),
    /// The text ends here.
    Truncate,
    /// Characters are something else.
    Bytes(String),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        1 => Just(Mutation::Drop),
        1 => Just(Mutation::Double),
        1 => Just(Mutation::Swap),
        4 => prop::sample::select(&PUT[..]).prop_map(Mutation::Put),
        1 => Just(Mutation::Truncate),
        2 => "[0-9a-z\"={}\\[\\],. \n]{0,6}".prop_map(Mutation::Bytes),
    ]
}

/// The text with one thing gone wrong.
fn mutated(text: &str, place: prop::sample::Index, mutation: &Mutation) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let line = place.index(lines.len());
    match mutation {
        Mutation::Drop => drop(lines.remove(line)),
        Mutation::Double => lines.insert(line, lines[line]),
        Mutation::Swap => lines.swap(line, (line + 1).min(text.lines().count() - 1)),
        Mutation::Put(value) => {
            let signs: Vec<usize> = text.match_indices(" = ").map(|(at, _)| at + 3).collect();
            let from = signs[place.index(signs.len())];
            let to = text[from..].find([',', '\n', '}']).map_or(text.len(), |length| from + length);
            return format!("{}{value}{}", &text[..from], &text[to..]);
        }
        Mutation::Truncate | Mutation::Bytes(_) => {
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = place.index(starts.len());
            let Mutation::Bytes(put) = mutation else { return text[..starts[at]].to_owned() };
            let rest = starts.get(at + 3).map_or("", |rest| &text[*rest..]);
            return format!("{}{put}{rest}", &text[..starts[at]]);
        }
    }
    lines.join("\n")
}

/// Every figure, listed without what compares sheets.
fn figures(sheet: &PriceSheet) -> Vec<String> {
    let prices = sheet.prices().map(|price| format!("{} {} {:?}", price.meter, price.rate, price.up_to));
    let grants = sheet.grants().map(|(meter, free)| format!("free {meter} {free}"));
    let kept = sheet.standing().map(|price| format!("kept {} {}", price.meter, price.rate));
    let whole = format!("{} {} {:?}", sheet.currency(), sheet.rule_in_words(), sheet.base_fee());
    let mut figures: Vec<String> = prices.chain(grants).chain(kept).chain([whole]).collect();
    // In which order lines stand is no figure.
    figures.sort_unstable();
    figures
}

fn check(sheet: &PriceSheet, last: Option<&PriceSheet>) -> Result<(), TestCaseError> {
    let again = PriceSheet::parse_toml(&sheet.to_toml());
    let again = again.map_err(|errors| TestCaseError::fail(format!("what was written can't be read: {errors}")))?;
    prop_assert_eq!(again.to_toml(), sheet.to_toml());
    prop_assert_eq!(figures(&again), figures(sheet));
    let Some(last) = last.filter(|last| last.name() == sheet.name()) else { return Ok(()) };
    let change = Change::between(last, sheet, LIMIT, Timestamp::from_micros(1_795_257_840_000_000));
    if change.differences.is_empty() {
        prop_assert_eq!(figures(sheet), figures(last), "it differs in silence");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_sheet_with_anything_wrong_is_refused_or_told(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
    ) {
        let sheets: Vec<_> = Catalogue::builtin().iter().collect();
        let last = sheets[which.index(sheets.len())];
        match PriceSheet::parse_toml(&mutated(&last.to_toml(), place, &mutation)) {
            Ok(sheet) => check(&sheet, Some(last))?,
            Err(errors) => prop_assert!(!errors.mistakes.is_empty() && !errors.to_string().is_empty()),
        }
    }

    #[test]
    fn a_catalogue_file_with_anything_wrong_is_refused_or_told(
        file in prop::sample::select(&FILES[..]),
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
    ) {
        let mut catalogue = Catalogue::default();
        match catalogue.add_file(&mutated(file, place, &mutation)) {
            Ok(()) => {
                for sheet in catalogue.iter() {
                    check(sheet, Catalogue::builtin().get(sheet.name().as_str()).map(|last| &**last))?;
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
