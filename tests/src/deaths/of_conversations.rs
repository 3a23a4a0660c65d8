//! The service dies before and after each commit and call of a conversation, in every scenario of the simulator: no command is lost,
//! every closure comes to an end that says what is so at Genesys, and no call is made that must not be.
//!
//! A first run without a death tells which points each scenario passes. Then each pair of scenario and point gets a conversation
//! of its own, and the process dies when that conversation comes to that point (`crates/closeout/src/serve/crash_points`). Some
//! conversations are under way at once, so every death also strikes others somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use genesys_simulator::{ChaosSpec, FaultRule, GuestState, NewConversation, Preset};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::scene::{Scene, SceneOptions};

/// How many conversations are under way at once.
const TOGETHER: usize = 64;

/// How long such a handful may take, deaths and starts included.
const WITHIN: Duration = Duration::from_secs(180);

/// At how many pairs of scenario and point the process has to die at least, where it is to die at each: the aim of all this.
const DEATHS: usize = 500;

/// The same where it is to die at each point in a few scenarios.
const DEATHS_AT_EACH_POINT: usize = 40;

/// Around what it has to die in any case: lines of the journal that are committed, and calls. Which lines share a commit, and in which
/// state, is a matter of moments.
const AT_LEAST: [&str; 7] =
    ["accepted", "woke", "replied", "heard", "read", "close_participant", "close_wrapper"];

/// Fewer pairs for a quick look: so many as this says, of which half have to be passed.
const PAIRS: &str = "CLOSEOUT_CRASH_PAIRS";

/// Only scenarios with this in their name, for a closer look.
const SCENARIO: &str = "CLOSEOUT_CRASH_SCENARIO";

fn wanted_pairs() -> Option<usize> {
    let some = std::env::var_os(SCENARIO).map(|_| usize::MAX);
    let Ok(number) = std::env::var(PAIRS) else { return some };
    Some(number.parse().unwrap_or_else(|_| panic!("{PAIRS} is a number, and not {number:?}")))
}

/// At which pairs of scenario and point the process is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// At each.
    All,
    /// At each point, in [`TRIES`] of the scenarios that pass it, where there are so many.
    EachPoint,
}

/// In how many scenarios the process is to die at a point. A life that another death has changed may not pass it.
const TRIES: usize = 2;

/// The states of a closure that still goes on.
const UNSETTLED: &str = "&state=accepted,scheduled,resolving,verifying,closing_participant,awaiting_confirmation,closing_wrapper,blocked";

/// Two things that go wrong with one conversation.
const BOTH: [(Preset, Preset); 15] = [
    (Preset::LostWebhook, Preset::ServerErrorStorm),
    (Preset::LostWebhook, Preset::RateLimitStorm),
    (Preset::LostWebhook, Preset::GuestReloads),
    (Preset::LostWebhook, Preset::AcceptedButOpen),
    (Preset::LateWebhook, Preset::ServerErrorStorm),
    (Preset::DuplicateWebhook, Preset::Reordered),
    (Preset::DuplicateWebhook, Preset::ConflictStorm),
    (Preset::EarlyWebhook, Preset::ServerErrorStorm),
    (Preset::EarlyWebhook, Preset::AcceptedButOpen),
    (Preset::BadSignature, Preset::GuestReloads),
    (Preset::AcceptedButOpen, Preset::RateLimitStorm),
    (Preset::ConflictStorm, Preset::AgentConnected),
    (Preset::TokenExpiry, Preset::WrapupRequired),
    (Preset::GuestReloads, Preset::ServerErrorStorm),
    (Preset::RateLimitStorm, Preset::WrapupRequired),
];

/// A conversation that is to be closed, and where the process is to die for it.
struct Pair {
    scenario: String,
    point: String,
    conversation: Uuid,
    /// Others where it may die as well: the same commit in another state, or with other lines.
    or_at: Vec<String>,
    /// The id of its closure, once the command was answered.
    closure: Option<String>,
}

impl Pair {
    fn shown(&self) -> String {
        format!("{}, {}: {} {:?}", self.scenario, self.point, self.conversation, self.closure)
    }
}

