//! Times, lengths of time and names as people say them.

use genesys_types::Time;

use crate::spans::Stamp;

/// A moment, and how far it is from now.
pub(crate) fn moment(at: Time, now: Time) -> String {
    let stamp = Stamp(at);
    if at.millis() > now.millis() {
        format!("{stamp} (in {})", length(at.millis() - now.millis()))
    } else {
        format!("{stamp} ({} ago)", length(now.millis() - at.millis()))
    }
}

/// A length of time in its largest unit that tells enough.
pub(crate) fn length(millis: i64) -> String {
    let units = [(86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| millis >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", millis / unit),
        None if millis >= 1_000 => "1 s".to_owned(),
        None => format!("{millis} ms"),
    }
}

/// What a call does.
pub(crate) fn request(name: &str) -> &'static str {
    match name {
        "look_up" => "the lookup",
        "close_participant" => "the guest's close",
        "close_wrapper" => "the conversation's close",
        "give_wrap_up" => "the wrap-up",
        "disconnect" => "the forced teardown",
        _ => "the read",
    }
}

/// A state's or a reason's name without its underscores.
pub(crate) fn plain(name: &str) -> String {
    name.replace('_', " ")
}

/// `a`, or `an`.
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
