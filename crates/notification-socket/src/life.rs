//! The life of an adapter's connections as one pure function: what happened, and when, in; what to do out.
//!
//! ```text
//!  opening ──► listening ──► (closing told, a day almost over, token revoked) ──► opening beside it ──► listening
//!     ▲  ▲         │                                                               the old one drains
//!     │  └─ wait ◄─┴─ ended, silent, no longer subscribed: nobody listens
//!     └──────┘
//! ```

use genesys_types::{Span, Time};

/// A connection, by its number. Numbers grow.
pub type LinkId = u64;

/// How patient a life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After which silence a ping is sent. Genesys sends a heartbeat every 30 s (API.md §5a); default 45 s.
    pub ping_after: Span,
    /// How long the answer to a ping may take. Default 10 s.
    pub pong_within: Span,
    /// After which silence a connection counts as dead, whatever else. Default 75 s.
    pub silence: Span,
    /// How long before its end a channel is replaced. Default 10 min.
    pub renew_before: Span,
    /// How long an old connection is still heard beside its successor. Default 5 s.
    pub drain: Span,
    /// The first wait after a failure; it doubles. Default 500 ms.
    pub backoff: Span,
    /// The longest wait. Default 30 s.
    pub backoff_most: Span,
    /// How long a connection has to last so that its end is not taken for a failure. Default 60 s.
    pub lasting: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping_after: Span::from_secs(45),
            pong_within: Span::from_secs(10),
            silence: Span::from_secs(75),
            renew_before: Span::from_secs(600),
            drain: Span::from_secs(5),
            backoff: Span::from_millis(500),
            backoff_most: Span::from_secs(30),
            lasting: Span::from_secs(60),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A connection stands and is subscribed; its channel ends then.
    Opened(LinkId, Time),
    /// A connection did not come about.
    NotOpened(LinkId),
    /// Something was heard, whatever it was.
    Heard(LinkId),
    /// The remote side tells that the socket closes, or that the token is no longer good.
    Closing(LinkId),
    /// The remote side sends nothing more on this channel.
    Unsubscribed(LinkId),
    /// The connection is over.
    Ended(LinkId),
    /// Time has passed.
    Passed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Open a connection: channel, socket, subscriptions.
    Open(LinkId),
    /// Send a ping.
    Ping(LinkId),
    /// End a connection.
    Close(LinkId),
    /// Events may have been lost until now: what waited is to be read back.
    LookBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    link: LinkId,
    since: Time,
    heard_at: Time,
    pinged_at: Option<Time>,
    renew_at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    None,
    Opening(LinkId),
    Waiting(Time),
}

/// The connections of one adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    limits: Limits,
    line: Option<Line>,
    draining: Option<(LinkId, Time)>,
    attempt: Attempt,
    opened: LinkId,
    failures: u32,
    dice: u64,
}

impl Life {
    /// Begins a life, deaf; `seed` spreads the waits of many.
    pub fn begin(limits: Limits, seed: u64) -> (Self, Vec<Act>) {
        let mut life = Self {
            limits,
            line: None,
            draining: None,
            attempt: Attempt::None,
            opened: 0,
            failures: 0,
            dice: seed | 1,
        };
        let mut acts = Vec::new();
        life.open(&mut acts);
        (life, acts)
    }

    /// Takes what happened at `now`, and says what is to be done.
    pub fn step(&mut self, input: Input, now: Time) -> Vec<Act> {
        let mut acts = Vec::new();
        match input {
            Input::Opened(link, expires) => self.opened(link, expires, now, &mut acts),
            Input::NotOpened(link) => self.not_opened(link, now),
            Input::Heard(link) => self.heard(link, now),
            Input::Closing(link) => self.replace(link, &mut acts),
            Input::Unsubscribed(link) => {
                if self.is_line(link) {
                    acts.push(Act::Close(link));
                    self.lost(now, &mut acts);
                }
            }
            Input::Ended(link) => self.ended(link, now, &mut acts),
            Input::Passed => {}
        }
        self.passed(now, &mut acts);
        acts
    }

    /// Whether anybody listens.
    pub fn listens(&self) -> bool {
        self.line.is_some()
    }

    /// When it wants to be told that time has passed.
    pub fn wake_at(&self) -> Option<Time> {
        let line = self.line.map(|line| {
            let quiet = match line.pinged_at {
                Some(at) => (at + self.limits.pong_within).min(line.heard_at + self.limits.silence),
                None => line.heard_at + self.limits.ping_after,
            };
            if self.attempt == Attempt::None { quiet.min(line.renew_at) } else { quiet }
        });
        let drained = self.draining.map(|(_, until)| until);
        let waiting = match self.attempt {
            Attempt::Waiting(until) => Some(until),
            Attempt::None | Attempt::Opening(_) => None,
        };
        line.into_iter().chain(drained).chain(waiting).min()
    }

    fn is_line(&self, link: LinkId) -> bool {
        self.line.is_some_and(|line| line.link == link)
    }

    fn open(&mut self, acts: &mut Vec<Act>) {
        self.opened += 1;
        self.attempt = Attempt::Opening(self.opened);
        acts.push(Act::Open(self.opened));
    }

