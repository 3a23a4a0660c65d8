//! What the address of a list asks for. What a list does not know is refused, in the same words on every page: one that left a part of its
//! filter out would show more than was asked for.

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::{form, frame::Visitor, pages::typed, refusal::Refusal};

/// Where a later page begins. It is no part of what a list is narrowed by.
const CURSOR: &str = "cursor";

/// What is a moment on every page.
const MOMENTS: [&str; 2] = ["since", "until"];

/// What a list can be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// What is given once.
    pub(crate) one: &'static [&'static str],
    /// What can be several, with commas or repeated.
    pub(crate) several: &'static [&'static str],
    /// Whether it has more than one page.
    pub(crate) has_pages: bool,
}

/// What was asked for of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    given: Vec<(String, String)>,
    cursor: String,
    /// Why it cannot be used.
    pub(crate) wrong: Option<String>,
}

impl Asked {
    /// Reads the query of the address that somebody looks at.
    pub(crate) fn of(visitor: &Visitor, known: Known) -> Self {
        Self::read(visitor.uri.query().unwrap_or_default(), known)
    }

    fn read(query: &str, known: Known) -> Self {
        let mut asked = Self::default();
        match form::fields(query.as_bytes()) {
            Ok(fields) => fields.iter().for_each(|(name, value)| asked.add(name, value.trim(), known)),
            Err(wrong) => asked.wrong = Some(wrong.to_string()),
        }
        asked
    }

    fn add(&mut self, name: &str, value: &str, known: Known) {
        let may_be_several = known.several.contains(&name);
        if known.has_pages && name == CURSOR {
            value.clone_into(&mut self.cursor);
        } else if !may_be_several && !known.one.contains(&name) {
            self.wrong.get_or_insert(unknown(name, &[known.one, known.several].concat(), ""));
        } else if !value.is_empty() {
            let value = if MOMENTS.contains(&name) { typed::moment(value) } else { value.to_owned() };
            match self.given.iter_mut().find(|(given, _)| given == name) {
                None => self.given.push((name.to_owned(), value)),
                Some((_, given)) if may_be_several => *given = format!("{given},{value}"),
                Some(_) => {
                    self.wrong.get_or_insert(repeated(name));
                }
            }
        }
    }

    /// A part of it; empty where it is not given.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.given.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// All that the list is narrowed by.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the page begins; empty for the first.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// Refuses whatever is asked for on a page that shows one thing.
pub(crate) fn nothing(visitor: &Visitor) -> Option<Response> {
    let given = form::fields(visitor.uri.query().unwrap_or_default().as_bytes());
    let wrong = match given {
        Ok(given) => {
            let (name, _) = given.first()?;
            format!("There is nothing called \"{name}\" to narrow this page by: it shows one thing.")
        }
        Err(wrong) => wrong.to_string(),
    };
    Some(visitor.stumble(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, &wrong)))
}

/// Refuses a name that a list does not know; `more` are those that cannot be counted up.
pub(crate) fn unknown(name: &str, known: &[&str], more: &str) -> String {
    let known = known.join(", ");
    let (are, and) = if known.contains(',') || !more.is_empty() { ("are", more) } else { ("is", "") };
    format!("There is nothing called \"{name}\" to narrow the list by. There {are} {known}{and}.")
}

/// Refuses what is given more than once and cannot be several.
pub(crate) fn repeated(name: &str) -> String {
    format!("\"{name}\" is given more than once.")
}

/// What a list has, and why it cannot be shown where the address is wrong: by its names, or by what the interface says of their values.
pub(crate) async fn look(
    visitor: &Visitor,
    path: &str,
    wrong: Option<&str>,
) -> Result<(Value, Option<String>), Response> {
    if let Some(wrong) = wrong {
        return Ok((Value::Null, Some(wrong.to_owned())));
    }
    match visitor.ask(path).await {
        Ok(found) => Ok((found, None)),
        Err(Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, detail, .. }) => {
            Ok((Value::Null, Some(detail)))
        }
        Err(refusal) => Err(visitor.stumble(refusal)),
    }
}

/// A choice of a form: its name, its words, and whether it is chosen.
pub(crate) type Choice = (String, String, bool);

/// What can be chosen; several that an address names are one more choice, as is what is not known, so that they stay with the next press.
pub(crate) fn choices(given: &str, all: &[&str]) -> Vec<Choice> {
    let other = Some(given).filter(|given| !given.is_empty() && !all.contains(given));
    let all = other.into_iter().chain(all.iter().copied());
    all.map(|name| (name.to_owned(), name.replace('_', " ").replace(',', ", "), name == given)).collect()
}

/// The status of a page whose address is wrong, or is not.
pub(crate) fn status(wrong: Option<&String>) -> StatusCode {
    if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { one: &["since"], several: &["action"], has_pages: true };

    #[test]
    fn what_is_known_is_kept_and_several_are_one_list() {
        let asked = Asked::read("action=a&since=+1+h+ago&action=b&cursor=c&since=", KNOWN);
        assert_eq!(asked.pairs().collect::<Vec<_>>(), [("action", "a,b"), ("since", "1h")]);
        assert_eq!((asked.cursor(), asked.value("since"), &asked.wrong), ("c", "1h", &None));
        let chosen: Vec<_> =
            choices("a,b", &["a"]).into_iter().map(|(name, _, is_chosen)| (name, is_chosen)).collect();
        assert_eq!(chosen, [("a,b".to_owned(), true), ("a".to_owned(), false)]);
    }

    #[test]
    fn what_is_not_known_or_repeated_is_refused_in_words() {
        for (query, said) in [
            (
                "actoin=a",
                "There is nothing called \"actoin\" to narrow the list by. There are since, action.",
            ),
            ("since=1h&since=2h", "\"since\" is given more than once."),
        ] {
            assert_eq!(Asked::read(query, KNOWN).wrong.as_deref(), Some(said), "{query}");
        }
        let one = Known { one: &["letters"], several: &[], has_pages: false };
        let said = "There is nothing called \"cursor\" to narrow the list by. There is letters.";
        assert_eq!(Asked::read("cursor=c", one).wrong.as_deref(), Some(said));
        assert!(unknown("x", &["q"], ", and label.NAME").ends_with("There are q, and label.NAME."));
    }
}
