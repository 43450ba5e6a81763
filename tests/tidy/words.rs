//! One word, one meaning: what `docs/GLOSSARY.md` says must not be said instead is refused.
//!
//! The glossary's tables are the list. A plain entry is looked for in Rust files and in Markdown,
//! comments included; an entry in backticks only in Rust identifiers. Names are split at `_` and
//! at capitals, so `PriceTagId` says "price tag". A phrase is found across a line break, but not
//! across punctuation that ends a thought.

use std::collections::BTreeMap;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use crate::tree::{self, File};

const GLOSSARY: &str = "docs/GLOSSARY.md";

/// A synonym that is not to be used.
#[derive(Debug, PartialEq)]
struct Forbidden {
    /// What it consists of, in lower case.
    words: Vec<String>,
    /// Refused as an identifier only.
    code_only: bool,
    /// The word to use.
    instead: String,
}

/// A word of a text with the line it stands on; an empty word where a thought ends.
type Word = (usize, String);

/// Reads the tables: rows of three cells whose first is not the head.
fn forbidden(glossary: &str) -> Vec<Forbidden> {
    let rows = glossary.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows = rows.filter(|cells| cells.len() == 5 && cells[1] != "word" && !cells[1].starts_with("---"));
    rows.flat_map(|cells| {
        let instead = cells[1].to_owned();
        let synonyms = cells[3].split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
        synonyms.collect::<Vec<_>>().into_iter().map(move |synonym| Forbidden {
            code_only: synonym.starts_with('`'),
            words: synonym.trim_matches('`').split(' ').map(str::to_lowercase).collect(),
            instead: instead.clone(),
        })
    })
    .collect()
}

/// Splits text into words: at whatever is not a letter, at `_`, and before a capital after a small letter.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut last = ' ';
        for letter in line.chars().chain([' ']) {
            let camel = letter.is_uppercase() && last.is_lowercase();
            if (!letter.is_alphanumeric() || camel) && !word.is_empty() {
                found.push((index + 1, std::mem::take(&mut word)));
            }
            if letter.is_alphanumeric() {
                word.extend(letter.to_lowercase());
            } else if !(letter.is_whitespace() || "_-/!*`".contains(letter)) {
                found.push((index + 1, String::new()));
            }
            last = letter;
        }
    }
    found
}

/// The identifiers of a Rust file, each followed by the end of a thought.
fn identifiers(text: &str) -> Vec<Word> {
    fn walk(tokens: TokenStream, found: &mut Vec<Word>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => walk(group.stream(), found),
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    found.extend(words(&ident.to_string()).into_iter().map(|(_, word)| (line, word)));
                    found.push((line, String::new()));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    // A file that is not Rust has no identifiers; the compiler says so better than a test of words.
    walk(TokenStream::from_str(text).unwrap_or_default(), &mut found);
    found
}

fn same(word: &str, wanted: &str) -> bool {
    word == wanted || word.strip_suffix('s') == Some(wanted)
}

/// The synonyms by their first word, so that a text is gone through once.
type ByFirst<'a> = BTreeMap<&'a str, Vec<&'a Forbidden>>;

fn by_first<'a>(forbidden: &'a [Forbidden], code_only: bool) -> ByFirst<'a> {
    let mut index = ByFirst::new();
    for synonym in forbidden.iter().filter(|synonym| synonym.code_only == code_only) {
        index.entry(&synonym.words[0]).or_default().push(synonym);
    }
    index
}

/// The synonyms in a text, with the line each stands on.
fn find<'a>(text: &[Word], index: &ByFirst<'a>) -> Vec<(usize, &'a Forbidden)> {
    let mut found = Vec::new();
    for (at, (line, word)) in text.iter().enumerate() {
        let singular = word.strip_suffix('s').unwrap_or(word);
        let keys = if singular == word { vec![word.as_str()] } else { vec![word.as_str(), singular] };
        for synonym in keys.into_iter().filter_map(|key| index.get(key)).flatten() {
            let here = text[at..].iter().take(synonym.words.len());
            if here.len() == synonym.words.len() && here.zip(&synonym.words).all(|((_, w), wanted)| same(w, wanted)) {
                found.push((*line, *synonym));
            }
        }
    }
    found
}

