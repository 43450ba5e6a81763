//! Tests of the crate as a whole: what calls and months cost, to the picodollar.

mod adjust;
mod catalogue;
mod changes;
mod compare;
mod invoices;
mod mutated;
mod properties;
mod sheets;
mod vectors;

use std::sync::Arc;

use merit_units::{Exact, MemoryMb, Micros, Quantity, Rate};

use crate::{Catalogue, PriceSheet, Size, Usage};

fn sheet(name: &str) -> &'static Arc<PriceSheet> {
    Catalogue::builtin().get(name).unwrap_or_else(|| panic!("no sheet {name}"))
}

fn memory(megabytes: u64) -> MemoryMb {
    MemoryMb::try_new(megabytes).expect("a memory size")
}

fn size(megabytes: u64) -> Size {
    Size::new(memory(megabytes))
}

fn lasting(micros: u64) -> Usage {
    Usage { duration: Micros::new(micros), ..Usage::default() }
}

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
}

/// An amount written with up to 18 decimals.
fn amount(text: &str) -> Exact {
    let rate: Rate = text.parse().unwrap_or_else(|error| panic!("{text} {error}"));
    rate.times(Quantity::from_units(1)).expect("fits")
}

fn rounded(amount: Exact) -> String {
    amount.round_half_even().expect("fits").to_string()
}
