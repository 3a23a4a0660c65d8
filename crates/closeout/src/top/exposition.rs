//! Reading what `/metrics` says: names, labels and values of the Prometheus text format, and nothing more of it.

use std::collections::BTreeMap;

/// The samples of one answer.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Samples {
    /// Reads an answer. A line that is no sample is passed over.
    pub(super) fn read(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// Those of these organisations, and those of none: metrics are told of all, whatever the key.
    pub(super) fn of(self, organisations: &[String]) -> Self {
        let seen = |sample: &Sample| sample.labels.get("org").is_none_or(|name| organisations.contains(name));
        Self(self.0.into_iter().filter(seen).collect())
    }

    /// The sum of a metric for each value of one of its labels, in the order of the values.
    pub(super) fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.0.iter().filter(|sample| sample.name == name) {
            if let Some(value) = sample.labels.get(label) {
                *sums.entry(value.clone()).or_insert(0.0) += sample.value;
            }
        }
        sums
    }

    /// The greatest value of a metric for each value of one of its labels.
    pub(super) fn greatest_by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut greatest: BTreeMap<String, f64> = BTreeMap::new();
        for sample in self.0.iter().filter(|sample| sample.name == name) {
            if let Some(value) = sample.labels.get(label) {
                let known = greatest.entry(value.clone()).or_insert(sample.value);
                *known = known.max(sample.value);
            }
        }
        greatest
    }

    /// The sum of all samples of a metric.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.0.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
        None => (series, BTreeMap::new()),
    };
    Some(Sample { name: name.to_owned(), labels, value })
}

/// `a="b",c="d"`, where `\"`, `\\` and `\n` are escaped.
fn labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_other_organisations_are_left_out() {
        let text = "a{org=\"main\"} 1\na{org=\"other\"} 2\na 4\n";
        assert_eq!(Samples::read(text).of(&["main".to_owned()]).sum("a"), 5.0);
    }

    #[test]
    fn samples_are_summed_by_a_label() {
        let samples = Samples::read(
            "# HELP a b\na{org=\"x\",state=\"ghost\"} 2\na{org=\"y\",state=\"ghost\"} 3\na{org=\"x\",state=\"blocked\"} 1\nb 7\n\
             broken\nb NaN\nc{l=\"q\\\"u, \\\\ o=\\\"\"} 1.5\n",
        );
        let by_state = samples.by("a", "state");
        assert_eq!(
            by_state.into_iter().collect::<Vec<_>>(),
            [("blocked".into(), 1.0), ("ghost".into(), 5.0)]
        );
        assert_eq!(samples.greatest_by("a", "org")["x"], 2.0);
        assert_eq!(samples.sum("b"), 7.0);
        assert_eq!(samples.by("c", "l").into_keys().collect::<Vec<_>>(), ["q\"u, \\ o=\""]);
        assert_eq!(samples.sum("none"), 0.0);
    }
}
