//! What the interface advises about a closure, and how it is pressed here: an act of the closure, a request that is made elsewhere, a page to
//! look at, or plain words where somebody has to do it outside.

use serde_json::Value;

use crate::{
    parts::{address_of, segment, some, text},
    prose::Prose,
};

/// The longest reason of an act, which is kept in a timeline; the interface takes twice as much.
pub(crate) const LONGEST_REASON: u32 = 500;

/// The longest reason of a new closure: as long as the interface takes.
const LONGEST_REASON_OF_NEW: u32 = 200;

/// Something that can be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) what: Prose,
    pub(crate) command: Option<String>,
    /// How it is pressed, where it can be.
    pub(crate) form: Option<Form>,
    /// Where it can be looked at, and what the link says.
    pub(crate) link: Option<(String, &'static str)>,
    /// Whether it claims or changes something that no look can take back.
    pub(crate) is_grave: bool,
}

/// How something is pressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// What tells it from the other forms of its page.
    pub(crate) id: String,
    /// What the form says is to be done.
    pub(crate) act: String,
    /// The request that it makes, as it is advised; empty for an act of the closure.
    pub(crate) request: String,
    pub(crate) button: String,
    /// Whether a page of its own says first what it does.
    pub(crate) is_asked_twice: bool,
    /// Whether it needs a reason.
    pub(crate) needs_reason: bool,
    pub(crate) longest_reason: u32,
}

/// How a page that is not the closure's own leads to what can be pressed there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) words: &'static str,
}

/// The same with a capital letter, as what begins a line.
pub(crate) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// What an act does, in a few words; empty for a request that says it by its name.
pub(crate) fn in_short(act: &str) -> &'static str {
    match act {
        "retry" => "begin again",
        "verify" => "read now",
        "cancel" => "call off",
        "resolve" => "settle by your word",
        "force" => "tear down",
        _ => "",
    }
}

/// A request that is advised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A new closure of this command.
    Close(Value),
    /// The calls of an organisation go on.
    Resume(Value),
}

impl Advice {
    /// All of an explanation, the best first.
    pub(crate) fn all(explanation: &Value) -> Vec<Self> {
        let all = explanation["next"].as_array().into_iter().flatten().enumerate();
        all.map(|(number, one)| Self::of(one, number)).collect()
    }

    /// Where it is pressed on the page of the closure, its name, and what it does in a few words; nothing where it is done elsewhere.
    pub(crate) fn way(&self, closure: &str) -> Option<Way> {
        let form = self.form.as_ref()?;
        Some(Way {
            address: address_of(closure, Some(&format!("act-{}", form.id))),
            name: capital(&form.button),
            words: in_short(&form.act),
        })
    }

    /// Whether it is this act of the closure.
    pub(crate) fn is_of_act(&self, act: &str) -> bool {
        self.form.as_ref().is_some_and(|form| form.act == act && form.request.is_empty())
    }

    fn of(one: &Value, number: usize) -> Self {
        let act = some(&one["act"]);
        let http = some(&one["http"]).unwrap_or_default();
        Self {
            what: Prose::of(&text(&one["what"])),
            command: some(&one["command"]),
            link: if act.is_none() { page(&http) } else { None },
            is_grave: matches!(act.as_deref(), Some("force" | "resolve" | "cancel")),
            form: match act {
                Some(act) => Some(Form::of_act(act)),
                None => Request::read(&http).map(|request| Form::of_request(&request, http, number)),
            },
        }
    }
}

impl Form {
    fn of_act(act: String) -> Self {
        Self {
            id: act.clone(),
            request: String::new(),
            button: act.clone(),
            is_asked_twice: act == "force",
            needs_reason: matches!(act.as_str(), "force" | "resolve"),
            longest_reason: LONGEST_REASON,
            act,
        }
    }

    fn of_request(request: &Request, http: String, number: usize) -> Self {
        let (button, longest_reason) = match request {
            Request::Close(command) => (close_button(command), LONGEST_REASON_OF_NEW),
            Request::Resume(_) => ("let calls go on".to_owned(), LONGEST_REASON),
        };
        Self {
            id: format!("advised-{number}"),
            act: "advised".to_owned(),
            request: http,
            button,
            is_asked_twice: false,
            needs_reason: false,
            longest_reason,
        }
    }
}

fn close_button(command: &Value) -> String {
    let options = command["policy"].as_object().into_iter().flatten();
    let options: Vec<_> = options.map(|(name, value)| format!("{name}={}", text(value))).collect();
    match options.is_empty() {
        true => "close anew".to_owned(),
        false => format!("close anew with {}", options.join(" ")),
    }
}

