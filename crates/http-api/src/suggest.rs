//! The known name that a wrong one was probably meant to be.

/// How alike two names must be to be offered, from 0 to 1 (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// The known name nearest to `unknown`, if one is near.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(unknown);
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &plain(name)), *name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

/// What can be done about an unknown name: the nearest known one, else all of them.
pub(crate) fn advice(unknown: &str, known: &[&str]) -> String {
    match nearest(unknown, known) {
        Some(name) => format!("Did you mean \"{name}\"?"),
        None if known.is_empty() => "None is known here.".to_owned(),
        None => format!("Known are {}.", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["conversationId", "participantId", "notBefore"];
        for (slip, meant) in [
            ("conversation_id", "conversationId"),
            ("conversationID", "conversationId"),
            ("particpantId", "participantId"),
            ("not-before", "notBefore"),
        ] {
            assert_eq!(nearest(slip, &known), Some(meant));
        }
        assert_eq!(nearest("colour", &known), None);
    }
}
