//! The second step of a forced end: what it does to whom, before it is done.

use askama::Template;
use axum::extract::Path;

use crate::{
    frame::{self, Frame, Page, Visitor},
    pages::{
        advice::{Advice, LONGEST_REASON},
        asked,
    },
    parts::{State, segment, text},
    prose::Prose,
};

#[derive(Debug, Template)]
#[template(path = "force.html")]
struct Force {
    frame: Frame,
    id: String,
    conversation: String,
    organisation: String,
    version: String,
    state: State,
    headline: String,
    /// What it does, as long as it can be done.
    what: Option<Prose>,
    longest_reason: u32,
}

/// `GET /console/closures/{id}/force`
pub(crate) async fn page(Path(id): Path<String>, visitor: Visitor) -> Page {
    if let Some(refused) = asked::nothing(&visitor) {
        return Err(refused);
    }
    let path = format!("/v1/closures/{}", segment(&id));
    let closure = visitor.get(&path).await?;
    let explain_path = format!("{path}/explain");
    let explanation = visitor.get(&explain_path).await?;
    let conversation = text(&closure["conversationId"]);
    let frame = visitor.frame("closures", &format!("Force · {conversation}"), &path).await;
    let offered = Advice::all(&explanation).into_iter().find(|one| one.is_of_act("force"));
    let shown = Force {
        frame: frame.watching(&path, &closure).showing([&explain_path]),
        version: text(&closure["version"]),
        state: State::of(&closure["state"]),
        organisation: text(&closure["organisation"]),
        headline: text(&explanation["headline"]),
        what: offered.map(|one| one.what),
        longest_reason: LONGEST_REASON,
        conversation,
        id,
    };
    Ok(frame::show(&shown))
}
