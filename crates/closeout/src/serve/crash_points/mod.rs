//! Crash points, in debug builds only: the moments before and after each commit, each call, each login, the opening of each socket of notifications, each post of a callback and
//! whatever a broker or a queue of evidence is told, at which a test can have the process die as by `kill -9`.
//!
//! `CLOSEOUT_CRASH_POINTS` names a folder. Every point that is passed is appended to its file `passed`, as *conversation*, tab, *point*. Where
//! its file `wanted` holds the same line, the line is appended to `crashed`, and the process kills itself. What is of no one
//! conversation, as a login, a look-up, what is owed to a callback, or a batch, has the nil UUID in its place.
//!
//! A point is named by what happens there, by whether it is before or after it, and, from the second time in the life of this process
//! on, by how often it was passed: `call close_participant, after`, `commit replied closing_wrapper, before, 2`.

mod pointed_post;
mod pointed_queue;
mod pointed_remote;
mod pointed_source;
mod pointed_store;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use callbacks::Post;
use evidence_sqs::Queue;
use genesys_client::{Client, Moment};
use orchestrator::Remote;
use queue::Source;
use store::Store;
use uuid::Uuid;

use self::{
    pointed_post::PointedPost, pointed_queue::PointedQueue, pointed_remote::PointedRemote,
    pointed_source::PointedSource, pointed_store::PointedStore,
};

/// The variable that names the folder.
const VARIABLE: &str = "CLOSEOUT_CRASH_POINTS";

/// In place of the conversation where something is of none, or of several.
const OF_NONE: Uuid = Uuid::nil();

/// Where the process may die.
#[derive(Debug)]
struct Points {
    folder: PathBuf,
    wanted: HashSet<String>,
    passed: Mutex<HashMap<String, u32>>,
}

impl Points {
    /// The points of a test; `None` where nobody asks for any.
    fn of_environment() -> Option<Arc<Self>> {
        let folder = PathBuf::from(std::env::var_os(VARIABLE)?);
        let wanted = fs::read_to_string(folder.join("wanted")).unwrap_or_default();
        let wanted = wanted.lines().map(str::to_owned).collect();
        Some(Arc::new(Self { folder, wanted, passed: Mutex::default() }))
    }

    /// The process is at a point, and may not come to the next line.
    fn pass(&self, conversation: Uuid, what: &str, when: &str) {
        let mut point = format!("{conversation}\t{what}, {when}");
        let times = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            let times = passed.entry(point.clone()).or_default();
            *times += 1;
            *times
        };
        if times > 1 {
            point = format!("{point}, {times}");
        }
        self.note("passed", &point);
        if self.wanted.contains(&point) {
            self.note("crashed", &point);
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("it may kill itself");
            // The signal takes other threads a moment; this one must not get any further.
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    fn note(&self, file: &str, point: &str) {
        let written = File::options().create(true).append(true).open(self.folder.join(file));
        written
            .and_then(|mut file| writeln!(file, "{point}"))
            .expect("the folder of the test can be written");
    }
}

/// The store, with its points where a test asks for them.
pub(super) fn store(inner: Arc<dyn Store>) -> Arc<dyn Store> {
    match Points::of_environment() {
        Some(points) => Arc::new(PointedStore { inner, points }),
        None => inner,
    }
}

/// The remote side, with its points where a test asks for them.
pub(super) fn remote(inner: Arc<dyn Remote>) -> Arc<dyn Remote> {
    match Points::of_environment() {
        Some(points) => Arc::new(PointedRemote { inner, points }),
        None => inner,
    }
}

/// What posts callbacks, with its points where a test asks for them.
pub(super) fn post(inner: Arc<dyn Post>) -> Arc<dyn Post> {
    match Points::of_environment() {
        Some(points) => Arc::new(PointedPost { inner, points }),
        None => inner,
    }
}

/// A queue of evidence, with its points where a test asks for them.
pub(super) fn queue(inner: Arc<dyn Queue>) -> Arc<dyn Queue> {
    match Points::of_environment() {
        Some(points) => Arc::new(PointedQueue { inner, points }),
        None => inner,
    }
}

/// The sources of commands, with their points where a test asks for them.
pub(super) fn sources(
    opened: Vec<(intake::Setup, Arc<dyn Source>)>,
) -> Vec<(intake::Setup, Arc<dyn Source>)> {
    let Some(points) = Points::of_environment() else { return opened };
    let pointed = |(setup, inner)| {
        let points = Arc::clone(&points);
        (setup, Arc::new(PointedSource { inner, points }) as Arc<dyn Source>)
    };
    opened.into_iter().map(pointed).collect()
}

/// What is asked of an organisation and is no call of a closure: those have their points in [`PointedRemote`].
const ASKED: [&str; 4] = ["login", "create_channel", "open_socket", "subscribe"];

/// Gives what else is asked of an organisation its points where a test asks for them.
pub(super) fn requests(client: &Client) {
    let Some(points) = Points::of_environment() else { return };
    client.watch(move |what, moment| {
        let when = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        if ASKED.contains(&what) {
            points.pass(OF_NONE, &what.replace('_', " "), when);
        }
    });
}