/// Whether the words of a file are Merit's own: code and docs, but not the glossary, which must name
/// the synonyms, and not the payloads of the sample functions.
fn is_ours(file: &File) -> bool {
    let payload = file.path.starts_with("examples/") && file.name().starts_with("input.");
    file.path != GLOSSARY && (file.is("rs") || file.is("md") && !payload)
}

/// Complaints about synonyms.
fn synonyms(files: &[File], forbidden: &[Forbidden]) -> Vec<String> {
    let (anywhere, in_code) = (by_first(forbidden, false), by_first(forbidden, true));
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| is_ours(f)) {
        let mut found = find(&words(&file.text), &anywhere);
        if file.is("rs") {
            found.extend(find(&identifiers(&file.text), &in_code));
        }
        for (line, synonym) in found {
            let said = synonym.words.join(" ");
            complaints.push(format!("{}:{line}: \"{said}\"; say \"{}\" ({GLOSSARY})", file.path, synonym.instead));
        }
    }
    complaints
}

fn glossary(files: &[File]) -> Vec<Forbidden> {
    let text = files.iter().find(|f| f.path == GLOSSARY).map_or("", |f| &f.text);
    forbidden(text)
}

#[test]
fn the_words_of_the_glossary_are_used() {
    let files = tree::files();
    let forbidden = glossary(&files);
    assert!(forbidden.len() > 30, "the glossary's tables were not read: {forbidden:?}");
    crate::assert_none(&synonyms(&files, &forbidden));
}

const SAMPLE: &str = "# Words\n\n| word | meaning | not |\n|---|---|---|\n| apple | rates | green pear |\n| ask | a cost | `listing` |\n";

fn complaints(path: &str, text: &str) -> Vec<String> {
    synonyms(&[File::sample(path, text)], &forbidden(SAMPLE))
}

#[test]
fn tables_are_read_without_their_heads() {
    let apple =
        Forbidden { words: vec!["green".to_owned(), "pear".to_owned()], code_only: false, instead: "apple".to_owned() };
    let ask = Forbidden { words: vec!["listing".to_owned()], code_only: true, instead: "ask".to_owned() };
    assert_eq!(forbidden(SAMPLE), [apple, ask]);
}

#[test]
fn a_synonym_is_refused_in_text_names_and_over_a_line_break() {
    for said in [
        "struct GreenPearId;",
        "let green_pears = 1;",
        "// a Green Pear",
        "/// the green\n/// pear of",
        "\"green-pear\"",
    ] {
        crate::assert_some(&complaints("a.rs", said), "say \"apple\"");
    }
    crate::assert_some(&complaints("docs/a.md", "first\n\nthe `green pear`"), "docs/a.md:3:");
    crate::assert_some(&complaints("a.rs", "//! x\nstruct AskListing;"), "a.rs:2: \"listing\"; say \"ask\"");
}

#[test]
fn what_is_not_the_synonym_is_left_alone() {
    for fine in [
        "// all green. Pear trees",
        "struct Green; struct Pear;",
        "let greened_pear = 1;",
        "// listing the asks",
        "green, pear",
    ] {
        crate::assert_none(&complaints("a.rs", fine));
    }
    crate::assert_none(&complaints("docs/a.md", "listing the asks"));
    crate::assert_none(&complaints(GLOSSARY, "green pear"));
    crate::assert_none(&complaints("prices.toml", "green pear"));
    crate::assert_none(&complaints("examples/functions/a/input.md", "green pear"));
    crate::assert_some(&complaints("examples/functions/README.md", "green pear"), "apple");
}
