//! A list of wrap-up codes, and what a name means in it.

use std::fmt::Write as _;

use genesys_types::{QueueId, WrapUpCodeId};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Fault, FaultKind,
    fault::bounded_message,
    json::{Object, Text, parse},
};

/// The rows of one page: the most that the service gives.
pub(super) const PAGE_SIZE: usize = 100;

/// A message about a name has room for so many characters of codes, beside what is wrong; a fault's message has 300.
const ROOM_FOR_CODES: usize = 170;

/// The longest name that is shown, in characters.
const LONGEST_SHOWN: usize = 40;

/// A wrap-up code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapUpCode {
    /// Its id, by which it is given.
    pub id: WrapUpCodeId,
    /// Its name, as the list has it.
    pub name: Box<str>,
}

/// The codes of a queue, or of the organisation, as they were listed at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrapUpCodes {
    queue: Option<QueueId>,
    codes: Vec<WrapUpCode>,
    /// Whether there are more than were asked for.
    cut: bool,
    pub(super) at: Instant,
}

/// `WrapupCodeEntityListing`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    entities: Option<Vec<Object<Row>>>,
    page_count: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    id: Text,
    name: Text,
}

impl WrapUpCodes {
    /// An empty list.
    pub(super) fn of(queue: Option<QueueId>) -> Self {
        Self { queue, codes: Vec::new(), cut: false, at: Instant::now() }
    }

    /// Adds a page, and says whether it was the last one.
    ///
    /// # Errors
    /// A body that is no list, in words. A row without id or name is passed over: nothing can be given by it.
    pub(super) fn add(&mut self, body: &[u8], number: usize) -> Result<bool, &'static str> {
        let page = parse::<Object<Page>>(body).map(|Object(page)| page).unwrap_or_default();
        let rows = page.entities.ok_or("the body is no list of wrap-up codes")?;
        let is_last = match page.page_count.as_u64() {
            Some(pages) => rows.is_empty() || number as u64 >= pages,
            None => rows.len() < PAGE_SIZE,
        };
        for Object(row) in rows {
            let id = row.id.0.as_deref().and_then(|id| id.parse().ok());
            if let (Some(id), Some(name)) = (id, row.name.0)
                && !self.codes.iter().any(|known| known.id == id)
            {
                self.codes.push(WrapUpCode { id, name });
            }
        }
        Ok(is_last)
    }

    /// Notes that there are more codes than were asked for.
    pub(super) fn is_cut(&mut self) {
        self.cut = true;
    }

    /// The one code of this name: letter by letter, else without regard to case.
    ///
    /// # Errors
    /// [`FaultKind::Rejected`] where there is none, or several; the message lists them.
    pub(super) fn named(&self, name: &str) -> Result<&WrapUpCode, Fault> {
        let exactly: Vec<_> = self.codes.iter().filter(|code| &*code.name == name).collect();
        let folded = name.to_lowercase();
        let nearly = || self.codes.iter().filter(|code| code.name.to_lowercase() == folded).collect();
        let fitting: Vec<_> = if exactly.is_empty() { nearly() } else { exactly };
        match fitting.as_slice() {
            [code] => Ok(code),
            [] => Err(self.none_is_named(name)),
            several => {
                let ids = several.iter().map(|code| format!("{} ({})", shown(&code.name), code.id));
                let why = format!(
                    "{} has {} wrap-up codes named {}; give the id of one: {}",
                    self.whose(),
                    several.len(),
                    shown(name),
                    enumerated(ids)
                );
                Err(Fault::local(FaultKind::Rejected, why))
            }
        }
    }

    fn none_is_named(&self, name: &str) -> Fault {
        let whose = self.whose();
        let mut why = format!("{whose} has no wrap-up code named {}", shown(name));
        let _ = match (self.codes.is_empty(), self.cut) {
            (true, _) => write!(why, ", and none at all"),
            (false, false) => write!(why, "; it has {}", self.all()),
            (false, true) => write!(why, " among its first {}: {}", self.codes.len(), self.all()),
        };
        Fault::local(FaultKind::Rejected, why)
    }

    /// A refusal of a code of this list, in words that say which codes there are.
    pub(super) fn refused(&self, code: &WrapUpCode, mut refusal: Fault) -> Fault {
        let said: String = refusal.message.chars().take(60).collect();
        refusal.message = bounded_message(&format!(
            "the code {} ({}) is refused, \"{said}\"; {} has {}",
            shown(&code.name),
            code.id,
            self.whose(),
            self.all()
        ));
        refusal
    }

    fn whose(&self) -> String {
        self.queue.map_or_else(|| "the organisation".to_owned(), |queue| format!("the queue {queue}"))
    }

    fn all(&self) -> String {
        enumerated(self.codes.iter().map(|code| shown(&code.name)))
    }
}

