//! The permissions of Genesys Cloud that Closeout's OAuth client needs, and for what: the one place that says so.
//!
//! `closeout doctor` asks for them, `closeout init genesys` gives them, and the table of the README is checked against them.

use clap::ValueEnum;

/// Reading a conversation.
pub const VIEW: &str = "conversation:communication:view";

/// Closing a guest's leg, a conversation, and `force`.
pub const DISCONNECT: &str = "conversation:communication:disconnect";

/// Giving a wrap-up code.
pub const WRAP_UP: &str = "conversation:participant:wrapup";

/// Listing the wrap-up codes of a queue, without which a name means none.
pub const LIST_CODES: &str = "routing:queue:view";

/// Listing the organisation's wrap-up codes, where the agent's queue is not shown.
pub const LIST_ALL_CODES: &str = "routing:wrapupCode:view";

/// Queries of analytics: lookups by external id, scans, many reads at once.
pub const ANALYTICS: &str = "analytics:conversationDetail:view";

/// Searching conversations by an attribute of a participant.
pub const ATTRIBUTES: &str = "conversation:participant:attributesview";

/// Reading what guests are told of the end; `doctor` alone does.
pub const MESSENGER: &str = "webDeployments:deployment:view";

/// What every closure needs.
pub const CLOSING: [&str; 2] = [VIEW, DISCONNECT];

/// Each permission with what it is for, in the words and the order of the README.
#[cfg(test)]
const PURPOSES: [(&str, &str); 8] = [
    (VIEW, "reading the conversation"),
    (DISCONNECT, "closing the guest, the conversation, and `force`"),
    (
        ANALYTICS,
        "only for lookups (closing by external id), for scans, and for `closing.read_back = \"together\"`",
    ),
    (ATTRIBUTES, "only for lookups: closing by attribute"),
    (WRAP_UP, "only if you let Closeout set wrap-up codes"),
    (LIST_CODES, "only for wrap-up codes by name: the codes of the agent's queue"),
    (LIST_ALL_CODES, "the same, where Genesys does not show which queue the agent's leg is of"),
    (MESSENGER, "only for `closeout doctor`: whether guests are told of the end"),
];

/// What a service may do beyond closing sessions by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Act {
    /// Tear a conversation down (`closeout force`); needs no permission beyond those of closing
    Force,
    /// Close conversations by DELETE (closing.wrapper_close = "delete"); needs none beyond those of closing
    Delete,
    /// Skip wrap-ups (closing.wrap_up = "skip"); needs none beyond those of closing
    WrapUpSkip,
    /// Give a wrap-up code that is named by its id
    WrapUpId,
    /// Give a wrap-up code that is named by its name
    WrapUpName,
    /// Find conversations by the guest's external id
    ExternalId,
    /// Find conversations by an attribute of the guest
    Attribute,
    /// Look for stuck sessions that nobody asked to close (`closeout ghosts scan`, [[scan]])
    Scan,
    /// Read many conversations with one request (closing.read_back = "together")
    ReadTogether,
    /// Let `closeout doctor` see whether guests are told of the end
    CheckMessenger,
}

impl Act {
    /// The permissions without which it fails, beyond [`CLOSING`].
    pub const fn needs(self) -> &'static [&'static str] {
        match self {
            // DELETE and the tear-down ask for the permission to disconnect, and so does skipping a wrap-up, which is a
            // change of the participant.
            Self::Force | Self::Delete | Self::WrapUpSkip => &[],
            Self::WrapUpId => &[WRAP_UP],
            Self::WrapUpName => &[WRAP_UP, LIST_CODES],
            Self::ExternalId | Self::Scan | Self::ReadTogether => &[ANALYTICS],
            Self::Attribute => &[ATTRIBUTES],
            Self::CheckMessenger => &[MESSENGER],
        }
    }

    /// The permissions that it uses in some cases only, and does without in all others.
    pub const fn sometimes_needs(self) -> &'static [&'static str] {
        match self {
            Self::WrapUpName => &[LIST_ALL_CODES],
            Self::Force
            | Self::Delete
            | Self::WrapUpSkip
            | Self::WrapUpId
            | Self::ExternalId
            | Self::Attribute
            | Self::Scan
            | Self::ReadTogether
            | Self::CheckMessenger => &[],
        }
    }
}

/// All permissions of a role for closing and these acts, each once, in a fixed order.
pub fn of_role(acts: &[Act]) -> Vec<&'static str> {
    let of_acts = acts.iter().flat_map(|act| act.needs().iter().chain(act.sometimes_needs()));
    let mut all: Vec<&'static str> = Vec::new();
    for permission in CLOSING.iter().chain(of_acts) {
        if !all.contains(permission) {
            all.push(permission);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_readme_lists_what_the_code_knows() {
        let readme =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
        let rows: Vec<&str> = readme
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "| permission | for |")
            .skip(2)
            .collect();
        let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
        let expected: Vec<String> =
            PURPOSES.iter().map(|(name, purpose)| format!("| `{name}` | {purpose} |")).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn every_permission_of_the_table_belongs_to_an_act_and_the_other_way_round() {
        let of_acts: BTreeSet<&str> = of_role(Act::value_variants()).into_iter().collect();
        let of_table: BTreeSet<&str> = PURPOSES.iter().map(|(name, _)| *name).collect();
        assert_eq!(of_acts, of_table);
        assert!(of_table.iter().all(|name| name.split(':').count() == 3), "domain:entity:action");
    }

    #[test]
    fn the_page_about_the_setup_has_a_row_for_every_act() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/setup-genesys.md"))
                .unwrap();
        for act in Act::value_variants() {
            let name = format!("`{}`", act.to_possible_value().unwrap().get_name());
            let row = page.lines().find(|line| line.split(" | ").next().unwrap().contains(&name));
            let row = row.unwrap_or_else(|| panic!("{name} has no row"));
            // What the row above says already is "the same".
            let told = |permission: &&str| row.contains(*permission) || row.contains("the same");
            assert!(act.needs().iter().all(told), "{row}");
            assert!(act.sometimes_needs().iter().all(|permission| row.contains(permission)), "{row}");
        }
    }

    #[test]
    fn a_role_holds_no_more_than_its_acts_need() {
        assert_eq!(of_role(&[]), CLOSING);
        assert_eq!(of_role(&[Act::Force, Act::Delete, Act::WrapUpSkip]), CLOSING);
        assert_eq!(of_role(&[Act::Scan, Act::ExternalId]), [VIEW, DISCONNECT, ANALYTICS]);
        assert_eq!(of_role(&[Act::WrapUpName]), [VIEW, DISCONNECT, WRAP_UP, LIST_CODES, LIST_ALL_CODES]);
    }
}