impl Request {
    /// The request that is written like this, such as `POST /v1/closures {"conversationId":"…"}`; nothing where no page makes it.
    fn read(http: &str) -> Option<Self> {
        let (path, body) = http.strip_prefix("POST ")?.split_once(' ')?;
        let body: Value = serde_json::from_str(body).ok().filter(Value::is_object)?;
        match path {
            "/v1/closures" => Some(Self::Close(body)),
            "/v1/outgoing/resume" => Some(Self::Resume(body)),
            _ => None,
        }
    }

    /// The request, if it is among those that are advised now. What a form says is not taken for advice.
    pub(crate) fn advised(explanation: &Value, http: &str) -> Option<Self> {
        let all = explanation["next"].as_array().into_iter().flatten();
        let is_advised = all.filter(|one| one["act"].is_null()).any(|one| one["http"] == http);
        is_advised.then(|| Self::read(http))?
    }

    /// Path and body, for an organisation where the advice leaves that open, with what the operator gave as the reason.
    pub(crate) fn with(self, organisation: &str, reason: &str) -> (&'static str, Value) {
        let (path, mut body) = match self {
            Self::Close(body) => ("/v1/closures", body),
            Self::Resume(body) => ("/v1/outgoing/resume", body),
        };
        if body["organisation"].is_null() {
            body["organisation"] = organisation.into();
        }
        if !reason.is_empty() {
            body["reason"] = reason.into();
        }
        (path, body)
    }
}

/// The page that shows what a look would, and what a link to it says.
fn page(http: &str) -> Option<(String, &'static str)> {
    let path = http.strip_prefix("GET ")?;
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    match path.strip_prefix("/v1/closures/") {
        Some(id) => Some((format!("/console/closures/{}", segment(id)), "Open it")),
        None if path == "/readyz" => Some(("/console/settings".to_owned(), "See how it stands")),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explanation(next: &Value) -> Value {
        json!({ "next": [next] })
    }

    #[test]
    fn what_is_done_elsewhere_is_plain_words_without_a_button() {
        let next = json!({ "act": null, "what": "Ask the agent to leave.", "command": null, "http": null });
        let [advice] = &Advice::all(&explanation(&next))[..] else { panic!() };
        assert_eq!((&advice.command, &advice.form, &advice.link), (&None, &None, &None));
        assert_eq!(advice.way("cl_1"), None);
    }

    #[test]
    fn an_act_of_the_closure_is_pressed_by_its_name() {
        let next =
            json!({ "act": "force", "what": "Tear it down.", "command": "closeout force cl_1", "http": "…" });
        let [advice] = &Advice::all(&explanation(&next))[..] else { panic!() };
        let form = advice.form.as_ref().unwrap();
        assert_eq!((form.id.as_str(), form.act.as_str(), form.needs_reason), ("force", "force", true));
        assert!(advice.is_grave && form.is_asked_twice && form.request.is_empty());
        assert!(advice.is_of_act("force") && !advice.is_of_act("cancel"));
        let way = advice.way("cl_1").unwrap();
        let told = (way.address.as_str(), way.name.as_str(), way.words);
        assert_eq!(told, ("/console/closures/cl_1#act-force", "Force", "tear down"));
    }

    #[test]
    fn a_request_that_is_advised_is_pressed_and_a_look_is_a_link() {
        let resume = "POST /v1/outgoing/resume {\"organisation\":\"main\"}";
        let close = "POST /v1/closures {\"conversationId\":\"c1\",\"policy\":{\"agentConnected\":\"wait\"}}";
        for (http, button, link) in [
            (resume, Some("let calls go on"), None),
            (close, Some("close anew with agentConnected=wait"), None),
            ("GET /v1/closures/cl_2?wait=30s", None, Some("/console/closures/cl_2")),
            ("GET /readyz?verbose", None, Some("/console/settings")),
            ("DELETE /v1/closures {}", None, None),
            ("POST /v1/closures/cl_1/force {}", None, None),
        ] {
            let next = json!({ "act": null, "what": "w", "command": "c", "http": http });
            let [advice] = &Advice::all(&explanation(&next))[..] else { panic!() };
            let form = advice.form.as_ref();
            assert_eq!(form.map(|form| form.button.as_str()), button, "{http}");
            assert_eq!(advice.link.as_ref().map(|(address, _)| address.as_str()), link, "{http}");
        }
    }

    #[test]
    fn only_what_is_advised_now_is_requested_and_of_the_closures_organisation() {
        let http = "POST /v1/closures {\"conversationId\":\"c1\"}";
        let advised = explanation(&json!({ "act": null, "http": http }));
        let request = Request::advised(&advised, http).unwrap();
        let body = json!({ "conversationId": "c1", "organisation": "main", "reason": "again" });
        assert_eq!(request.with("main", "again"), ("/v1/closures", body));
        let other = "POST /v1/closures {\"conversationId\":\"c2\"}";
        assert_eq!(Request::advised(&advised, other), None);
        assert_eq!(Request::advised(&explanation(&json!({ "act": "retry", "http": http })), http), None);
    }
}
