//! The fuzz targets of the signatures, on their seeds and a few thousand mutations (`make fuzz` searches further).

#![expect(unreachable_pub, reason = "the targets are the library of the fuzzers too")]

#[path = "../../../fuzz/src/targets/acs3.rs"]
mod acs3;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;
#[path = "../../../fuzz/src/targets/tc3.rs"]
mod tc3;

use smoke::smoke;

#[test]
fn signatures_of_alibaba_cloud() {
    smoke(acs3::run, &acs3::seeds());
}

#[test]
fn signatures_of_tencent_cloud() {
    smoke(tc3::run, &tc3::seeds());
}