/// Each scenario: its name, and how its conversations are made.
fn scenarios() -> Vec<(String, NewConversation)> {
    let of = |faults: &[Preset]| {
        let name: Vec<_> = faults.iter().map(|preset| preset.name()).collect();
        let chaos = faults.iter().fold(ChaosSpec::none(), |all, preset| all.with(FaultRule::new(*preset)));
        (name.join(" and "), NewConversation { chaos: Some(chaos), ..NewConversation::default() })
    };
    let alone = Preset::ALL.iter().map(|preset| of(&[*preset]));
    let both = BOTH.iter().map(|(one, other)| of(&[*one, *other]));
    let all = [("clean".to_owned(), NewConversation::default())].into_iter().chain(alone).chain(both);
    let wanted = std::env::var(SCENARIO).unwrap_or_default();
    all.filter(|(name, _)| name.contains(&wanted)).collect()
}

struct Stage {
    scene: Scene,
    points: TempDir,
    client: reqwest::Client,
}

impl Stage {
    async fn begin(store: Option<String>) -> Self {
        let points = TempDir::new().unwrap();
        let variable = ("CLOSEOUT_CRASH_POINTS".to_owned(), points.path().display().to_string());
        let options = SceneOptions {
            closing: "confirm_within = \"1s\"\ndeadline = \"4s\"\nstale_read_gap = \"200ms\"\n".to_owned(),
            environment: vec![variable],
            store,
            ..SceneOptions::default()
        };
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        Self { scene: Scene::begin(options).await, points, client }
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.points.path().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Sends the command of a pair, unless it was answered before. The key makes it the same command each time.
    async fn send(&self, pair: &mut Pair) {
        if pair.closure.is_some() {
            return;
        }
        let sent = self
            .client
            .post(format!("{}/v1/closures", self.scene.base))
            .bearer_auth(self.scene.environment()[1].1)
            .header("Idempotency-Key", pair.conversation.to_string())
            .json(&json!({ "conversationId": pair.conversation }))
            .send()
            .await;
        let Ok(answer) = sent else { return };
        let status = answer.status();
        if status.is_success()
            && let Ok(closure) = answer.json::<Value>().await
        {
            pair.closure = closure["id"].as_str().map(str::to_owned);
        } else {
            assert!(status.is_server_error(), "{status} for {}", pair.scenario);
        }
    }

    /// Every closure by id, or those of some states, if the service answers.
    async fn closures(&self, states: &str) -> Option<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{}/v1/closures?limit=500{states}{cursor}", self.scene.base);
            let answer =
                self.client.get(path).bearer_auth(self.scene.environment()[1].1).send().await.ok()?;
            let page: Value = answer.json().await.ok()?;
            for closure in page["items"].as_array()? {
                all.insert(closure["id"].as_str()?.to_owned(), closure.clone());
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(all),
            }
        }
    }

    /// Closes the conversations of some pairs, with a death for each whose point is passed, until all are settled.
    async fn play(&mut self, pairs: &mut [Pair]) -> BTreeMap<String, Value> {
        let give_up = Instant::now() + WITHIN;
        loop {
            if self.scene.has_died() {
                let crashed = self.lines("crashed");
                let has_died = |pair: &&Pair| {
                    crashed.iter().any(|line| line.starts_with(&pair.conversation.to_string()))
                };
                let wanted: Vec<String> = pairs
                    .iter()
                    .filter(|pair| !pair.point.is_empty() && !has_died(pair))
                    .flat_map(|pair| [&pair.point].into_iter().chain(&pair.or_at).map(move |at| (pair, at)))
                    .map(|(pair, at)| format!("{}\t{at}", pair.conversation))
                    .collect();
                fs::write(self.points.path().join("wanted"), wanted.join("\n")).unwrap();
                self.scene.start_or_die().await;
                continue;
            }
            for pair in &mut *pairs {
                self.send(pair).await;
            }
            if let Some(unsettled) = self.closures(UNSETTLED).await {
                let settled =
                    |pair: &Pair| pair.closure.as_ref().is_some_and(|id| !unsettled.contains_key(id));
                // A ghost may be healed meanwhile, by a proof that comes late.
                let still = |closures: &BTreeMap<String, Value>, pair: &Pair| {
                    is_settled(&closures[pair.closure.as_ref().unwrap()])
                };
                if pairs.iter().all(settled)
                    && let Some(closures) = self.closures("").await
                    && pairs.iter().all(|pair| still(&closures, pair))
                {
                    return closures;
                }
                let open: Vec<_> = pairs.iter().filter(|pair| !settled(pair)).map(Pair::shown).collect();
                assert!(Instant::now() < give_up, "not settled: {open:#?}: {}", self.scene.log());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// Whether the answer of the last read before the wrapper's close was lost with the process. To the simulator a leg is known once it has
/// shown it; of that one the service knows nothing, as if nobody had asked.
fn what_was_shown_died_with_the_process(timeline: &Value) -> bool {
    let items = timeline["items"].as_array().unwrap();
    let close = items.iter().position(|item| item["asks"]["request"] == "close_wrapper").unwrap();
    let mut reads = items[..close].iter().filter(|item| item["answered"]["request"] == "read");
    reads.next_back().is_some_and(|read| {
        read["answered"]["reply"] == "unknown"
            && read["answered"]["message"] == "the program stopped while the call was in flight"
    })
}

/// Whether a closure that is over has its guest gone, and one that is not has its conversation open, as the simulator knows. In between
/// is an agent who owes a wrap-up.
fn says_what_is_so(scene: &Scene, pair: &Pair, closure: &Value) -> bool {
    if matches!(closure["state"].as_str(), Some("closed" | "already_closed")) {
        return scene.simulator.guest_state(pair.conversation) == Some(GuestState::Disconnected);
    }
    let shown = scene.simulator.conversation(pair.conversation).unwrap();
    shown["conversation"]["endTime"].is_null()
}

fn is_settled(closure: &Value) -> bool {
    closure["state"].as_str() == Some("ghost") || !closure["timings"]["endedAt"].is_null()
}

/// What a point has in common with those where the same happens in another state: the lines that are committed, before or after, and
/// how often that was.
fn alike(point: &str) -> (&str, &str) {
    let (what, when) = point.split_once(',').unwrap_or((point, ""));
    let named = what.match_indices(' ').nth(1).map_or(what, |(end, _)| &what[..end]);
    (named, when)
}

/// Before or after what of [`AT_LEAST`] there was no death.
fn spared(died: &BTreeSet<String>) -> Vec<(&'static str, &'static str)> {
    let points: Vec<&str> = died.iter().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    let around = AT_LEAST.iter().flat_map(|what| [("before", *what), ("after", *what)]);
    around.filter(|(when, what)| !points.iter().any(|point| is_around(point, when, what))).collect()
}

/// Whether a point lies before, or after, what is named so.
fn is_around(point: &str, when: &str, what: &str) -> bool {
    let named = point.split([' ', ',']).nth(1).is_some_and(|named| named.split('+').any(|one| one == what));
    named && point.contains(when)
}

/// How often what was spared is tried again: it is a matter of moments, and each time in other conversations.
const TRIES_AGAIN: usize = 6;

/// Sees that the closure of a pair says what is so, and tells its end.
fn judge(scene: &Scene, pair: &Pair, closures: &BTreeMap<String, Value>) -> String {
    let closure = &closures[pair.closure.as_ref().unwrap()];
    assert_eq!(closure["conversationId"], json!(pair.conversation), "{closure}");
    assert!(says_what_is_so(scene, pair, closure), "{}: {closure}", pair.shown());
    closure["state"].as_str().unwrap().to_owned()
}

/// Has the service die at pairs of scenario and point, with its state in a store (`None` for SQLite), and sees that nothing is lost and
/// nothing repeated.
pub async fn die_in_each_scenario(store: Option<String>, at: Pairs) {
    let mut stage = Stage::begin(store).await;
    let make = |stage: &Stage, scenario: &str, new: &NewConversation, point: String| Pair {
        scenario: scenario.to_owned(),
        point,
        conversation: stage.scene.simulator.create(new).unwrap()[0].conversation_id,
        or_at: Vec::new(),
        closure: None,
    };
    let mut first: Vec<Pair> =
        scenarios().iter().map(|(name, new)| make(&stage, name, new, String::new())).collect();
    let closures = stage.play(&mut first).await;
    let passed = stage.lines("passed");
    let mut pairs = Vec::new();
    for (pair, (name, new)) in first.iter().zip(scenarios()) {
        let of_it = format!("{}\t", pair.conversation);
        let points: BTreeSet<&str> = passed.iter().filter_map(|line| line.strip_prefix(&of_it)).collect();
        println!("{name}: {} points, {}", points.len(), closures[pair.closure.as_ref().unwrap()]["state"]);
        pairs.extend(points.into_iter().map(|point| make(&stage, &name, &new, point.to_owned())));
    }
    println!("{} pairs", pairs.len());
    let known: Vec<(String, String)> =
        pairs.iter().map(|pair| (pair.scenario.clone(), pair.point.clone())).collect();

    let mut ends = BTreeMap::<String, BTreeMap<String, u32>>::new();
    // Ids of the simulator are drawn, so this is a drawn order: neighbours are of different scenarios.
    pairs.sort_by_key(|pair| pair.conversation);
    if at == Pairs::EachPoint {
        let mut tries = BTreeMap::<String, usize>::new();
        pairs.retain(|pair| {
            let so_far = tries.entry(pair.point.clone()).or_default();
            *so_far += 1;
            *so_far <= TRIES
        });
        let points: BTreeSet<String> = pairs.iter().map(|pair| pair.point.clone()).collect();
        for pair in &mut pairs {
            let is_alike = |point: &&String| alike(point) == alike(&pair.point) && **point != pair.point;
            pair.or_at = points.iter().filter(is_alike).cloned().collect();
        }
    }
    pairs.truncate(wanted_pairs().unwrap_or(usize::MAX));
    for handful in pairs.chunks_mut(TOGETHER) {
        stage.scene.kill();
        let closures = stage.play(handful).await;
        for pair in &*handful {
            let end = judge(&stage.scene, pair, &closures);
            *ends.entry(pair.scenario.clone()).or_default().entry(end).or_default() += 1;
        }
    }
    println!("{ends:#?}");
    let mut died: BTreeSet<String> = stage.lines("crashed").into_iter().collect();
    let (struck, tried) = (died.len(), pairs.len());
    println!("{struck} deaths at {tried} pairs");
    for _ in 0..TRIES_AGAIN {
        let spared = spared(&died);
        if spared.is_empty() || wanted_pairs().is_some() {
            break;
        }
        println!("no death yet {spared:?}");
        let mut again = Vec::new();
        for (when, what) in spared {
            let around: Vec<_> = known.iter().filter(|(_, point)| is_around(point, when, what)).collect();
            for (scenario, point) in around.iter().take(TOGETHER / 4) {
                let (_, new) = scenarios().into_iter().find(|(name, _)| name == scenario).unwrap();
                let or_at = around.iter().map(|(_, point)| point.clone()).collect();
                again.push(Pair { or_at, ..make(&stage, scenario, &new, point.clone()) });
            }
        }
        again.truncate(TOGETHER);
        stage.scene.kill();
        let closures = stage.play(&mut again).await;
        for pair in &again {
            judge(&stage.scene, pair, &closures);
        }
        pairs.extend(again);
        died = stage.lines("crashed").into_iter().collect();
    }
    let verdict = stage.scene.simulator.verdict();
    println!("{verdict:#?}");
    let mut early = Vec::new();
    for offence in verdict.offences.iter().filter(|offence| offence.what.starts_with("wrapper-closed-before"))
    {
        let pair = pairs.iter().find(|pair| pair.conversation == offence.conversation_id);
        let pair = pair.unwrap_or_else(|| panic!("{offence:?}"));
        let path = format!("/v1/closures/{}/timeline", pair.closure.as_ref().unwrap());
        let (_, timeline) = stage.scene.ask("GET", &path, None).await;
        if offence.what != "wrapper-closed-before-guest" || !what_was_shown_died_with_the_process(&timeline) {
            early.push(format!("{offence:?}, {}: {timeline:#}", pair.shown()));
        }
    }

    let all = stage.closures("").await.expect("the service answers");
    assert_eq!(all.len(), pairs.len() + first.len(), "each command is one closure");
    // The others are not passed in a life that another death has changed; where each point has few pairs, most have a rare one.
    let (share, least) = match at {
        Pairs::All => (2, DEATHS),
        Pairs::EachPoint => (3, DEATHS_AT_EACH_POINT),
    };
    assert!(struck * share >= tried, "only {struck} of {tried} points were passed");
    if wanted_pairs().is_none() {
        assert!(struck >= least, "only {struck} deaths at {tried} pairs");
        assert_eq!(spared(&died), <[(&str, &str); 0]>::default(), "there is no death");
    }
    assert!(early.is_empty(), "{early:#?}");
    assert_eq!(verdict.repeated_closes + verdict.repeated_wrapper_closes, 0, "without a read in between");
    assert_eq!(verdict.forged_accepted, 0);
}
