//! What can go wrong with a JSON document on its way: a field lost, doubled, moved, renumbered, renamed, nested or cut off.
//!
//! Invariant: the same document, place and mutation make the same text.

use proptest::prelude::*;
use serde_json::Value;

/// What is done at one place.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// The field or element is left out.
    Drop,
    /// It stands there twice.
    Double,
    /// Its own fields or elements begin with the second.
    Rotate,
    /// It is another number, also where there was a text of digits.
    Number(&'static str),
    /// It is another text: another unit, currency, region, day, or nonsense.
    Text(&'static str),
    /// It is a list in a list in a list.
    Nest,
    /// The document ends here.
    Truncate,
}

impl Mutation {
    /// Whether the figures themselves may be others, which nothing can tell from other prices.
    pub(crate) const fn is_of_figures(&self) -> bool {
        matches!(self, Self::Number(_))
    }
}

const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "10",
    "0.5",
    "1.5",
    "1e40",
    "1E-30",
    "2E-05",
    "400000",
    "6000000000",
    "0.0000166667",
    "99999999999999999999999999999999",
    "-0",
];
const TEXTS: [&str; 26] = [
    "",
    "0",
    "USD",
    "EUR",
    "CNY",
    "usd",
    "XXX",
    "1 GB Second",
    "1 Hour",
    "10",
    "100",
    "1 GiB Hour",
    "Lambda-GB-Second",
    "Requests",
    "h",
    "s",
    "GiBy.s",
    "count",
    "Inf",
    "2030-01-01T00:00:00Z",
    "1999-01-01T00:00:00Z",
    "eu-west-1",
    "us-central1",
    "westeurope",
    "Standard Execution Time",
    "\u{0}\u{202e}\"\\",
];

/// Any mutation.
pub(crate) fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => Just(Mutation::Drop),
        2 => Just(Mutation::Double),
        1 => Just(Mutation::Rotate),
        3 => prop::sample::select(&NUMBERS[..]).prop_map(Mutation::Number),
        4 => prop::sample::select(&TEXTS[..]).prop_map(Mutation::Text),
        1 => Just(Mutation::Nest),
        1 => Just(Mutation::Truncate),
    ]
}

/// The document with one thing gone wrong at a place of it.
pub(crate) fn mutated(document: &Value, place: prop::sample::Index, mutation: &Mutation) -> String {
    // The whole of it is no place: there would be nothing left to read.
    let target = 1 + place.index(size(document) - 1);
    let mut writer = Writer { text: String::new(), at: 0, target, mutation, cut: None };
    writer.value(document);
    writer.text.truncate(writer.cut.unwrap_or(writer.text.len()));
    writer.text
}

/// How many values it has, itself among them.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

struct Writer<'a> {
    text: String,
    at: usize,
    target: usize,
    mutation: &'a Mutation,
    cut: Option<usize>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) {
        let hit = self.at == self.target;
        self.at += 1;
        match (hit, self.mutation) {
            (true, Mutation::Number(number)) if value.is_string() => self.text.push_str(&format!("\"{number}\"")),
            (true, Mutation::Number(number)) => self.text.push_str(number),
            (true, Mutation::Text(text)) => self.text.push_str(&Value::from(*text).to_string()),
            (true, Mutation::Nest) => self.text.push_str(&format!("{}{}", "[".repeat(200), "]".repeat(200))),
            _ => {
                if hit && matches!(self.mutation, Mutation::Truncate) {
                    self.cut = Some(self.text.len());
                }
                self.plain(value, hit && matches!(self.mutation, Mutation::Rotate));
            }
        }
    }

    fn plain(&mut self, value: &Value, rotate: bool) {
        let start = usize::from(rotate);
        match value {
            Value::Array(items) => {
                let (last, first) = items.split_at(start.min(items.len()));
                self.listed(['[', ']'], first.iter().chain(last).map(|item| (String::new(), item)));
            }
            Value::Object(fields) => {
                let rotated = fields.iter().skip(start).chain(fields.iter().take(start));
                self.listed(['{', '}'], rotated.map(|(key, field)| (format!("{}:", Value::from(key.as_str())), field)));
            }
            other => self.text.push_str(&other.to_string()),
        }
    }

    fn listed<'a>(&mut self, [open, close]: [char; 2], items: impl Iterator<Item = (String, &'a Value)>) {
        self.text.push(open);
        let before = self.text.len();
        for (key, item) in items {
            let times = match (self.at == self.target, self.mutation) {
                (true, Mutation::Drop) => {
                    self.at += size(item);
                    0
                }
                (true, Mutation::Double) => 2,
                _ => 1,
            };
            for _ in 0..times {
                if self.text.len() > before {
                    self.text.push(',');
                }
                self.text.push_str(&key);
                self.value(item);
            }
        }
        self.text.push(close);
    }
}
