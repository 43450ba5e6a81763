//! What two crates say on purpose, because neither may import the other, is the same.

use merit_venue::meter_header as sent;
use merit_wire::{header, meter_header as read};

#[test]
fn venues_and_readers_use_the_same_header_names() {
    assert_eq!(sent::DURATION_US, read::DURATION_US);
    assert_eq!(sent::INIT_US, read::INIT_US);
    assert_eq!(sent::CPU_US, read::CPU_US);
    assert_eq!(sent::MEMORY_MB, read::MEMORY_MB);
    assert_eq!(sent::FUNCTION_ERROR, read::FUNCTION_ERROR);
    assert_eq!(sent::REFUSED, read::REFUSED);
    assert_eq!(sent::INVOCATION_ID, header::INVOCATION_ID);
}
