//! Feeds `doors::address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    closeout_fuzz::doors::address(data);
});
