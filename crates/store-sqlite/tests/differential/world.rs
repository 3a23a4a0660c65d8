//! Both stores, and the random work that they are given.

use super::*;

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) folder: TempDir,
    pub(super) sqlite: Option<SqliteStore>,
    pub(super) double: MemoryStore,
    pub(super) keys: Vec<ClosureKey>,
    pub(super) last_key: u64,
    pub(super) last_event: u64,
    pub(super) now: Millis,
    /// Whether one closure may change its conversation or participant more than once in one transaction.
    pub(super) ids_change_within_a_transaction: bool,
    pub(super) changed_ids: BTreeSet<ClosureKey>,
    pub(super) taken: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
}

impl World {
    pub(super) fn new(seed: u64, ids_change_within_a_transaction: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Some(SqliteStore::open(folder.path().join("closeout.db")).unwrap());
        Self {
            dice: Dice(seed.wrapping_mul(0x1234_5678_9abc_def1)),
            folder,
            sqlite,
            double: MemoryStore::new(),
            keys: Vec::new(),
            last_key: 0,
            last_event: 0,
            now: samples::START,
            ids_change_within_a_transaction,
            changed_ids: BTreeSet::new(),
            taken: 0,
            refused: 0,
            lost: 0,
        }
    }

    pub(super) fn sqlite(&self) -> &SqliteStore {
        self.sqlite.as_ref().unwrap()
    }

