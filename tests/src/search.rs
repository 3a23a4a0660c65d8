//! Looks for what was planted in everything that a service writes, answers and shows.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    time::Duration,
};

use crate::scene::Scene;

/// Pages of the console that are looked at, at most.
const MOST_PAGES: usize = 80;

/// What was planted, and all places that were searched so far.
pub struct Search {
    /// Texts in ASCII that must be nowhere.
    pub needles: Vec<String>,
    /// How many places were searched.
    pub places: usize,
    /// A text that was given in the same way as those that were planted, and that belongs where they do not.
    wanted: String,
    /// How many places held it.
    found: usize,
}

impl Search {
    /// Begins to look for these. Whatever is searched has to hold `wanted` somewhere, or the search does not see what is there.
    pub fn of(needles: impl IntoIterator<Item = String>, wanted: &str) -> Self {
        Self { needles: needles.into_iter().collect(), places: 0, wanted: wanted.to_owned(), found: 0 }
    }

    /// Looks at what a receiver of callbacks was sent, head and body.
    pub fn look_at_what_was_told(&mut self, told: &str) {
        self.look("a callback", told.as_bytes());
        self.has_seen("what was told");
    }

    /// The search of `what` is over.
    fn has_seen(&mut self, what: &str) {
        assert!(self.found > 0, "{} is nowhere in {what}: it could not be searched", self.wanted);
        self.found = 0;
    }

    /// Looks at one place.
    pub fn look(&mut self, place: &str, bytes: &[u8]) {
        self.places += 1;
        // Everything planted is ASCII, so it is found in what is no text, too.
        let text = String::from_utf8_lossy(bytes);
        self.found += usize::from(text.contains(&self.wanted));
        for needle in &self.needles {
            if let Some((before, behind)) = text.split_once(needle.as_str()) {
                let before: String =
                    before.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                let behind: String = behind.chars().take(100).collect();
                panic!("{place} holds {needle}: {before}{needle}{behind}");
            }
        }
        // The simulator's access tokens: `sim-` and 32 hexadecimal digits.
        let is_token = |rest: &str| rest.bytes().take(32).filter(u8::is_ascii_hexdigit).count() == 32;
        assert!(!text.split("sim-").skip(1).any(is_token), "{place} holds an access token");
    }
}

/// What comes within a second, or all of it if that is sooner: streams of events have no end.
async fn fetch(request: reqwest::RequestBuilder) -> Vec<u8> {
    let mut answer = request.send().await.unwrap();
    let mut all = format!("{:?}", answer.headers()).into_bytes();
    let reading = async {
        while let Ok(Some(piece)) = answer.chunk().await {
            all.extend_from_slice(&piece);
        }
    };
    tokio::time::timeout(Duration::from_secs(1), reading).await.ok();
    all
}

/// Every route that is described and only looks.
pub async fn search_the_interface(scene: &Scene, search: &mut Search, closure: &str, conversation: &str) {
    let [_, (_, key)] = scene.environment();
    let (_, description) = scene.ask("GET", "/openapi.json", None).await;
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "the interface is described");
    for path in paths.iter().filter(|(_, path)| path["get"].is_object()).map(|(path, _)| path) {
        let filled = path.replace("{id}", closure).replace("{conversationId}", conversation);
        let request = reqwest::Client::new().get(format!("{}{filled}", scene.base)).bearer_auth(key);
        search.look(&filled, &fetch(request).await);
    }
    search.has_seen("the interface");
}

/// Every page of the console that links lead to.
pub async fn search_the_console(scene: &Scene, search: &mut Search) {
    let [_, (_, key)] = scene.environment();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let entered = client.post(format!("{}/console/login", scene.base)).form(&[("key", key), ("next", "/")]);
    let entered = entered.send().await.unwrap();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let (mut known, mut ahead) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    while let Some(path) = ahead.pop_front().filter(|_| known.len() < MOST_PAGES) {
        if !known.insert(path.clone()) {
            continue;
        }
        let page = fetch(client.get(format!("{}{path}", scene.base)).header("cookie", &cookie)).await;
        // The key is what its owner has typed; no page shows it.
        search.look(&path, &page);
        let text = String::from_utf8_lossy(&page).into_owned();
        let links = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        // The pages write an ampersand by its number.
        ahead.extend(links.filter(|link| link.starts_with('/')).map(|link| link.replace("&#38;", "&")));
    }
    assert!(known.len() > 10, "there are more pages than {known:?}");
    search.has_seen("the console");
}

/// What the command line prints for operators, and exports.
pub async fn search_the_command_line(scene: &Scene, search: &mut Search, closure: &str) {
    for arguments in [
        &["bundle", closure][..],
        &["get", closure],
        &["timeline", closure],
        &["explain", closure],
        &["list", "-o", "csv"],
        &["hooks", "received"],
        &["ghosts", "report", "-o", "html"],
        &["config", "show", "--config", "closeout.toml"],
    ] {
        let ended = scene.closeout(arguments).await;
        search.look(&format!("closeout {arguments:?}"), ended.stdout.as_bytes());
        search.look(&format!("closeout {arguments:?} on stderr"), ended.stderr.as_bytes());
    }
    search.has_seen("the command line");
}

/// Everything in the folder but the two files that were given the secrets.
pub fn search_the_files(scene: &Scene, search: &mut Search) {
    let mut names = Vec::new();
    for entry in fs::read_dir(scene.folder.path()).unwrap() {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
        let name = name.to_string_lossy().into_owned();
        if !["closeout.toml", "client-secret"].contains(&name.as_str()) && path.is_file() {
            search.look(&name, &fs::read(path).unwrap());
            names.push(name);
        }
    }
    for file in ["closeout.db", "service.log"] {
        assert!(names.iter().any(|name| name == file), "{file} is not in {names:?}");
    }
    search.has_seen("the files");
}
