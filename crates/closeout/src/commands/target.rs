//! What a command is about: a closure by its id, or a conversation, which stands for its latest closure.

use orchestrator::parse_closure_id;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    client::Api,
    exit::{Exit, Failure},
};

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A closure.
    Closure(String),
    /// A conversation.
    Conversation(Uuid),
}

/// Reads an id.
///
/// # Errors
///
/// Says what ids look like.
pub fn parse(text: &str) -> Result<Target, Failure> {
    if parse_closure_id(text).is_ok() {
        return Ok(Target::Closure(text.to_owned()));
    }
    conversation(text).map(Target::Conversation).map_err(|_| {
        Failure::usage(format!(
            "{text:?} is neither the id of a closure (cl_…) nor of a conversation (2f7bf00a-0fc2-4d6a-9b56-92238191433e)"
        ))
    })
}

/// Reads the id of a conversation, in the hyphenated form only.
///
/// # Errors
///
/// Says what ids look like.
pub fn conversation(text: &str) -> Result<Uuid, Failure> {
    let id = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
    id.ok_or_else(|| {
        Failure::usage(format!(
            "{text:?} is not the id of a conversation; one looks like 2f7bf00a-0fc2-4d6a-9b56-92238191433e"
        ))
    })
}

/// The id of the closure that a text stands for. A conversation stands for its latest closure.
///
/// # Errors
///
/// When there is none, or the server does not answer.
pub async fn closure_id(api: &Api, text: &str) -> Result<String, Failure> {
    let none = "a closure is made with `closeout close`; `closeout list` shows those that there are";
    latest_closure(api, text, none).await
}

/// As [`closure_id`], for an act on a closure that is there: where there is none, nothing is advised that would close.
///
/// # Errors
///
/// As [`closure_id`].
pub async fn closure_to_act_on(api: &Api, text: &str) -> Result<String, Failure> {
    let none = "there is nothing to act on; look whether the id is right, `closeout list` shows what there is; an act is one on a \
         closure, which `closeout close` makes";
    latest_closure(api, text, none).await
}

async fn latest_closure(api: &Api, text: &str, none: &str) -> Result<String, Failure> {
    match parse(text)? {
        Target::Closure(id) => Ok(id),
        Target::Conversation(conversation) => {
            let answer = api.get(&format!("/v1/conversations/{conversation}/closures"), &[]).await?;
            latest(&answer.body).ok_or_else(|| {
                Failure::new(Exit::NotFound, format!("the conversation {conversation} has no closure here"))
                    .fix(none)
            })
        }
    }
}

/// The id of the latest of some closures. Ids sort by the time of acceptance.
fn latest(body: &Value) -> Option<String> {
    let items = body.get("items")?.as_array()?;
    items.iter().filter_map(|item| item.get("id")?.as_str()).max().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_told_apart_by_their_look() {
        let conversation = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";
        assert_eq!(parse(conversation).unwrap(), Target::Conversation(conversation.parse().unwrap()));
        let closure = orchestrator::closure_id(Uuid::now_v7());
        assert_eq!(parse(&closure).unwrap(), Target::Closure(closure));
        for text in [
            "",
            "cl_",
            "cl_../../x",
            "2f7bf00a0fc24d6a9b5692238191433e",
            "-",
            "{2f7bf00a-0fc2-4d6a-9b56-92238191433e}",
        ] {
            assert_eq!(parse(text).unwrap_err().exit, Exit::Usage, "{text}");
        }
    }

    #[test]
    fn a_conversation_stands_for_its_latest_closure() {
        let older = orchestrator::closure_id(Uuid::from_u128(1 << 90));
        let newer = orchestrator::closure_id(Uuid::from_u128(2 << 90));
        let body = json!({ "items": [{ "id": older }, { "id": newer }] });
        assert_eq!(latest(&body), Some(newer));
        assert_eq!(latest(&json!({ "items": [] })), None);
    }
}
