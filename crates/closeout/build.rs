//! How the program is linked.

use std::process::Command;

/// The first GNU libc whose loader reads packed relocations.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_gnu = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu";
    // A program that may lie anywhere in memory has a table of what to correct at its start, which stays in memory: 1.6 MB, and
    // 20 KB when it is packed (docs/adr/0039). What is built for another machine than this one may meet an older libc.
    if is_gnu && variable("HOST") == variable("TARGET") && libc_of_this_machine() >= Some(READS_PACKED) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Its version, where it is GNU's: `getconf` says `glibc 2.36`.
fn libc_of_this_machine() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
