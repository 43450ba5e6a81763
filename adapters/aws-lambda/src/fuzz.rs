//! The fuzz target of price lists, on its seeds and a few thousand mutations (`make fuzz` searches further).

#[path = "../../../fuzz/src/targets/offer_file.rs"]
mod offer_file;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

#[test]
fn price_lists() {
    smoke::smoke(offer_file::run, &offer_file::seeds());
}
