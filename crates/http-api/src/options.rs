//! The names of the options of a command's `policy`.

use closure_machine::{AgentConnected, Evidence, GuestReturns, Order, WrapperClose};

/// An option's values by name. The names are those of the configuration (`[closing]`).
pub(crate) type Names<T> = &'static [(&'static str, T)];

/// What counts as proof.
pub(crate) const EVIDENCE: Names<Evidence> =
    &[("webhook_or_read_back", Evidence::WebhookOrReadBack), ("webhook_only", Evidence::WebhookOnly)];

/// Who is closed first.
pub(crate) const ORDER: Names<Order> =
    &[("guest_first", Order::GuestFirst), ("conversation_first", Order::ConversationFirst)];

/// What a connected agent means.
pub(crate) const AGENT_CONNECTED: Names<AgentConnected> =
    &[("refuse", AgentConnected::Refuse), ("wait", AgentConnected::Wait), ("allow", AgentConnected::Allow)];

/// How the wrapper is closed.
pub(crate) const WRAPPER_CLOSE: Names<WrapperClose> =
    &[("patch", WrapperClose::Patch), ("delete", WrapperClose::Delete)];

/// What a guest who comes back after the end means.
pub(crate) const GUEST_RETURNS: Names<GuestReturns> =
    &[("never", GuestReturns::Never), ("once", GuestReturns::Once), ("up_to_3", GuestReturns::UpToThree)];

/// The value of a name.
pub(crate) fn value<T: Copy>(names: Names<T>, name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The name of a value.
pub(crate) fn name<T: PartialEq>(names: Names<T>, value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

/// `a, b or c.`
pub(crate) fn one_of<T>(names: Names<T>) -> String {
    let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}.", rest.join(", ")),
        Some((last, _)) => format!("{last}."),
        None => String::new(),
    }
}
