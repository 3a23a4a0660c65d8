//! What a list of closures is narrowed by: read from the address of the page, and kept in every link and form of it. What it does not know is
//! refused: a list that left a part of its filter out would show, and offer to act on, more than was asked for.

use crate::{
    form,
    pages::{asked, typed},
};

/// What is given once.
const ONE: [&str; 5] = ["q", "source", "since", "until", "sort"];

/// What can be several, with commas or repeated.
const SEVERAL: [&str; 4] = ["state", "reason", "queueId", "organisation"];

/// The field for a label that the address does not name yet, as NAME=VALUE.
const NEW_LABEL: &str = "label";

/// Before the name of a label.
const LABEL: &str = "label.";

/// What a batch can be narrowed by, and how it names that; labels keep their names.
const OF_BATCH: [(&str, &str); 6] = [
    ("state", "state"),
    ("reason", "closureReason"),
    ("queueId", "queueId"),
    ("source", "source"),
    ("since", "since"),
    ("until", "until"),
];

/// What a list is narrowed by, and where its page begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    given: Vec<(String, String)>,
    cursor: String,
    /// What stands in the field for a label and is none.
    pub(crate) typed_label: String,
    /// Why it cannot be used.
    pub(crate) wrong: Option<String>,
}

impl Filter {
    /// Reads the query of an address.
    pub(crate) fn read(query: &str) -> Self {
        let mut filter = Self::default();
        match form::fields(query.as_bytes()) {
            Ok(fields) => fields.iter().for_each(|(name, value)| filter.add(name, value.trim())),
            Err(wrong) => filter.wrong = Some(wrong.to_string()),
        }
        // Closures are found by their queue while they are ghosts, so whoever names one means ghosts.
        if filter.value("state").is_empty() && !filter.value("queueId").is_empty() {
            filter.given.push(("state".to_owned(), "ghost".to_owned()));
        }
        filter
    }

    fn add(&mut self, name: &str, value: &str) {
        if name == "cursor" {
            self.cursor = value.to_owned();
            return;
        }
        if name == NEW_LABEL {
            return self.add_label(value);
        }
        let may_be_several = SEVERAL.contains(&name);
        if !may_be_several && !ONE.contains(&name) && !name.starts_with(LABEL) {
            let known = [&ONE[..], &SEVERAL].concat();
            self.wrong.get_or_insert(asked::unknown(name, &known, ", and label.NAME"));
        } else if !value.is_empty() {
            let value = as_searched(name, value);
            match self.given.iter_mut().find(|(given, _)| given == name) {
                None => self.given.push((name.to_owned(), value)),
                Some((_, given)) if may_be_several => *given = format!("{given},{value}"),
                Some(_) => {
                    self.wrong.get_or_insert(asked::repeated(name));
                }
            }
        }
    }

    fn add_label(&mut self, given: &str) {
        match given.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                self.add(&format!("{LABEL}{name}"), value);
            }
            Some(_) | None if given.is_empty() => {}
            Some(_) | None => {
                given.clone_into(&mut self.typed_label);
                let wrong =
                    format!("A label is written NAME=VALUE, such as team=claims; it was \"{given}\".");
                self.wrong.get_or_insert(wrong);
            }
        }
    }

    /// A part of it; empty where it is not given.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.given.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// All of it.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The labels, with their names.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        self.given.iter().filter(|(name, _)| name.starts_with(LABEL)).cloned().collect()
    }

    /// Where the page begins; empty for the first.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Whether it names nothing but this.
    pub(crate) fn is_only(&self, name: &str) -> bool {
        self.given.iter().all(|(given, _)| given == name)
    }

    /// The same as a batch takes it; nothing where a batch cannot have all that match and no others.
    pub(crate) fn of_batch(&self) -> Option<Vec<(String, String)>> {
        let named = |(name, value): (&str, &str)| {
            let known = OF_BATCH.into_iter().find(|(given, _)| *given == name).map(|(_, field)| field);
            let field = known.or_else(|| name.starts_with(LABEL).then_some(name))?;
            Some((field.to_owned(), value.to_owned()))
        };
        let fields: Vec<_> = self.pairs().filter_map(named).collect();
        (self.wrong.is_none() && self.value("q").is_empty() && !fields.is_empty()).then_some(fields)
    }
}

/// What is typed, as the interface takes it.
fn as_searched(name: &str, value: &str) -> String {
    match name {
        "q" => id(typed::id(value)),
        "state" | "reason" => typed::names(value),
        "since" | "until" => typed::moment(value),
        _ => value.to_owned(),
    }
}

/// Ids of ours are written in small letters, whatever a mail has made of them.
fn id(value: &str) -> String {
    let small = value.to_ascii_lowercase();
    let is_ours = ["cl_", "bt_"].iter().any(|prefix| small.starts_with(prefix))
        || is_delivery(&small)
        || is_event(&small);
    if is_ours { small } else { value.to_owned() }
}

