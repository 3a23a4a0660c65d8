//! Feeds `doors::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    closeout_fuzz::doors::configuration(data);
});
