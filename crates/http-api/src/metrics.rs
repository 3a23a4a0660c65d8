//! What the API counts beyond what the driver counts (interfaces §6), and what a key sees of all that is counted.

use std::collections::BTreeSet;

use metrics::{counter, gauge};

/// An operator acted on a whole organisation.
pub(crate) fn operator_action(action: &'static str, role: &'static str) {
    counter!("closeout_operator_actions_total", "action" => action, "role" => role).increment(1);
}

/// So many stored records cannot be read and were set aside.
#[expect(clippy::cast_precision_loss, reason = "there are never 2^52 records")]
pub(crate) fn quarantined(number: usize) {
    gauge!("closeout_quarantined").set(number as f64);
}

/// The labels by which a series is of an adapter, a source or a hook.
const OF_NAMED: [&str; 3] = ["adapter", "source", "name"];

/// The lines of `text` without the series of organisations that `sees` nothing of, nor those of adapters, sources and hooks with `hidden`
/// names. A series that names neither is a sum over all, and stays.
pub(crate) fn seen(text: &str, sees: impl Fn(&str) -> bool, hidden: &BTreeSet<String>) -> String {
    let is_seen = |line: &&str| {
        line.starts_with('#')
            || labels(line).all(|(label, value)| match label {
                "org" => sees(value),
                _ => !(OF_NAMED.contains(&label) && hidden.contains(value)),
            })
    };
    text.lines().filter(is_seen).flat_map(|line| [line, "\n"]).collect()
}

/// The labels of a line of the text format: names and values. No value that is looked at holds a quote.
fn labels(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line.split_once('{').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (label, after) = rest.split_once("=\"")?;
        let end = end_of_value(after)?;
        rest = after[end + 1..].trim_start_matches(',');
        Some((label, &after[..end]))
    })
}

/// Where the quote stands that ends a value; one behind a backslash is a part of it.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_of_others_are_left_out_and_sums_over_all_stay() {
        let text = "# HELP closeout_closures_open Open closures.\n\
            closeout_closures_open{org=\"main\",state=\"ghost\"} 1\n\
            closeout_closures_open{org=\"other\",state=\"ghost\"} 2\n\
            closeout_time_to_confirm_seconds_bucket{adapter=\"x\",org=\"other\",le=\"+Inf\"} 2\n\
            closeout_adapter_silent{adapter=\"relay-of-other\"} 0\n\
            closeout_adapter_silent{adapter=\"relay\"} 0\n\
            closeout_dead_letters{source=\"orders-of-other\"} 3\n\
            closeout_hooks_received_total{name=\"relay-of-other\",result=\"taken\"} 3\n\
            closeout_odd{why=\"a \\\"b\\\", org=\",org=\"other\"} 1\n\
            closeout_quarantined 0\n";
        let hidden = ["relay-of-other", "orders-of-other"].map(str::to_owned).into();
        assert_eq!(
            seen(text, |org| org == "main", &hidden),
            "# HELP closeout_closures_open Open closures.\n\
            closeout_closures_open{org=\"main\",state=\"ghost\"} 1\n\
            closeout_adapter_silent{adapter=\"relay\"} 0\n\
            closeout_quarantined 0\n"
        );
        assert_eq!(seen(text, |_| true, &BTreeSet::new()), text);
    }
}
