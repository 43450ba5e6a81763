//! The fuzz target of bills, on its seeds and a few thousand mutations (`make fuzz` searches further).

#[path = "../../../fuzz/src/targets/provider_bill.rs"]
mod provider_bill;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

#[test]
fn bills() {
    smoke::smoke(provider_bill::run, &provider_bill::seeds());
}