    /// A row that was set aside and whose bytes are damaged: a commit that builds upon it fails in the middle of its
    /// transaction, which is rolled back, and its neighbours are written one by one.
    pub(super) async fn damage(&mut self) {
        let row = Row { conversation: None, ..samples::row(DAMAGED) };
        let record = Quarantined { closure: row.key, reason: "damaged".to_owned(), at: samples::START };
        for store in [self.sqlite() as &dyn Store, &self.double] {
            store.commit(samples::bare(&row)).await.unwrap();
            store.quarantine(record.clone()).await.unwrap();
        }
        drop(self.sqlite.take());
        let path = self.folder.path().join("closeout.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        let damaged =
            file.execute("UPDATE closures SET participant = x'01' WHERE key = ?", [row.key.as_bytes()]);
        assert_eq!(damaged.unwrap(), 1);
        drop(file);
        self.sqlite = Some(SqliteStore::open(path).unwrap());
    }

    /// Thousands of events that stay, so that the finder's first two levels overflow.
    pub(super) async fn fill(&mut self, events: u64) {
        for start in (0..events).step_by(500) {
            let entries = (start..start + 500).map(|n| Commit {
                inbox: Some(InboxEntry {
                    adapter: "ballast".to_owned(),
                    received_at: Millis::MAX - 1 - i64::try_from(n).unwrap(),
                    ..samples::event(&n.to_string())
                }),
                ..Commit::default()
            });
            for entry in entries.collect::<Vec<_>>().chunks(500) {
                let asked: Vec<_> = entry.iter().map(|commit| self.sqlite().commit(commit.clone())).collect();
                for asked in asked {
                    asked.await.unwrap();
                }
                for commit in entry {
                    self.double.commit(commit.clone()).await.unwrap();
                }
            }
        }
    }

    /// Some acts at once, which the store writes in a few transactions.
    pub(super) async fn batch(&mut self, full: bool) {
        let many = 1 + self.dice.below(60);
        self.changed_ids.clear();
        let mut acts = Vec::new();
        let mut expected = Vec::new();
        // The double goes ahead, so that later acts of the batch build upon the earlier ones.
        for _ in 0..many {
            let act = self.act().await;
            if is_hopeless(&act) {
                expected.push(Answer::Unavailable);
            } else if !full {
                expected.push(ask(&self.double, act.clone()).await);
            }
            acts.push(act);
        }
        let store = self.sqlite.take().unwrap();
        let mut answers = Vec::new();
        {
            let mut asked: Vec<Asked<'_>> = Vec::new();
            for act in &acts {
                let mut question = ask(&store, act.clone());
                // The first poll puts what is no commit in line.
                let polled = question.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                asked.push(match polled {
                    Poll::Pending => question,
                    Poll::Ready(answer) => Box::pin(std::future::ready(answer)),
                });
            }
            for question in asked {
                answers.push(question.await);
            }
        }
        if full {
            expected.clear();
            // Nothing of what was unavailable is there; the others were applied in this order.
            for (act, answer) in acts.iter().zip(&answers) {
                if *answer == Answer::Unavailable || is_hopeless(act) {
                    expected.push(Answer::Unavailable);
                } else {
                    expected.push(ask(&self.double, act.clone()).await);
                }
            }
        }
        self.sqlite = Some(store);
        for ((act, answer), expected) in acts.iter().zip(&answers).zip(&expected) {
            // An event that was taken before is a reason to refuse that is found first.
            if !is_hopeless(act) || matches!(answer, Answer::Taken(_)) {
                assert_eq!(answer, expected, "{act:#?}");
            }
            match answer {
                Answer::Taken(_) => self.taken += 1,
                Answer::Refused(_) => self.refused += 1,
                Answer::Unavailable => self.lost += 1,
            }
        }
    }

    pub(super) async fn act(&mut self) -> Act {
        self.now += self.dice.millis(20);
        match self.dice.below(100) {
            0 => {
                // Sometimes even what is newest goes.
                let back = self.dice.one(&[-1, 0, 50, 500, 2_000]);
                let limit = self.dice.one(&[1, 3, 10, 1_000]);
                let other = self.dice.one(&[-1, 0, 50, 500, 2_000]);
                Act::Prune(self.now - back, self.now - other, limit)
            }
            1 if !self.keys.is_empty() => {
                let closure = self.some_key();
                match self.double.load(closure).await.unwrap() {
                    Some(_) => Act::Quarantine(Quarantined {
                        closure,
                        reason: format!("reason {}", self.dice.below(5)),
                        at: self.now,
                    }),
                    None => Act::Cursor("reader".to_owned(), self.dice.next() % 2_000),
                }
            }
            3 | 4 if self.dice.one_in(2) => {
                // What stands beside the damaged row in the commit must not stay behind either.
                let row = Row { conversation: None, version: 2, ..samples::row(DAMAGED) };
                let mut commit =
                    Commit { lines: vec![samples::line(1, Some("never"))], ..samples::bare(&row) };
                commit.inbox = self.dice.one_in(2).then(|| InboxEntry {
                    event: format!("event-{}", self.dice.below(120)),
                    adapter: "relay".to_owned(),
                    ..samples::event("x")
                });
                Act::Commit(commit)
            }
            2 => Act::Cursor(self.dice.text(&["reader", "other"]), self.dice.next() % 2_000),
            _ => Act::Commit(self.commit().await),
        }
    }

    pub(super) fn some_key(&mut self) -> ClosureKey {
        // Mostly a young one, so that some are written often.
        let from = self.keys.len().saturating_sub(self.dice.one(&[3, 30, 300]));
        self.keys[from + self.dice.below(self.keys.len() - from)]
    }

    pub(super) async fn commit(&mut self) -> Commit {
        let mut commit = Commit::default();
        let kind = self.dice.below(12);
        if kind < 10 {
            let (row, expected, lines) = self.row().await;
            commit.closure = Some((row, expected));
            commit.lines = lines;
        }
        if kind >= 10 || self.dice.one_in(3) {
            commit.inbox = Some(self.event());
        }
        if self.dice.one_in(8) {
            let closure = match &commit.closure {
                Some((row, _)) => row.key,
                None if self.keys.is_empty() => samples::key(1),
                None => self.some_key(),
            };
            commit.key = Some(KeyEntry {
                scope: self.dice.text(&["shop", "bot"]),
                key: format!("order-{}", self.dice.below(200)),
                digest: [u8::try_from(self.dice.below(3)).unwrap(); 32],
                closure,
                attached: self.dice.one_in(2),
                used_at: self.now,
            });
            // The double keeps no order among keys of one moment.
            self.now += 1;
        }
        commit
    }

    pub(super) fn event(&mut self) -> InboxEntry {
        let event = if !self.dice.one_in(4) {
            self.last_event += 1;
            format!("new-{}", self.last_event)
        } else {
            format!("event-{}", self.dice.below(120))
        };
        InboxEntry {
            adapter: self.dice.text(&["relay", "bridge"]),
            digest: [u8::try_from(self.dice.below(2)).unwrap(); 32],
            conversation: self.dice.one_in(2).then(|| samples::conversation(self.dice.next() % 20)),
            received_at: self.now - self.dice.millis(30),
            ..samples::event(&event)
        }
    }

    pub(super) async fn row(&mut self) -> (Row, u64, Vec<Line>) {
        let stored = match self.keys.is_empty() || self.dice.one_in(4) {
            true => None,
            false => {
                let key = self.some_key();
                self.double.load(key).await.unwrap()
            }
        };
        let fresh = stored.is_none();
        let mut row = match stored.clone() {
            Some(row) => row,
            None => {
                self.last_key += 1;
                // Keys do not come in the order of acceptance alone.
                let key = samples::key(self.last_key * 7_919 % 10_007 + 20_000 * (self.last_key / 5_000));
                self.keys.push(key);
                Row {
                    key,
                    organisation: self.dice.text(&ORGANISATIONS),
                    source: self.dice.text(&SOURCES),
                    version: 0,
                    created_at: self.now - self.dice.millis(4) * 10,
                    labels: self.labels(),
                    ..samples::row(self.last_key)
                }
            }
        };
        let expected = row.version;
        row.version += 1 + u64::from(self.dice.one_in(5));
        let may_change = self.ids_change_within_a_transaction || !self.changed_ids.contains(&row.key);
        if fresh || (may_change && self.dice.one_in(4)) {
            let before = (row.conversation, row.participant);
            if fresh || self.dice.one_in(3) {
                row.conversation =
                    (!self.dice.one_in(6)).then(|| samples::conversation(self.dice.next() % CONVERSATIONS));
            }
            row.participant = (!self.dice.one_in(3)).then(|| samples::conversation(self.dice.next() % 6));
            if fresh || before != (row.conversation, row.participant) {
                self.changed_ids.insert(row.key);
            }
        }
        if self.dice.one_in(40) {
            row.labels = self.labels();
        }
        if self.dice.one_in(80) {
            row.created_at -= 5;
        }
        if self.dice.one_in(80) {
            row.organisation = self.dice.text(&ORGANISATIONS);
        }
        // An end stays one for the machine, but the port knows nothing of that.
        let ends = if row.ended { !self.dice.one_in(8) } else { self.dice.one_in(3) };
        row.ended = ends;
        row.wake_at = (!ends).then(|| self.now + self.dice.millis(2_000));
        row.state = if ends { self.dice.text(&ENDS) } else { self.dice.text(&STATES) };
        row.reason = self.dice.one_in(3).then(|| self.dice.text(&REASONS));
        row.queue = self.dice.one_in(2).then(|| samples::conversation(self.dice.next() % QUEUES));
        row.updated_at = self.now;
        let size = self.dice.one(&[10, 200, 3_000, 20_000]);
        row.body = Bytes::from(vec![u8::try_from(row.version % 251).unwrap(); size]);
        let last =
            self.double.journal(row.key).await.unwrap().last().map_or(0, |placed| placed.line.sequence);
        let first = if last > 0 && self.dice.one_in(60) { last } else { last + 1 };
        let lines = (first..).take(self.dice.below(4)).map(|sequence| Line {
            announcement: self.dice.one_in(3).then(|| "moved".to_owned()),
            at: self.now,
            ..samples::line(sequence, None)
        });
        let lines = lines.collect();
        let expected = match self.dice.below(30) {
            0 => expected + 1,
            1 => expected.saturating_sub(1),
            _ => expected,
        };
        row.version = row.version.max(expected + 1);
        (row, expected, lines)
    }

    pub(super) fn labels(&mut self) -> Vec<(String, String)> {
        let mut labels: Vec<_> = LABELS
            .iter()
            .filter(|_| self.dice.one_in(3))
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if self.dice.one_in(3) {
            labels.reverse();
        }
        labels
    }

    pub(super) fn filter(&mut self) -> Filter {
        let dice = &mut self.dice;
        let states: Vec<&str> = STATES.iter().chain(&ENDS).copied().collect();
        let by_queue = dice.one_in(3);
        let queues: Vec<_> = match by_queue {
            true => (0..=dice.below(3)).map(|_| dice.next() % (QUEUES + 1)).collect(),
            false => Vec::new(),
        };
        Filter {
            organisations: if dice.one_in(3) { dice.some_of(&ORGANISATIONS) } else { Vec::new() },
            queues: queues.into_iter().map(|n| (n < QUEUES).then(|| samples::conversation(n))).collect(),
            states: if by_queue && dice.one_in(2) {
                vec![store::HELD.to_owned()]
            } else if dice.one_in(2) {
                dice.some_of(&states)
            } else {
                Vec::new()
            },
            reasons: if dice.one_in(5) { dice.some_of(&REASONS) } else { Vec::new() },
            source: dice.one_in(6).then(|| dice.text(&SOURCES)),
            conversation: dice.one_in(3).then(|| samples::conversation(dice.next() % CONVERSATIONS)),
            participant: dice.one_in(3).then(|| samples::conversation(dice.next() % 6)),
            labels: match dice.one_in(3) {
                true => (0..=dice.below(2))
                    .map(|_| dice.one(&LABELS))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                false => Vec::new(),
            },
            since: dice.one_in(6).then(|| self.now - dice.millis(3_000)),
            until: dice.one_in(6).then(|| self.now - dice.millis(3_000)),
            ended: *[None, Some(true), Some(false)].get(dice.below(3)).unwrap(),
        }
    }

    /// Asks both for everything.
    pub(super) async fn compare(&mut self) {
        let sqlite = self.sqlite.take().unwrap();
        let double = &self.double;
        for key in &self.keys {
            same(sqlite.load(*key).await, double.load(*key).await, key);
            same(sqlite.journal(*key).await, double.journal(*key).await, key);
        }
        for organisation in ORGANISATIONS {
            for n in 0..CONVERSATIONS {
                let of = samples::conversation(n);
                let (ours, theirs) =
                    (sqlite.open_of(organisation, of).await, double.open_of(organisation, of).await);
                same(ours, theirs, &(organisation, n));
            }
        }
        for scope in ["shop", "bot"] {
            for n in 0..200 {
                let key = format!("order-{n}");
                same(sqlite.key(scope, &key).await, double.key(scope, &key).await, &key);
            }
        }
        for limit in [1, 7, 100_000] {
            same(sqlite.inbox(limit).await, double.inbox(limit).await, &limit);
        }
        same(sqlite.quarantined().await, double.quarantined().await, &"quarantined");
        for name in ["reader", "other", "nobody"] {
            same(sqlite.cursor(name).await, double.cursor(name).await, &name);
        }
        let size = 1 + self.dice.below(50);
        let all: Vec<PlacedLine> = double.announcements(0, usize::MAX).await.unwrap();
        let mut paged: Vec<PlacedLine> = Vec::new();
        loop {
            let after = paged.last().map_or(0, |placed| placed.position);
            let page = sqlite.announcements(after, size).await.unwrap();
            assert!(page.len() <= size);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all);
        assert_eq!(walk_open(&sqlite, size).await, walk_open(double, 1_000_000).await);
        for now in [self.now, self.now + self.dice.millis(2_000), Millis::MAX] {
            let size = self.dice.one(&[1, 5, 50]);
            assert_eq!(walk_due(&sqlite, now, size).await, walk_due(double, now, 1_000_000).await);
        }
        let filters: Vec<Filter> = (0..24).map(|_| self.filter()).chain([Filter::default()]).collect();
        for filter in filters {
            same(sqlite.tally(&filter).await, self.double.tally(&filter).await, &filter);
            let by_queue = self.double.tally_by_queue(&filter.organisations).await;
            same(sqlite.tally_by_queue(&filter.organisations).await, by_queue, &filter);
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let size = self.dice.one(&[1, 2, 7, 200]);
                let ours = walk(&sqlite, &filter, order, size).await;
                let theirs = walk(&self.double, &filter, order, 1_000_000).await;
                assert_eq!(names(&ours), names(&theirs), "{filter:?} {order:?} by {size}");
                assert_eq!(ours, theirs);
            }
        }
        self.sqlite = Some(sqlite);
    }

