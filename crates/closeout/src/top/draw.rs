//! The picture: from a snapshot and what is looked at into a buffer of cells. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _, Wrap},
};

use super::{
    snapshot::{Adapter, Snapshot},
    view::{Over, View},
};
use crate::output::length;

/// From this width on there are panels side by side; below, lines.
const WIDE: u16 = 72;

/// From this width on the ids of closures have a column.
const VERY_WIDE: u16 = 116;

const KEYS: &str = "q quit   ? help   j/k pick   Enter explain   r retry";

const KEYS_OVER: &str = "j/k scroll   r retry   any other key goes back";

const HELP: &str = "j k or arrows   pick a ghost; g first, G last
Enter           why it is held and what can be done
                (j k scroll, any other key goes back)
r               look at it again now (retry); it asks before
space           look at the service now
? h             this
q Esc Ctrl-C    end; the service goes on

Oldest first, 100 ghosts at most. Rates are those of the last minute.
Everything is asked of the service; it costs no call to Genesys.
Nothing but r changes anything.";

/// Everything that a picture shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    pub snapshot: &'a Snapshot,
    /// Endings and calls a minute.
    pub rates: Option<(f64, f64)>,
    pub view: &'a View,
    pub every: Duration,
    pub colour: bool,
    pub now: Timestamp,
}