    fn opened(&mut self, link: LinkId, expires: Time, now: Time, acts: &mut Vec<Act>) {
        if self.attempt != Attempt::Opening(link) {
            acts.push(Act::Close(link));
            return;
        }
        self.attempt = Attempt::None;
        match self.line {
            // Both listened for a moment: nothing was lost.
            Some(old) => {
                acts.extend(self.draining.map(|(link, _)| Act::Close(link)));
                self.draining = Some((old.link, now + self.limits.drain));
            }
            None => acts.push(Act::LookBack),
        }
        // A life too short to be renewed before its end is renewed in its middle.
        let left = expires.since(now);
        let early = self.limits.renew_before.min(Span::from_millis(left.millis() / 2));
        self.line =
            Some(Line { link, since: now, heard_at: now, pinged_at: None, renew_at: expires - early });
    }

    fn not_opened(&mut self, link: LinkId, now: Time) {
        if self.attempt == Attempt::Opening(link) {
            self.failures = self.failures.saturating_add(1);
            self.wait(now);
        }
    }

    fn heard(&mut self, link: LinkId, now: Time) {
        if let Some(line) = self.line.as_mut().filter(|line| line.link == link) {
            line.heard_at = now;
            line.pinged_at = None;
            if now.since(line.since) >= self.limits.lasting {
                self.failures = 0;
            }
        }
    }

    /// Opens a connection beside the one that is to end.
    fn replace(&mut self, link: LinkId, acts: &mut Vec<Act>) {
        if self.is_line(link) && self.attempt == Attempt::None {
            self.open(acts);
        }
    }

    fn ended(&mut self, link: LinkId, now: Time, acts: &mut Vec<Act>) {
        if self.draining.is_some_and(|(draining, _)| draining == link) {
            self.draining = None;
        }
        if self.attempt == Attempt::Opening(link) {
            self.not_opened(link, now);
        } else if self.is_line(link) {
            self.lost(now, acts);
        }
    }

    /// Nobody listens any more. The first time a connection is opened at once; one that keeps breaking has to wait.
    fn lost(&mut self, now: Time, acts: &mut Vec<Act>) {
        let lasted = self.line.take().is_some_and(|line| now.since(line.since) >= self.limits.lasting);
        self.failures = if lasted { 0 } else { self.failures.saturating_add(1) };
        match self.attempt {
            Attempt::Opening(_) => {}
            Attempt::None | Attempt::Waiting(_) if self.failures <= 1 => self.open(acts),
            Attempt::None | Attempt::Waiting(_) => self.wait(now),
        }
    }

    fn wait(&mut self, now: Time) {
        let doublings = self.failures.saturating_sub(1).min(10);
        let longest = self.limits.backoff.times(1 << doublings).min(self.limits.backoff_most);
        // Between half and all of it (xorshift, Marsaglia 2003).
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let half = longest.millis() / 2;
        let more = u32::try_from(self.dice % (u64::from(half) + 1)).unwrap_or(0);
        self.attempt = Attempt::Waiting(now + Span::from_millis(half + more));
    }

