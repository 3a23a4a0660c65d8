//! Whether the configured name of a wrap-up code means one.

use genesys_client::FaultKind;

use super::super::{
    findings::Organisation,
    report::{Check, Fault},
};

/// Judges the name; nothing where none is configured, or there is no token.
pub(super) fn judge(organisation: &Organisation) -> Option<Check> {
    let (name, found) = organisation.wrap_up.as_ref()?;
    let check = match found {
        Ok(code) => Check::ok(
            "wrap-up",
            format!(
                "The organisation has this code ({}). Each queue has a list of its own, which is looked through when the \
                 code is given.",
                code.id
            ),
        ),
        Err(refused) => match refused.kind {
            FaultKind::Rejected => Check::wrong(
                "wrap-up",
                Fault::Machine,
                format!("This name means no code: {}.", refused.message.trim_end_matches('.')),
                "write the name as Genesys has it into wrap_up under [closing], or the code's id: wrap_up = { id = \"…\" }; \
                 codes are made in Admin > Contact Center > Wrap-up Codes",
            ),
            FaultKind::NotSent
            | FaultKind::OutcomeUnknown
            | FaultKind::RateLimited { .. }
            | FaultKind::Unauthenticated
            | FaultKind::Forbidden { .. }
            | FaultKind::NotFound
            | FaultKind::Conflict
            | FaultKind::WrapUpRequired
            | FaultKind::Server => Check::not_checked(
                "wrap-up",
                format!("The organisation's codes could not be listed: {refused}."),
                "see that the client's role holds routing > wrapupCode > view, or take the code's id, which needs no list",
            ),
        },
    };
    Some(check.about(format!("\"{name}\"")))
}
