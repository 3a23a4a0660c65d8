//! A service whose wall clock can be set.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::{ChaosSpec, FaultRule, NewConversation, Preset};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// What the clock is set by, as libfaketime writes it, and in seconds.
pub const JUMPS: [(&str, i64); 4] = [("+1h", 3_600), ("-1h", -3_600), ("+1d", 86_400), ("-1d", -86_400)];

/// When a closure without proof becomes a ghost.
pub const DEADLINE: Duration = Duration::from_secs(6);

/// A ghost comes at its deadline, after a last read: the rest is for a slow machine, and far below the smallest jump.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The scene, and the file that says what the service's clock differs by.
pub struct Machine {
    pub scene: Scene,
    clock: PathBuf,
    _folder: TempDir,
}

impl Machine {
    /// A service on a machine whose clock is right, and for which this is proof.
    pub async fn begin(evidence: &str) -> Self {
        let library =
            std::env::var("CLOSEOUT_TEST_FAKETIME").expect("this suite is started by tests/clocks/run");
        let folder = tempfile::tempdir().unwrap();
        let clock = folder.path().join("clock");
        std::fs::write(&clock, "+0\n").unwrap();
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let environment =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let deadline = DEADLINE.as_secs();
        let closing =
            format!("evidence = \"{evidence}\"\nconfirm_within = \"1s\"\ndeadline = \"{deadline}s\"\n");
        let scene = Scene::begin(SceneOptions { closing, environment, ..SceneOptions::default() }).await;
        Self { scene, clock, _folder: folder }
    }

    /// Sets the clock of the service.
    pub fn set(&self, jump: &str) {
        // Replaced and not written over: a file that is half written says another time.
        let next = self.clock.with_extension("next");
        std::fs::write(&next, format!("{jump}\n")).unwrap();
        std::fs::rename(&next, &self.clock).unwrap();
    }

    /// By how many seconds the service's clock differs from the true time, as what it logs says.
    pub async fn differs_by(&self) -> i64 {
        let before = self.scene.log().len();
        self.scene.reload();
        let line = wait_until(PATIENCE, || async {
            let log = self.scene.log();
            log[before..].split_once('\n').map(|(line, _)| line.to_owned())
        });
        let line = line.await.expect("a reload is logged");
        let told = line.split_whitespace().next().and_then(|time| time.parse::<Timestamp>().ok());
        told.unwrap_or_else(|| panic!("no time in {line}")).as_second() - Timestamp::now().as_second()
    }

    /// A conversation that goes as the preset says, always.
    pub fn conversation(&self, preset: Option<Preset>) -> Uuid {
        let chaos = preset.map(|preset| ChaosSpec::none().with(FaultRule::new(preset).times(u32::MAX)));
        let wanted = NewConversation { chaos, ..NewConversation::default() };
        self.scene.simulator.create(&wanted).unwrap()[0].conversation_id
    }

    /// Asks for a close that Genesys takes and does not do.
    pub async fn doomed(&self) -> Doomed {
        let asked = Instant::now();
        let closure = self.scene.close(self.conversation(Some(Preset::AcceptedButOpen)), "0s").await;
        Doomed { id: closure["id"].as_str().unwrap().to_owned(), asked }
    }
}

/// A closure that has to become a ghost at its deadline, by a clock that nobody sets.
pub struct Doomed {
    id: String,
    asked: Instant,
}

impl Doomed {
    /// Waits for the ghost. It must not be early, and not be missed.
    pub async fn is_a_ghost_in_time(&self, machine: &Machine, when: &str) {
        let ghost: Value = machine.scene.settled(&self.id, &["ghost"]).await;
        let waited = self.asked.elapsed();
        assert!(waited >= DEADLINE, "{when}: a ghost after {waited:?}: {ghost}");
        assert!(waited <= DEADLINE + PATIENCE, "{when}: a ghost after {waited:?} only: {ghost}");
    }
}
