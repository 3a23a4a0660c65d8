//! The page for operators keeps up with the program: metrics, alerts, reasons and log lines stand on both sides.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn page() -> String {
    read("docs/operations.md")
}

/// The sources of the program, without its tests.
fn sources() -> String {
    let mut all = String::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                all.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    all
}

fn is_of_name(sign: char) -> bool {
    sign.is_ascii_lowercase() || sign == '_'
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| format!("closeout_{}", rest.split(|sign| !is_of_name(sign)).next().unwrap());
    text.split("closeout_").skip(1).map(name).collect()
}

/// The metrics that the program sets: names that are a string of their own.
fn metrics_of_the_program() -> BTreeSet<String> {
    let sources = sources();
    let metric =
        |rest: &str| rest.split('"').next().filter(|name| name.chars().all(is_of_name)).map(str::to_owned);
    let found: BTreeSet<_> = sources
        .split("\"closeout_")
        .skip(1)
        .filter_map(metric)
        .map(|rest| format!("closeout_{rest}"))
        .collect();
    assert!(found.len() > 20, "{found:?}");
    found
}

/// The first cells, without their marks, of the table below a heading.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let (_, below) =
        page.split_once(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = below.split("\n## ").next().unwrap();
    let cell = |line: &str| {
        line.strip_prefix("| `").and_then(|rest| rest.split_once('`')).map(|(cell, _)| cell.to_owned())
    };
    section.lines().filter_map(cell).collect()
}

fn alerts() -> (BTreeSet<String>, String) {
    let rules = read("config/prometheus/alerts.yaml");
    let name = |line: &str| line.trim().strip_prefix("- alert: ").map(str::to_owned);
    (rules.lines().filter_map(name).collect(), rules)
}

#[test]
fn every_metric_has_a_row_that_says_when_to_act() {
    assert_eq!(first_cells(&page(), "Metrics, and the act each asks for"), metrics_of_the_program());
}

#[test]
fn every_metric_stands_in_the_interfaces() {
    let named = metrics_in(read("docs/interfaces.md").split("## 6. Metrics").nth(1).unwrap());
    let missing: Vec<_> =
        metrics_of_the_program().into_iter().filter(|metric| !named.contains(metric)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_alert_has_a_section_that_says_what_it_asks() {
    let sections: BTreeSet<_> =
        page().lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    let (names, rules) = alerts();
    assert_eq!(sections, names);
    for (alert, severity) in rules.split("- alert: ").skip(1).map(|rule| {
        let severity = rule.split("severity: ").nth(1).unwrap().split(' ').next().unwrap();
        (rule.lines().next().unwrap(), severity)
    }) {
        let said = page().contains(&format!("### {alert}\n*{severity}.*"));
        assert!(said, "{alert} is a {severity}, and the page says another thing");
    }
}

#[test]
fn alerts_are_raised_by_metrics_that_the_program_sets() {
    let (_, rules) = alerts();
    let known = metrics_of_the_program();
    for metric in metrics_in(&rules) {
        let metric = metric.strip_suffix("_bucket").unwrap_or(&metric);
        assert!(known.contains(metric), "{metric}");
    }
}

#[test]
fn panels_show_metrics_that_the_program_sets() {
    let dashboard = read("config/grafana/closeout.json");
    let known = metrics_of_the_program();
    let shown = metrics_in(&dashboard);
    for metric in &shown {
        let metric = metric.strip_suffix("_bucket").unwrap_or(metric);
        assert!(known.contains(metric), "{metric}");
    }
    assert!(shown.len() >= 20, "{shown:?}");
}

#[test]
fn every_reason_of_a_ghost_has_a_runbook() {
    let names = read("crates/orchestrator/src/names.rs");
    let reasons: BTreeSet<_> = names
        .lines()
        .filter_map(|line| line.trim().strip_prefix("GhostReason::")?.split_once("=> \"")?.1.split_once('"'))
        .map(|(reason, _)| reason.to_owned())
        .collect();
    assert!(reasons.len() >= 8, "{reasons:?}");
    assert_eq!(first_cells(&page(), "Runbook: ghosts by reason"), reasons);
}

#[test]
fn the_log_lines_of_the_page_are_those_of_the_program() {
    let sources = sources();
    for line in first_cells(&page(), "Log lines that matter") {
        let written = line.replace('{', "{{").replace('}', "}}");
        assert!(sources.contains(&format!("\"{written}\"")), "the program never logs {line:?}");
    }
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let page = page();
    let anchor = |heading: &str| {
        let letters = heading.to_lowercase();
        letters
            .chars()
            .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-'))
            .collect::<String>()
            .replace(' ', "-")
    };
    let anchors: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    for link in page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(anchors.contains(link), "#{link} is none of {anchors:?}");
    }
}
