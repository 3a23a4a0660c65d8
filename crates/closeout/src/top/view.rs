//! What the person at the terminal is looking at, and what a key means there. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::snapshot::Snapshot;

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The row of the ghosts that is picked.
    pub row: usize,
    /// The ghost that it stands for, so that it stays picked when others come and go.
    pub picked: Option<String>,
    /// What lies over the list.
    pub over: Over,
    /// What was done last, or what is wrong.
    pub said: Option<String>,
    /// Why the last look failed; what is shown is older then.
    pub problem: Option<String>,
}

/// What lies over the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing.
    #[default]
    Nothing,
    /// The keys.
    Help,
    /// The explanation of a closure, from this line on.
    Explanation { id: String, text: String, from: u16 },
    /// The question whether to retry.
    Question { id: String },
}

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Draw again.
    Nothing,
    /// End.
    Quit,
    /// Look at once.
    Look,
    /// Fetch the explanation of a closure.
    Explain(String),
    /// Look at a closure again now: it changes something.
    Retry(String),
}

impl View {
    /// Keeps the picked ghost picked where it is still there, else the row.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let known =
            self.picked.as_ref().and_then(|id| snapshot.ghosts.iter().position(|ghost| ghost.id == *id));
        self.pick(known.unwrap_or(self.row), snapshot);
    }

    fn pick(&mut self, row: usize, snapshot: &Snapshot) {
        self.row = row.min(snapshot.ghosts.len().saturating_sub(1));
        self.picked = snapshot.ghosts.get(self.row).map(|ghost| ghost.id.clone());
    }

    /// What a key means here.
    pub(super) fn key(&mut self, key: KeyEvent, snapshot: &Snapshot) -> Wish {
        self.said = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Wish::Quit } else { Wish::Nothing };
        }
        match std::mem::take(&mut self.over) {
            Over::Nothing => self.in_list(key.code, snapshot),
            Over::Help => Wish::Nothing,
            Over::Explanation { id, text, from } => self.in_explanation(key.code, id, text, from),
            Over::Question { id } => self.in_question(key.code, id),
        }
    }

    fn in_list(&mut self, code: KeyCode, snapshot: &Snapshot) -> Wish {
        let last = snapshot.ghosts.len().saturating_sub(1);
        let row = if code == KeyCode::Up || code == KeyCode::Char('k') {
            self.row.saturating_sub(1)
        } else if code == KeyCode::Down || code == KeyCode::Char('j') {
            self.row + 1
        } else if code == KeyCode::Home || code == KeyCode::Char('g') {
            0
        } else if code == KeyCode::End || code == KeyCode::Char('G') {
            last
        } else {
            return self.command(code);
        };
        self.pick(row, snapshot);
        Wish::Nothing
    }

    fn command(&mut self, code: KeyCode) -> Wish {
        if code == KeyCode::Char('q') || code == KeyCode::Esc {
            return Wish::Quit;
        }
        if code == KeyCode::Char('?') || code == KeyCode::Char('h') {
            self.over = Over::Help;
        } else if code == KeyCode::Char(' ') {
            return Wish::Look;
        } else if code == KeyCode::Enter {
            return self.picked.clone().map_or(Wish::Nothing, Wish::Explain);
        } else if code == KeyCode::Char('r') {
            self.over = self.picked.clone().map_or(Over::Nothing, |id| Over::Question { id });
        }
        Wish::Nothing
    }

    fn in_explanation(&mut self, code: KeyCode, id: String, text: String, from: u16) -> Wish {
        if code == KeyCode::Char('r') {
            self.over = Over::Question { id };
            return Wish::Nothing;
        }
        let most = u16::try_from(text.lines().count()).unwrap_or(u16::MAX).saturating_sub(1);
        let from = if code == KeyCode::Up || code == KeyCode::Char('k') {
            from.saturating_sub(1)
        } else if code == KeyCode::Down || code == KeyCode::Char('j') {
            from.saturating_add(1).min(most)
        } else if code == KeyCode::PageUp {
            from.saturating_sub(10)
        } else if code == KeyCode::PageDown || code == KeyCode::Char(' ') {
            from.saturating_add(10).min(most)
        } else {
            // Any other key goes back to the list.
            return Wish::Nothing;
        };
        self.over = Over::Explanation { id, text, from };
        Wish::Nothing
    }

    fn in_question(&mut self, code: KeyCode, id: String) -> Wish {
        if code == KeyCode::Char('y') || code == KeyCode::Char('Y') {
            return Wish::Retry(id);
        }
        self.said = Some("Nothing was done.".to_owned());
        Wish::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::{super::snapshot::Ghost, *};

    fn ghosts(ids: &[&str]) -> Snapshot {
        let ghost = |id: &&str| Ghost { id: (*id).to_owned(), ..Ghost::default() };
        Snapshot { ghosts: ids.iter().map(ghost).collect(), ..Snapshot::default() }
    }

    fn press(view: &mut View, snapshot: &Snapshot, keys: &str) -> Wish {
        let mut wish = Wish::Nothing;
        for key in keys.chars() {
            let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
            wish = view.key(KeyEvent::new(code, KeyModifiers::NONE), snapshot);
        }
        wish
    }

    #[test]
    fn the_picked_ghost_stays_picked_when_others_come_and_go() {
        let mut view = View::default();
        view.follow(&ghosts(&["a", "b", "c"]));
        press(&mut view, &ghosts(&["a", "b", "c"]), "jjjjj");
        assert_eq!((view.row, view.picked.as_deref()), (2, Some("c")));
        view.follow(&ghosts(&["c", "d"]));
        assert_eq!((view.row, view.picked.as_deref()), (0, Some("c")));
        view.follow(&ghosts(&["d", "e"]));
        assert_eq!((view.row, view.picked.as_deref()), (0, Some("d")), "it was settled");
        view.follow(&ghosts(&[]));
        assert_eq!((view.row, view.picked.as_deref()), (0, None));
        assert_eq!(press(&mut view, &ghosts(&[]), "\n"), Wish::Nothing);
        assert_eq!(press(&mut view, &ghosts(&[]), "r"), Wish::Nothing);
        assert_eq!(view.over, Over::Nothing, "there is nothing to retry");
    }

    #[test]
    fn a_retry_needs_a_yes() {
        let there = ghosts(&["a", "b"]);
        let mut view = View::default();
        view.follow(&there);
        assert_eq!(press(&mut view, &there, "jr"), Wish::Nothing);
        assert_eq!(view.over, Over::Question { id: "b".to_owned() });
        for no in ["n", "q", "\n", "r"] {
            let mut asked = view.clone();
            assert_eq!(press(&mut asked, &there, no), Wish::Nothing, "{no:?}");
            assert_eq!(asked.said.as_deref(), Some("Nothing was done."));
        }
        assert_eq!(press(&mut view, &there, "y"), Wish::Retry("b".to_owned()));
        assert_eq!(view.over, Over::Nothing);
    }

    #[test]
    fn keys_go_back_before_they_quit() {
        let there = ghosts(&["a"]);
        let mut view = View::default();
        view.follow(&there);
        assert_eq!(press(&mut view, &there, "\n"), Wish::Explain("a".to_owned()));
        view.over = Over::Explanation { id: "a".to_owned(), text: "1\n2\n3".to_owned(), from: 0 };
        assert_eq!(press(&mut view, &there, "jjjj"), Wish::Nothing);
        assert!(matches!(view.over, Over::Explanation { from: 2, .. }));
        assert_eq!(press(&mut view, &there, "q"), Wish::Nothing);
        assert_eq!(view.over, Over::Nothing);
        assert_eq!(press(&mut view, &there, "?q"), Wish::Nothing);
        assert_eq!(press(&mut view, &there, "q"), Wish::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        view.over = Over::Question { id: "a".to_owned() };
        assert_eq!(view.key(interrupt, &there), Wish::Quit);
    }
}