    fn passed(&mut self, now: Time, acts: &mut Vec<Act>) {
        if let Some((link, until)) = self.draining
            && now >= until
        {
            self.draining = None;
            acts.push(Act::Close(link));
        }
        if let Some(line) = self.line {
            let unanswered = line.pinged_at.is_some_and(|at| now >= at + self.limits.pong_within);
            if unanswered || now.since(line.heard_at) >= self.limits.silence {
                acts.push(Act::Close(line.link));
                self.lost(now, acts);
            } else if line.pinged_at.is_none() && now.since(line.heard_at) >= self.limits.ping_after {
                self.line = Some(Line { pinged_at: Some(now), ..line });
                acts.push(Act::Ping(line.link));
            }
        }
        match (self.attempt, self.line) {
            (Attempt::Waiting(until), _) if now >= until => self.open(acts),
            (Attempt::None, Some(line)) if now >= line.renew_at => self.open(acts),
            (Attempt::None, None) => self.open(acts),
            (Attempt::None | Attempt::Opening(_) | Attempt::Waiting(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DAY: Span = Span::from_secs(86_400);

    fn at(seconds: u32) -> Time {
        Time::from_millis(1_795_255_200_000) + Span::from_secs(seconds)
    }

    fn begun() -> Life {
        let (mut life, acts) = Life::begin(Limits::default(), 7);
        assert_eq!(acts, [Act::Open(1)]);
        assert_eq!(life.step(Input::Opened(1, at(0) + DAY), at(0)), [Act::LookBack]);
        life
    }

    #[test]
    fn the_start_is_a_gap_too() {
        assert!(begun().listens());
    }

    #[test]
    fn a_cut_is_answered_at_once_and_ends_with_a_look_back() {
        let mut life = begun();
        assert_eq!(life.step(Input::Ended(1), at(100)), [Act::Open(2)]);
        assert!(!life.listens());
        assert_eq!(life.step(Input::Opened(2, at(100) + DAY), at(101)), [Act::LookBack]);
    }

    #[test]
    fn one_that_keeps_breaking_waits_longer_and_longer_but_not_for_ever() {
        let mut life = begun();
        let mut now = at(0);
        let mut waits = Vec::new();
        life.step(Input::Ended(1), now);
        for link in 2..14 {
            assert_eq!(life.step(Input::NotOpened(link), now), []);
            let until = life.wake_at().unwrap();
            waits.push(until.since(now).millis());
            assert_eq!(life.step(Input::Passed, until - Span::from_millis(1)), []);
            assert_eq!(life.step(Input::Passed, until), [Act::Open(link + 1)]);
            now = until;
        }
        assert!(
            waits[0] <= 1_000 && waits[11] >= 15_000 && waits.iter().all(|wait| *wait <= 30_000),
            "{waits:?}"
        );
    }

    #[test]
    fn a_closing_that_is_told_leaves_no_gap() {
        let mut life = begun();
        assert_eq!(life.step(Input::Closing(1), at(10)), [Act::Open(2)]);
        assert_eq!(life.step(Input::Closing(1), at(11)), [], "it is told once");
        assert_eq!(life.step(Input::Opened(2, at(12) + DAY), at(12)), [], "nothing was lost");
        assert!(life.listens());
        assert_eq!(life.step(Input::Unsubscribed(1), at(13)), [], "the new one has taken over");
        assert_eq!(life.step(Input::Passed, at(17)), [Act::Close(1)]);
        assert_eq!(life.step(Input::Ended(1), at(18)), []);
    }

    #[test]
    fn a_closing_that_comes_true_before_the_new_one_stands_is_a_gap() {
        let mut life = begun();
        life.step(Input::Closing(1), at(10));
        assert_eq!(life.step(Input::Ended(1), at(11)), []);
        assert_eq!(life.step(Input::Opened(2, at(12) + DAY), at(12)), [Act::LookBack]);
    }

    #[test]
    fn a_day_is_renewed_before_its_end() {
        let mut life = begun();
        let due = at(86_400 - 600);
        life.step(Input::Heard(1), due - Span::from_secs(1));
        assert_eq!(life.wake_at(), Some(due));
        assert_eq!(life.step(Input::Passed, due), [Act::Open(2)]);
    }

    #[test]
    fn silence_is_pinged_and_then_cut() {
        let mut life = begun();
        assert_eq!(life.step(Input::Passed, at(44)), []);
        assert_eq!(life.step(Input::Passed, at(45)), [Act::Ping(1)]);
        assert_eq!(life.clone().step(Input::Heard(1), at(46)), [], "the pong");
        assert_eq!(life.wake_at(), Some(at(55)));
        assert_eq!(life.step(Input::Passed, at(55)), [Act::Close(1), Act::Open(2)]);
        assert!(!life.listens());
    }

    #[test]
    fn what_is_no_longer_subscribed_is_subscribed_again_on_a_new_channel() {
        let mut life = begun();
        assert_eq!(life.step(Input::Unsubscribed(1), at(90)), [Act::Close(1), Act::Open(2)]);
        assert_eq!(life.step(Input::Opened(2, at(91) + DAY), at(91)), [Act::LookBack]);
    }

    /// Every order of everything, six deep: whoever does not listen is about to, and every gap ends with a look back.
    #[test]
    fn nobody_stays_deaf_and_no_gap_is_forgotten() {
        let mut states = vec![(Life::begin(Limits::default(), 3).0, at(0), true)];
        let mut seen = BTreeSet::new();
        for _ in 0..6 {
            let mut next = Vec::new();
            for (life, now, owed) in states {
                let links = life.opened.saturating_sub(2)..=life.opened;
                let events = links.flat_map(|link| {
                    [
                        Input::Opened(link, now + DAY),
                        Input::NotOpened(link),
                        Input::Heard(link),
                        Input::Closing(link),
                        Input::Unsubscribed(link),
                        Input::Ended(link),
                    ]
                });
                for input in events.chain([Input::Passed]) {
                    for after in [0, 46, 80] {
                        let (mut life, now) = (life.clone(), now + Span::from_secs(after));
                        let acts = life.step(input, now);
                        let looked = acts.contains(&Act::LookBack);
                        let opens = acts.iter().filter(|act| matches!(act, Act::Open(_))).count();
                        assert!(opens <= 1, "{input:?} {acts:?}");
                        assert!(life.listens() || life.attempt != Attempt::None, "deaf for ever: {input:?}");
                        assert!(
                            !(owed && life.listens()) || looked,
                            "a gap was forgotten: {input:?} {life:?}"
                        );
                        assert!(life.wake_at().is_some() || life.attempt == Attempt::Opening(life.opened));
                        let owed = !life.listens();
                        if seen.insert(format!(
                            "{:?}",
                            (&life.line, life.draining, life.attempt, life.failures, now)
                        )) {
                            next.push((life, now, owed));
                        }
                    }
                }
            }
            next.truncate(3_000);
            states = next;
        }
        assert!(seen.len() > 1_000);
    }
}
