//! Driver, stub and bare ceiling against each other, as processes, at a small scale.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_closeout-bench");
const BOUND: Duration = Duration::from_secs(30);

fn bench(arguments: &[&str]) -> Output {
    Command::new(BENCH).args(arguments).output().expect("the benchmark starts")
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

#[test]
fn a_load_on_the_bare_exchanges_costs_three_calls_a_closure_and_breaks_no_promise() {
    let load = costs_three_calls_a_closure(&["--bare"]);
    // No closure can be faster than its webhook.
    assert!(load["latency"]["p50Ms"].as_f64().unwrap() >= 2.5);
    assert!(load["cpuSecondsPer1000"].as_f64().unwrap() > 0.0);
    assert!(load["peakResident"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn durable_writes_cost_no_call_and_break_no_promise() {
    costs_three_calls_a_closure(&["--bare-durable"]);
}

/// What the load on a ceiling was like.
fn costs_three_calls_a_closure(ceiling: &[&str]) -> Value {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let sizes = ["--count", "300", "--unfinished", "16", "--folder", folder];
    let report = json(&bench(&[&["load"], ceiling, &sizes[..]].concat()));
    let (load, stub) = (&report["load"], &report["proof"]["stub"]);
    assert_eq!(
        (&load["requested"], &load["finished"], &load["errors"]),
        (&300.into(), &300.into(), &0.into())
    );
    for calls in ["reads", "participantCloses", "wrapperCloses", "webhooksSent", "webhooksAnswered", "ended"]
    {
        assert_eq!(stub[calls], 300, "{calls}");
    }
    assert_eq!(stub["wrapperClosesBeforeWebhook"], 0);
    load.clone()
}

#[test]
fn the_whole_run_prints_one_table() {
    let sizes = ["--count", "200", "--single", "10"];
    let in_turn = ["--turns", "2", "--other-ceiling", BENCH];
    let output = bench(&[&["run", "--quick", "--only-bare"], &sizes[..], &in_turn].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    for line in [
        "closures per second, 256 unfinished",
        "slowest to fastest turn",
        "calls per closure",
        "3.000",
        "Linux",
    ] {
        assert!(table.contains(line), "{line} is missing in\n{table}");
    }
    assert!(!table.contains("BROKEN"));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("turn 2 of 2"), "{told}");
}

#[test]
fn a_ceiling_of_another_build_is_loaded_like_its_own() {
    costs_three_calls_a_closure(&["--other-ceiling", BENCH]);
    let output = bench(&["load", "--other-ceiling", "/nowhere/ceiling", "--count", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot start /nowhere/ceiling"), "{errors}");
}

#[test]
fn a_missing_program_is_one_clear_sentence() {
    let output = bench(&["load", "--closeout", "/nowhere/closeout", "--count", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot start /nowhere/closeout"), "{errors}");
}

/// Kills the driver when a test ends early.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < BOUND, "never came to hold: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs; one that has ended and only waits to be collected does not.
fn runs(process: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, behind_name)| behind_name.chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[test]
fn the_child_dies_with_the_driver() {
    // A killed driver cannot clear its folder away.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let driver = Command::new(BENCH)
        .args(["load", "--bare-durable", "--count", "1000000", "--unfinished", "1", "--limit", "60s"])
        .arg("--folder")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut driver = Killed(driver);
    let pid = driver.0.id();
    let child = wait_for("the driver has a child", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let child = children.split_ascii_whitespace().next()?.to_owned();
        // Once it is the bare program, it has tied itself to the driver.
        let command = std::fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
        let is_it = command.split('\0').nth(1) == Some("bare");
        assert!(!is_it || command.contains("--store"), "durable writes have a file: {command}");
        is_it.then_some(child)
    });
    driver.0.kill().unwrap();
    driver.0.wait().unwrap();
    wait_for("the child has ended", || (!runs(&child)).then_some(()));
}
