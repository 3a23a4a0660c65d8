//! The service dies before and after each of its commits and calls, in every scenario of the simulator: no command is lost, every
//! closure comes to the same kind of end, and no call is made that must not be.
//!
//! A first run without a death tells which points each scenario passes. Then each pair of scenario and point gets a conversation
//! of its own, and the process dies when that conversation comes to that point (`crates/closeout/src/serve/crash_points`). Some
//! conversations are under way at once, so every death also strikes others somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{ChaosSpec, NewConversation, Preset};
use serde_json::{Value, json};
use uuid::Uuid;

/// How many conversations are under way at once.
const TOGETHER: usize = 48;

/// How long such a handful may take, deaths and starts included.
const WITHIN: Duration = Duration::from_secs(180);

/// So many pairs are tried, spread over all of them; all with `CLOSEOUT_CRASH_PAIRS=all`, or another number.
const PAIRS: usize = 64;

/// So many pairs there are at least.
const ALL_PAIRS: usize = 300;

fn wanted_pairs() -> usize {
    match std::env::var("CLOSEOUT_CRASH_PAIRS").as_deref() {
        Err(_) => PAIRS,
        Ok("all") => usize::MAX,
        Ok(number) => number.parse().expect("CLOSEOUT_CRASH_PAIRS is a number, or all"),
    }
}

/// A conversation that is to be closed, and where the process is to die for it.
struct Pair {
    scenario: &'static str,
    point: String,
    conversation: Uuid,
    /// The id of its closure, once the command was answered.
    closure: Option<String>,
}

impl Pair {
    fn shown(&self) -> String {
        format!("{}, {}: {} {:?}", self.scenario, self.point, self.conversation, self.closure)
    }
}

/// One scenario: its name, and how its conversations are made.
fn scenarios() -> Vec<(&'static str, NewConversation)> {
    let presets = Preset::ALL.into_iter().map(|preset| {
        let chaos = Some(ChaosSpec::of(preset));
        (preset.name(), NewConversation { chaos, ..NewConversation::default() })
    });
    [("clean", NewConversation::default())].into_iter().chain(presets).collect()
}

struct Stage {
    scene: Scene,
    points: PathBuf,
    client: reqwest::Client,
}

impl Stage {
    async fn begin() -> Self {
        let points = tempfile::tempdir().unwrap().keep();
        let variable = ("CLOSEOUT_CRASH_POINTS".to_owned(), points.display().to_string());
        let options = SceneOptions {
            closing: "confirm_within = \"1s\"\ndeadline = \"4s\"\nstale_read_gap = \"200ms\"\n".to_owned(),
            environment: vec![variable],
            ..SceneOptions::default()
        };
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        Self { scene: Scene::begin(options).await, points, client }
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.points.join(file)).unwrap_or_default();
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

    /// The closures by id, if the service answers.
    async fn closures(&self) -> Option<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{}/v1/closures?limit=500{cursor}", self.scene.base);
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
                let crashed: BTreeSet<String> = self.lines("crashed").into_iter().collect();
                let wanted: Vec<String> = pairs
                    .iter()
                    .filter(|pair| !pair.point.is_empty())
                    .map(|pair| format!("{}\t{}", pair.conversation, pair.point))
                    .filter(|line| !crashed.contains(line))
                    .collect();
                fs::write(self.points.join("wanted"), wanted.join("\n")).unwrap();
                self.scene.start_or_die().await;
                continue;
            }
            for pair in &mut *pairs {
                self.send(pair).await;
            }
            if let Some(closures) = self.closures().await {
                let settled = |pair: &Pair| pair.closure.as_ref().is_some_and(|id| is_settled(&closures[id]));
                if pairs.iter().all(settled) {
                    return closures;
                }
                let open: Vec<_> = pairs.iter().filter(|pair| !settled(pair)).map(Pair::shown).collect();
                assert!(Instant::now() < give_up, "not settled: {open:#?}: {}", self.scene.log());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

fn is_settled(closure: &Value) -> bool {
    closure["state"].as_str() == Some("ghost") || !closure["timings"]["endedAt"].is_null()
}

#[tokio::test]
async fn a_death_at_any_point_of_any_scenario_loses_nothing_and_repeats_nothing() {
    let mut stage = Stage::begin().await;
    let make = |stage: &Stage, scenario: &'static str, new: &NewConversation, point: String| Pair {
        scenario,
        point,
        conversation: stage.scene.simulator.create(new).unwrap()[0].conversation_id,
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
        pairs.extend(points.into_iter().map(|point| make(&stage, name, &new, point.to_owned())));
    }
    println!("{} pairs", pairs.len());
    assert!(pairs.len() >= ALL_PAIRS, "only {} pairs", pairs.len());

    let mut ends = BTreeMap::<&str, BTreeMap<String, u32>>::new();
    // Ids of the simulator are drawn, so this is a drawn order: neighbours are of different scenarios.
    pairs.sort_by_key(|pair| pair.conversation);
    pairs.truncate(wanted_pairs());
    for handful in pairs.chunks_mut(TOGETHER) {
        stage.scene.kill();
        let closures = stage.play(handful).await;
        for pair in &*handful {
            let closure = &closures[pair.closure.as_ref().unwrap()];
            assert_eq!(closure["conversationId"], json!(pair.conversation), "{closure}");
            let end = closure["state"].as_str().unwrap().to_owned();
            *ends.entry(pair.scenario).or_default().entry(end).or_default() += 1;
        }
    }
    println!("{ends:#?}");
    let died: BTreeSet<String> = stage.lines("crashed").into_iter().collect();
    println!("{} deaths at {} pairs", died.len(), pairs.len());
    let verdict = stage.scene.simulator.verdict();
    println!("{verdict:#?}");
    fs::remove_dir_all(&stage.points).unwrap();

    let all = stage.closures().await.expect("the service answers");
    assert_eq!(all.len(), pairs.len() + first.len(), "each command is one closure");
    // The others are not passed in a life that another death has changed.
    assert!(died.len() * 2 >= pairs.len(), "only {} of {} points were passed", died.len(), pairs.len());
    let early = verdict.wrapper_closes_before_proof + verdict.wrapper_closes_before_guest_gone;
    assert_eq!(early, 0, "{:?}", verdict.offences);
    assert_eq!(verdict.repeated_closes + verdict.repeated_wrapper_closes, 0, "without a read in between");
    assert_eq!(verdict.forged_accepted, 0);
}