/// Whether this is the id of a delivery, and no key of a producer that begins like one.
pub(crate) fn is_delivery(id: &str) -> bool {
    id.strip_prefix("dv_")
        .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether this is the id of an event of a closure.
pub(crate) fn is_event(id: &str) -> bool {
    line_of_event(id).is_some()
}

/// The line of a timeline that an event of a closure tells of: one line can be told in several events, whose ids begin like its own.
pub(crate) fn line_of_event(id: &str) -> Option<&str> {
    let line = id.split_once('-').map_or(id, |(line, _)| line);
    let digits = line.strip_prefix("ev_")?;
    (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(line)
}

/// The batch that an event of a batch tells of.
pub(crate) fn batch_of_event(id: &str) -> Option<&str> {
    let (batch, _) = id.strip_prefix("ev_")?.rsplit_once('_')?;
    batch.starts_with("bt_").then_some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_address_is_kept() {
        let filter = Filter::read("label.team=a%20b&state=ghost&state=blocked&sort=acceptedAt&q=&cursor=c");
        let pairs: Vec<_> = filter.pairs().collect();
        assert_eq!(pairs, [("label.team", "a b"), ("state", "ghost,blocked"), ("sort", "acceptedAt")]);
        assert_eq!((filter.cursor(), &filter.wrong), ("c", &None));
        assert_eq!(filter.labels(), [("label.team".to_owned(), "a b".to_owned())]);
    }

    #[test]
    fn what_is_not_known_is_refused_and_nothing_is_offered_for_it() {
        for (query, part) in [
            ("state=ghost&lable.team=a", "\"lable.team\""),
            ("state=ghost&limit=9", "\"limit\""),
            ("state=ghost&since=1h&since=2h", "more than once"),
        ] {
            let filter = Filter::read(query);
            assert!(filter.wrong.as_ref().is_some_and(|wrong| wrong.contains(part)), "{query}: {filter:?}");
            assert_eq!((filter.of_batch(), filter.value("state")), (None, "ghost"), "{query}");
        }
    }

    #[test]
    fn a_label_of_the_form_is_one_of_the_address() {
        let filter = Filter::read("label=team%3Da%3Db&label.line=x&label=");
        assert_eq!(filter.pairs().collect::<Vec<_>>(), [("label.team", "a=b"), ("label.line", "x")]);
        for (query, part) in [
            ("label=team", "NAME=VALUE, such as team=claims; it was \"team\""),
            ("label=%3Da", "NAME=VALUE"),
            ("label=team%3Da&label.team=b", "\"label.team\" is given more than once."),
        ] {
            let filter = Filter::read(query);
            assert!(filter.wrong.as_ref().is_some_and(|wrong| wrong.contains(part)), "{query}: {filter:?}");
        }
        assert_eq!(Filter::read("label=team").typed_label, "team");
    }

    #[test]
    fn a_batch_is_narrowed_by_all_that_the_list_is() {
        let filter = Filter::read("label.team=a&reason=rejected&organisation=main&sort=acceptedAt");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(filter.of_batch(), Some(vec![pair("label.team", "a"), pair("closureReason", "rejected")]));
        assert_eq!(Filter::read("organisation=main").of_batch(), None, "not every closure that there is");
        assert_eq!(Filter::read("q=cl_1&state=ghost").of_batch(), None);
    }

    #[test]
    fn what_the_pages_show_can_be_typed() {
        let address = "https%3A%2F%2Fapps.example%2Finteractions%2F3fb0a3b5-5f5a-4c43-8a3b-0d2c3c1f9a10";
        let filter = Filter::read(&format!(
            "q={address}&reason=no+confirmation&since=2026-11-30+00%3A12%3A00+UTC&until=3+min+ago&source=a+b"
        ));
        let given: Vec<_> = filter.pairs().map(|(_, value)| value).collect();
        let taken =
            ["3fb0a3b5-5f5a-4c43-8a3b-0d2c3c1f9a10", "no_confirmation", "2026-11-30T00:12:00Z", "3m", "a b"];
        assert_eq!(given, taken);
    }

    #[test]
    fn whoever_names_a_queue_means_ghosts_and_ids_are_small() {
        assert_eq!(Filter::read("queueId=none").value("state"), "ghost");
        assert_eq!(Filter::read("q=CL_01JD").value("q"), "cl_01jd");
        assert!(
            Filter::read("q=CL_01JD").is_only("q") && !Filter::read("q=CL_01JD&state=ghost").is_only("q")
        );
        assert_eq!(Filter::read("q=EV_00000000000001F4-0").value("q"), "ev_00000000000001f4-0");
        assert_eq!(Filter::read("q=EV_Order").value("q"), "EV_Order", "a key of a producer");
        assert_eq!(batch_of_event("ev_bt_1_found"), Some("bt_1"));
        assert_eq!(line_of_event("ev_00000000000001f4-0"), Some("ev_00000000000001f4"));
        assert_eq!((line_of_event("ev_1f4"), line_of_event("ev_bt_1_found")), (None, None));
        assert_eq!((batch_of_event("ev_bt_1"), batch_of_event("ev_adapter_1")), (None, None));
        assert_eq!(Filter::read("source=CL_Q").value("source"), "CL_Q");
    }
}
