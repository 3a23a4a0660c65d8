//! The live view of the run: a progress bar on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Shows how far the run is.
pub struct Follower {
    bar: ProgressBar,
    sessions: usize,
    plain: bool,
    last_plain: usize,
    still: Option<(Instant, usize)>,
}

/// The number of closures that have ended or are held as ghosts.
pub fn settled(closures: &[Value]) -> usize {
    closures.iter().filter(|closure| is_settled(closure)).count()
}

/// Whether none is under way.
pub fn all_settled(closures: &[Value]) -> bool {
    closures.iter().all(is_settled)
}

fn is_settled(closure: &Value) -> bool {
    matches!(
        closure["state"].as_str(),
        Some("closed" | "already_closed" | "failed" | "cancelled" | "resolved" | "ghost")
    )
}

impl Follower {
    /// Begins to show `sessions` sessions.
    pub fn new(sessions: usize, terminal: bool) -> Self {
        let length = u64::try_from(sessions).unwrap_or(u64::MAX);
        let bar = if terminal { ProgressBar::new(length) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("  {bar:20.cyan/dim} {pos:>3}/{len} settled · {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.set_message("the service is starting");
        Self { bar, sessions, plain: !terminal, last_plain: 0, still: None }
    }

    /// Shows the present state.
    pub fn show(&mut self, closures: &[Value], accepted: usize, after_crash: bool) {
        let count = |state: &str| closures.iter().filter(|closure| closure["state"] == state).count();
        let settled = settled(closures);
        if closures.is_empty() {
            return;
        }
        let under_way = closures.len() - settled;
        let coming = match self.sessions - accepted.min(self.sessions) {
            0 => String::new(),
            coming => format!("{coming} to be asked for · "),
        };
        let waiting = match count("awaiting_confirmation") {
            0 => String::new(),
            waiting => format!(", {waiting} of them awaiting proof"),
        };
        let message = format!("{coming}{under_way} under way{waiting}");
        self.bar.set_position(u64::try_from(settled).unwrap_or_default());
        self.bar.set_message(message.clone());
        if self.plain && settled >= self.last_plain + 40 {
            self.last_plain = settled;
            let note = if after_crash { " (after the crash)" } else { "" };
            eprintln!("  {settled:>3} of {} settled · {message}{note}", self.sessions);
        }
    }

    /// Says something beside the progress.
    pub fn say(&self, text: &str) {
        if self.plain {
            eprintln!("  {text}");
        } else {
            self.bar.println(format!("  {text}"));
        }
    }

    /// Whether the picture has stood still for so long.
    pub fn quiet_for(&mut self, span: Duration, closures: &[Value]) -> bool {
        let picture = closures.iter().filter(|closure| closure["state"] == "ghost").count();
        match self.still {
            Some((since, known)) if known == picture => since.elapsed() >= span,
            Some(_) | None => {
                self.still = Some((Instant::now(), picture));
                false
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
