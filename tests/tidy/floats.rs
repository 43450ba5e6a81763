//! No floating point in the crates that count money.
//!
//! Clippy's `float_arithmetic` refuses sums of floats; this refuses the type and the literal too,
//! tests included, so that a comparison can't hide what rounding did. The compiler's own tokens
//! are looked at, hence not comments or strings.

use std::str::FromStr;

use proc_macro2::{Literal, TokenStream, TokenTree};

use crate::tree::{self, File};

/// Where money is counted.
const PURE: [&str; 4] = ["units/src/", "pricing/src/", "market/src/", "ledger/src/"];

fn is_float(literal: &Literal) -> bool {
    let text = literal.to_string();
    let number = text.starts_with(|c: char| c.is_ascii_digit()) && !text.starts_with("0x");
    // The only suffixes of integers with an `e` in them are `usize` and `isize`.
    let fraction = text.contains(['.', 'e', 'E']) && !text.ends_with("size");
    number && (fraction || text.ends_with("f32") || text.ends_with("f64"))
}

fn find(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    // `pair.0.1` reaches here as `pair . 0.1`: after a dot, a literal is the index of a field.
    let mut after_dot = false;
    for token in tokens {
        let mut report = |token: &dyn ToString, line| found.push((line, token.to_string()));
        match &token {
            TokenTree::Group(group) => find(group.stream(), found),
            TokenTree::Ident(ident) if ident == "f32" || ident == "f64" => report(ident, ident.span().start().line),
            TokenTree::Literal(literal) if !after_dot && is_float(literal) => {
                report(literal, literal.span().start().line);
            }
            _ => {}
        }
        after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
    }
}

/// Complaints about floats in pure crates.
fn floats(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.is("rs") && PURE.iter().any(|pure| f.path.starts_with(pure))) {
        let mut found = Vec::new();
        match TokenStream::from_str(&file.text) {
            Ok(tokens) => find(tokens, &mut found),
            Err(error) => complaints.push(format!("{}: not Rust: {error}", file.path)),
        }
        let path = &file.path;
        complaints
            .extend(found.iter().map(|(line, token)| format!("{path}:{line}: {token} is a float; count in integers")));
    }
    complaints
}

/// Complaints about pure crates whose root doesn't deny float arithmetic.
fn undenied(files: &[File]) -> Vec<String> {
    let roots = files.iter().filter(|f| PURE.iter().any(|pure| f.path == format!("{pure}lib.rs")));
    let open = roots.filter(|f| !f.text.contains("#![deny(clippy::float_arithmetic)]"));
    open.map(|f| format!("{}: add #![deny(clippy::float_arithmetic)]", f.path)).collect()
}

#[test]
fn money_is_counted_in_integers() {
    let files = tree::files();
    crate::assert_none(&floats(&files));
    crate::assert_none(&undenied(&files));
}

#[test]
fn float_types_and_literals_are_refused() {
    for float in ["let x = 1.5;", "let x = 1e9;", "let x = 2f64;", "fn f(x: f32) {}", "vec![1.0]", "let y = 1_0.0_1;"] {
        crate::assert_some(&floats(&[File::sample("units/src/a.rs", float)]), "units/src/a.rs:1");
    }
}

#[test]
fn what_only_looks_like_a_float_is_not() {
    for fine in ["x.0.1", "1..2", "0x1e5", "\"1.5\"", "// 1.5\nfn f64s() {}", "'e'", "3usize", "1isize", "b'.'"] {
        crate::assert_none(&floats(&[File::sample("units/src/a.rs", fine)]));
    }
    crate::assert_none(&floats(&[File::sample("broker/src/a.rs", "1.5")]));
}

#[test]
fn a_pure_crate_that_does_not_deny_floats_is_refused() {
    crate::assert_some(&undenied(&[File::sample("ledger/src/lib.rs", "//! x")]), "ledger/src/lib.rs");
}