/// Draws it.
pub(super) fn draw(picture: &Picture<'_>, area: Rect, buffer: &mut Buffer) {
    let [head, middle, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    Line::from(picture.head())
        .style(picture.style(Color::Reset).add_modifier(Modifier::BOLD))
        .render(head, buffer);
    let held = picture.held();
    let rows = rows_of(&held, middle.width).min(middle.height / 3);
    let [above, middle] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(middle);
    Paragraph::new(held.join("\n"))
        .wrap(Wrap { trim: true })
        .style(picture.style(Color::Red).add_modifier(Modifier::BOLD))
        .render(above, buffer);
    if area.width >= WIDE {
        picture.panels(middle, buffer);
    } else {
        picture.lines(middle, buffer);
    }
    picture.foot().render(foot, buffer);
    match &picture.view.over {
        Over::Nothing | Over::Question { .. } => {}
        Over::Help => over(" Keys ", HELP, 0, middle, buffer),
        Over::Explanation { text, from, .. } => over(" Explanation ", text, *from, middle, buffer),
    }
}

/// How many rows the lines take where words are not parted.
fn rows_of(lines: &[String], width: u16) -> u16 {
    let width = usize::from(width.max(1));
    let rows = |line: &String| {
        let (mut rows, mut used) = (1, 0);
        for word in line.split(' ').map(|word| word.chars().count()) {
            let needed = if used == 0 { word } else { used + 1 + word };
            if needed <= width {
                used = needed;
            } else {
                rows += if used == 0 { word / width } else { 1 + word / width };
                used = word % width;
            }
        }
        rows
    };
    u16::try_from(lines.iter().map(rows).sum::<usize>()).unwrap_or(u16::MAX)
}

/// A page over everything in the middle.
fn over(title: &str, text: &str, from: u16, area: Rect, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    let page = Paragraph::new(text).wrap(Wrap { trim: false }).scroll((from, 0));
    page.block(Block::bordered().title(title)).render(area, buffer);
}

/// Lines with the same facts, for narrow terminals and for those who read no terminal.
pub(super) fn summary(snapshot: &Snapshot, rates: Option<(f64, f64)>, now: Timestamp) -> Vec<String> {
    let list = |pairs: &[(String, u64)]| {
        let texts: Vec<_> = pairs.iter().map(|(name, count)| format!("{name} {count}")).collect();
        if texts.is_empty() { String::new() } else { format!(": {}", texts.join(", ")) }
    };
    let or_none = |texts: Vec<String>| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
    let oldest = oldest(snapshot).map(|text| format!("; oldest {text}")).unwrap_or_default();
    let quota = snapshot.quota.iter().map(|one| format!("{} {}", one.organisation, left(one.left)));
    let sources =
        snapshot.sources.iter().map(|one| format!("{} {}{}", one.name, one.state, waiting(one.waiting)));
    let adapters = snapshot.adapters.iter().map(|one| format!("{} {}", one.name, heard(one, now)));
    let mut lines = vec![
        format!("Open {}{}{oldest}", snapshot.open_total(), list(&snapshot.open)),
        format!("Ghosts {}{}", snapshot.ghost_total(), list(&snapshot.reasons)),
        format!("Ended {}{}", a_minute(rates.map(|(endings, _)| endings)), list(&snapshot.ended)),
        format!("Calls {}; quota: {}", a_minute(rates.map(|(_, calls)| calls)), or_none(quota.collect())),
        format!("Adapters: {}", or_none(adapters.collect())),
        format!("Sources: {}", or_none(sources.collect())),
    ];
    if snapshot.quarantined > 0 {
        lines.push(format!("{} records cannot be read; see the log", snapshot.quarantined));
    }
    lines
}

fn oldest(snapshot: &Snapshot) -> Option<String> {
    let (state, age) = snapshot.oldest.as_ref()?;
    Some(format!("{state} {}", length(SignedDuration::from_secs(i64::try_from(*age).ok()?))))
}

fn left(left: Option<u64>) -> String {
    left.map_or_else(|| "not told yet".to_owned(), |left| format!("{left} left"))
}

fn waiting(waiting: Option<u64>) -> String {
    waiting.map(|waiting| format!(", {waiting} waiting")).unwrap_or_default()
}

/// When an adapter was last heard, and how late its events are.
fn heard(adapter: &Adapter, now: Timestamp) -> String {
    let last = adapter.last_event.map(|at| format!("{} ago", length(now.duration_since(at))));
    let last = last.unwrap_or_else(|| "nothing heard".to_owned());
    let lag = adapter.lag_ms.and_then(|lag| i64::try_from(lag).ok()).map(SignedDuration::from_millis);
    let lag = lag.map(|lag| format!(", lag {}", length(lag))).unwrap_or_default();
    let silent = if adapter.silent { "SILENT, " } else { "" };
    format!("{silent}{last}{lag}")
}

/// A rate; a dash before there is one.
fn a_minute(rate: Option<f64>) -> String {
    match rate {
        None => "-/min".to_owned(),
        Some(rate) if rate < 10.0 => format!("{rate:.1}/min"),
        Some(rate) => format!("{rate:.0}/min"),
    }
}

impl Picture<'_> {
    fn style(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn head(&self) -> String {
        let time = self.snapshot.at.strftime("%H:%M:%S");
        let every = length(SignedDuration::try_from(self.every).unwrap_or_default());
        format!("closeout top   {}   {time}Z   every {every}", self.snapshot.server)
    }

    fn held(&self) -> Vec<String> {
        self.snapshot.held.iter().map(|hold| hold.words(self.now)).collect()
    }

    fn foot(&self) -> Line<'_> {
        let bad = self.style(Color::Red).add_modifier(Modifier::BOLD);
        if let Over::Question { id } = &self.view.over {
            return Line::from(format!("Look at {id} again now? y/n")).style(bad);
        }
        if let Some(problem) = &self.view.problem {
            return Line::from(format!("Not current: {problem}")).style(bad);
        }
        if let Some(said) = &self.view.said {
            return Line::from(said.as_str()).style(self.style(Color::Cyan));
        }
        let keys = match self.view.over {
            Over::Explanation { .. } => KEYS_OVER,
            Over::Help => "any key goes back",
            Over::Nothing | Over::Question { .. } => KEYS,
        };
        Line::from(keys).style(self.style(Color::DarkGray))
    }

    fn panels(&self, area: Rect, buffer: &mut Buffer) {
        let snapshot = self.snapshot;
        let states = self.counts(&snapshot.open);
        let reasons = self.counts(&snapshot.reasons);
        let flow = self.flow();
        let rows = |count: usize, most: u16| u16::try_from(count).unwrap_or(most).clamp(1, most) + 2;
        let first = rows(states.len().max(reasons.len()).max(flow.len()), 7);
        let second = rows(snapshot.adapters.len().max(snapshot.sources.len()), 3);
        let [first, second, ghosts] =
            Layout::vertical([Constraint::Length(first), Constraint::Length(second), Constraint::Min(0)])
                .areas(area);
        // The longest names of states and reasons have 21 letters.
        let columns = [Constraint::Length(28), Constraint::Length(28), Constraint::Min(0)];
        let [open, reason, rate] = Layout::horizontal(columns).areas(first);
        panel(format!(" Open {} ", snapshot.open_total()), states, open, buffer);
        panel(format!(" Ghosts {} ", snapshot.ghost_total()), reasons, reason, buffer);
        panel(" Flow ".to_owned(), flow, rate, buffer);
        let [adapters, sources] = Layout::horizontal([Constraint::Ratio(1, 2); 2]).areas(second);
        panel(" Adapters ".to_owned(), self.adapters(), adapters, buffer);
        panel(" Sources ".to_owned(), self.sources(), sources, buffer);
        self.ghosts(ghosts, buffer);
    }

    fn lines(&self, area: Rect, buffer: &mut Buffer) {
        let lines = summary(self.snapshot, self.rates, self.now);
        let text = Paragraph::new(lines.join("\n")).wrap(Wrap { trim: false });
        let width = usize::from(area.width.max(1));
        let rows = lines.iter().map(|line| line.chars().count().div_ceil(width).max(1)).sum::<usize>();
        let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height / 2);
        let [above, ghosts] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(area);
        text.render(above, buffer);
        self.ghosts(ghosts, buffer);
    }

    fn counts<'b>(&self, counts: &'b [(String, u64)]) -> Vec<Line<'b>> {
        let line = |(name, count): &'b (String, u64)| {
            let held = matches!(name.as_str(), "ghost" | "blocked");
            let style = if held { self.style(Color::Yellow) } else { Style::new() };
            Line::from(vec![Span::raw(format!("{count:>4} ")), Span::styled(name.as_str(), style)])
        };
        counts.iter().map(line).collect()
    }

    fn flow(&self) -> Vec<Line<'static>> {
        let (endings, calls) =
            self.rates.map_or((None, None), |(endings, calls)| (Some(endings), Some(calls)));
        let mut lines = vec![
            Line::from(format!("ended  {}", a_minute(endings))),
            Line::from(format!("calls  {}", a_minute(calls))),
        ];
        for one in &self.snapshot.quota {
            let style = if one.left == Some(0) { self.style(Color::Red) } else { Style::new() };
            lines.push(Line::from(format!("quota  {} {}", one.organisation, left(one.left))).style(style));
        }
        if let Some(oldest) = oldest(self.snapshot) {
            lines.push(Line::from(format!("oldest {oldest}")));
        }
        if self.snapshot.quarantined > 0 {
            let text = format!("unreadable records {}", self.snapshot.quarantined);
            lines.push(Line::from(text).style(self.style(Color::Red)));
        }
        lines
    }

    fn adapters(&self) -> Vec<Line<'static>> {
        let line = |adapter: &Adapter| {
            let style = if adapter.silent { self.style(Color::Red) } else { Style::new() };
            Line::from(format!("{}  {}", adapter.name, heard(adapter, self.now))).style(style)
        };
        self.snapshot.adapters.iter().map(line).collect()
    }

    fn sources(&self) -> Vec<Line<'static>> {
        let sources = self.snapshot.sources.iter();
        let lines: Vec<_> = sources
            .map(|one| Line::from(format!("{}  {}{}", one.name, one.state, waiting(one.waiting))))
            .collect();
        if lines.is_empty() { vec![Line::from("HTTP alone")] } else { lines }
    }

    fn ghosts(&self, area: Rect, buffer: &mut Buffer) {
        let block = Block::bordered().title(" What is stuck, oldest first ");
        if self.snapshot.ghosts.is_empty() {
            Paragraph::new("Nothing.").block(block).render(area, buffer);
            return;
        }
        let ago =
            |at: Option<Timestamp>| at.map(|at| length(self.now.duration_since(at))).unwrap_or_default();
        let until = |at: Option<Timestamp>| {
            at.map(|at| length(at.duration_since(self.now).max(SignedDuration::ZERO)))
        };
        let narrow = area.width < WIDE;
        let ids = area.width >= VERY_WIDE;
        let cells = |reason: String, since: String, next: String, conversation: &str, id: &str| {
            let mut cells = vec![reason, since];
            if !narrow {
                cells.push(next);
            }
            cells.push(conversation.to_owned());
            if ids {
                cells.push(id.to_owned());
            }
            Row::new(cells)
        };
        let rows = self.snapshot.ghosts.iter().map(|ghost| {
            let next = until(ghost.next_look).unwrap_or_default();
            cells(ghost.reason.clone(), ago(ghost.since), next, &ghost.conversation, &ghost.id)
        });
        let mut widths = vec![Constraint::Length(21), Constraint::Length(6)];
        if !narrow {
            widths.push(Constraint::Length(6));
        }
        widths.push(Constraint::Min(8));
        if ids {
            widths.push(Constraint::Length(29));
        }
        let head =
            cells("REASON".to_owned(), "SINCE".to_owned(), "LOOK".to_owned(), "CONVERSATION", "CLOSURE");
        let table = Table::new(rows, widths)
            .header(head.style(Style::new().add_modifier(Modifier::BOLD)))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
            .highlight_symbol("> ")
            .block(block);
        let mut state = TableState::default().with_selected(self.view.row);
        StatefulWidget::render(table, area, buffer, &mut state);
    }
}

fn panel(title: String, lines: Vec<Line<'_>>, area: Rect, buffer: &mut Buffer) {
    Paragraph::new(lines).block(Block::bordered().title(title)).render(area, buffer);
}
