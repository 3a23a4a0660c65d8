//! Where the service is to die, and where it has: the other end of `crates/closeout/src/serve/crash_points`.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use uuid::Uuid;

use crate::scene::{Scene, wait_until};

/// How long a process may take to be gone once it has said that it dies.
const DYING: Duration = Duration::from_secs(10);

/// How long it may take to start one that lives, with the one death that was wanted before.
const LIVING: Duration = Duration::from_secs(60);

/// The points of one service, those of no one conversation.
#[derive(Debug)]
pub struct CrashPoints {
    folder: TempDir,
    /// Whether it was dead, and revived, since it was last told where to die.
    was_dead: Cell<bool>,
}

impl CrashPoints {
    /// Points of which nothing is known yet.
    pub fn begin() -> Self {
        Self { folder: TempDir::new().unwrap(), was_dead: Cell::new(false) }
    }

    /// What has a service of the debug build pass them.
    pub fn environment(&self) -> (String, String) {
        ("CLOSEOUT_CRASH_POINTS".to_owned(), self.folder.path().display().to_string())
    }

    fn lines(&self, file: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        let of_none = format!("{}\t", Uuid::nil());
        text.lines().filter_map(|line| line.strip_prefix(&of_none)).map(str::to_owned).collect()
    }

    /// Those that were passed so far: each by its first passing in a life, and by its second, where there was one.
    pub fn passed(&self) -> Vec<String> {
        let one_of_two = |point: &String| {
            [", before", ", after", ", before, 2", ", after, 2"].iter().any(|end| point.ends_with(end))
        };
        self.lines("passed").into_iter().filter(one_of_two).collect()
    }

    /// Where the service has died since it was last told where to.
    pub fn died_at(&self) -> Option<String> {
        self.lines("crashed").into_iter().next()
    }

    /// Waits until the service has died at the point that is wanted, which may have been before, and has it live again; says at which.
    pub async fn death(&self, scene: &mut Scene, patience: Duration) -> Option<String> {
        let died = wait_until(patience, || async { self.died_at() }).await?;
        // It says so first, and is gone a moment later.
        let give_up = Instant::now() + DYING;
        while !self.was_dead.get() {
            assert!(Instant::now() < give_up, "it says that it dies, and does not");
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.revive(scene).await;
        }
        Some(died)
    }

    /// From its next start on the service is to die at this point, once.
    pub fn die_at(&self, point: &str) {
        self.was_dead.set(false);
        let _ = fs::remove_file(self.folder.path().join("crashed"));
        fs::write(self.folder.path().join("wanted"), format!("{}\t{point}", Uuid::nil())).unwrap();
    }

    /// Begins a life that is not to end, in which the service can be asked what became of all that.
    pub async fn live_on(&self, scene: &mut Scene) {
        self.die_at("nowhere");
        scene.kill();
        self.revive(scene).await;
    }

    /// Starts the service wherever it has died. It dies once at a point: that is all that was wanted of it.
    pub async fn revive(&self, scene: &mut Scene) {
        let give_up = Instant::now() + LIVING;
        while scene.has_died() {
            assert!(Instant::now() < give_up, "it dies at each start: {}", scene.log());
            if self.died_at().is_some() {
                self.was_dead.set(true);
                fs::write(self.folder.path().join("wanted"), "").unwrap();
            }
            scene.start_or_die().await;
        }
    }
}