    pub(super) async fn reopen(&mut self) {
        let store = self.sqlite.take().unwrap();
        if self.dice.one_in(2) {
            store.close().await.unwrap();
        }
        if self.dice.one_in(4) {
            assert_eq!(store.check_integrity().await.unwrap(), Vec::<String>::new());
        }
        drop(store);
        self.sqlite = Some(SqliteStore::open(self.folder.path().join("closeout.db")).unwrap());
    }

    pub(super) async fn run(&mut self, rounds: usize) {
        for round in 0..rounds {
            match self.dice.below(12) {
                0 => self.reopen().await,
                1 => {
                    let more = self.dice.one(&[0, 2, 10, 40]);
                    self.sqlite().allow_more_pages(Some(more)).await.unwrap();
                    for _ in 0..=self.dice.below(3) {
                        self.batch(true).await;
                    }
                    self.sqlite().allow_more_pages(None).await.unwrap();
                }
                _ => self.batch(false).await,
            }
            if round % 6 == 0 || round + 1 == rounds {
                self.compare().await;
            }
        }
        assert_eq!(self.sqlite().check_integrity().await.unwrap(), Vec::<String>::new());
        self.sqlite().close().await.unwrap();
        drop(self.sqlite.take());
        finder_is_exact(&self.folder.path().join("closeout.db"));
    }
}