fn shown(name: &str) -> String {
    let mut letters = name.chars();
    let start: String = letters.by_ref().take(LONGEST_SHOWN).collect();
    let more = if letters.next().is_some() { "…" } else { "" };
    format!("\"{start}{more}\"")
}

/// As many as there is room for, and how many more there are.
fn enumerated(items: impl Iterator<Item = String>) -> String {
    let (mut text, mut left) = (String::new(), 0_usize);
    for item in items {
        let has_room = left == 0 && text.chars().count() + item.chars().count() <= ROOM_FOR_CODES;
        if has_room {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{item}");
        } else {
            left += 1;
        }
    }
    if left > 0 {
        let _ = write!(text, " and {left} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn list(names: &[&str]) -> WrapUpCodes {
        let mut list = WrapUpCodes::of(None);
        let rows: Vec<Value> = names.iter().enumerate().map(|(at, name)| row(at, name)).collect();
        assert_eq!(list.add(json!({ "entities": rows, "pageCount": 1 }).to_string().as_bytes(), 1), Ok(true));
        list
    }

    fn row(number: usize, name: &str) -> Value {
        json!({ "id": Uuid::from_u128(number as u128 + 1), "name": name })
    }

    fn number(list: &WrapUpCodes, name: &str) -> Option<u128> {
        list.named(name).ok().map(|code| code.id.uuid().as_u128())
    }

    #[test]
    fn a_name_is_compared_letter_by_letter_and_then_without_case_if_only_one_fits() {
        let list = list(&["Done", "done", "Sold", "Straße", "twice", "twice"]);
        assert_eq!((number(&list, "Done"), number(&list, "done")), (Some(1), Some(2)));
        assert_eq!((number(&list, "SOLD"), number(&list, "straße")), (Some(3), Some(4)));
        for refused in ["DONE", "twice", "Twice", "Sol", " Sold", ""] {
            assert_eq!(number(&list, refused), None, "{refused:?}");
        }
        let several = list.named("DONE").unwrap_err();
        assert_eq!(several.kind, FaultKind::Rejected);
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let said = format!(
            "the organisation has 2 wrap-up codes named \"DONE\"; give the id of one: \"Done\" ({first}), \"done\" ({second})"
        );
        assert_eq!(&*several.message, said);
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is_there_within_bounds() {
        let unknown = list(&["Sold", "Lost"]).named("Won").unwrap_err();
        assert_eq!(
            &*unknown.message,
            "the organisation has no wrap-up code named \"Won\"; it has \"Sold\", \"Lost\""
        );
        let long = "x".repeat(500);
        let many: Vec<&str> = vec![&long; 100];
        let unknown = list(&many).named(&"y".repeat(500)).unwrap_err();
        assert!(unknown.message.ends_with(" more"), "{}", unknown.message);
        assert!(unknown.message.chars().count() < 300);
        assert!(list(&[]).named("Won").unwrap_err().message.ends_with("and none at all"));
    }

    #[test]
    fn a_page_that_is_full_is_not_the_last_one_unless_it_says_so() {
        let rows: Vec<Value> = (0..PAGE_SIZE).map(|at| row(at, "x")).collect();
        let mut list = WrapUpCodes::of(None);
        let page = |pages: Value| json!({ "entities": rows, "pageCount": pages }).to_string();
        assert_eq!(list.add(page(Value::Null).as_bytes(), 1), Ok(false));
        assert_eq!(list.add(page(json!(3)).as_bytes(), 2), Ok(false));
        assert_eq!(list.add(page(json!(3)).as_bytes(), 3), Ok(true));
        assert_eq!(list.add(br#"{"entities": []}"#, 4), Ok(true));
        assert_eq!(list.codes.len(), PAGE_SIZE);
    }

    #[test]
    fn hostile_pages_are_no_lists_and_rows_that_cannot_be_given_are_passed_over() {
        let mut list = WrapUpCodes::of(None);
        for body in ["", "{}", "[]", r#"{"entities": null}"#, r#"{"entities": {}}"#, r#"{"entities": [7]}"#] {
            assert!(list.add(body.as_bytes(), 1).is_err(), "{body}");
        }
        let odd = r#"{"entities": [{"id": 7, "name": "a"}, {"id": "../x", "name": "b"}, {"name": "c"}], "pageCount": "x"}"#;
        assert_eq!(list.add(odd.as_bytes(), 1), Ok(true));
        assert!(list.codes.is_empty());
    }
}
