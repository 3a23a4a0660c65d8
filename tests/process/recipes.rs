//! The pages of `docs/recipes`, and that of dialects: what each of them tells people to type is typed here.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use closeout_tests::program;

/// `closeout dev`, ended with this value.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Dev {
    /// Starts it and reads the line that sets the environment from what it prints.
    fn start(dialect: Option<&str>, literal: bool) -> (Self, Vec<(String, String)>) {
        let mut command = Command::new(program());
        command.args(["dev", "--port", "0", "--sim-port", "0"]);
        command.args(dialect.into_iter().flat_map(|dialect| ["--dialect", dialect]));
        command.args(literal.then_some("--literal"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let export = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("export ").map(str::to_owned))
            .expect("dev prints what to export");
        std::thread::spawn(move || lines.for_each(drop));
        let variables = export.split_whitespace().filter_map(|pair| pair.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (Self(child), variables)
    }
}

/// The pages, but for the list of them.
fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipes");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| !page.ends_with("README.md"));
    pages.sort();
    pages
}

/// The commands below "Try it", and the dialect that the page asks for.
fn commands(page: &str) -> (Option<&str>, String) {
    let (_, tried) = page.split_once("\n## Try ").expect("a page has commands to try");
    let tried = tried.split_once("\n## ").map_or(tried, |(tried, _)| tried);
    let dialect = tried.split_once("closeout dev --dialect ").map(|(_, rest)| {
        rest.split(|letter: char| letter != '-' && !letter.is_ascii_alphanumeric()).next().unwrap()
    });
    let blocks = tried.split("```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    (dialect, blocks.collect::<Vec<_>>().join("\n"))
}

#[test]
fn every_page_does_what_it_says() {
    let pages = pages();
    assert_eq!(pages.len(), 11);
    let runs = pages.into_iter().map(|page| std::thread::spawn(move || run(&page)));
    let failures: Vec<String> =
        runs.collect::<Vec<_>>().into_iter().filter_map(|run| run.join().unwrap()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs a page; answers with what went wrong.
fn run(page: &Path) -> Option<String> {
    let text = fs::read_to_string(page).unwrap();
    let (dialect, commands) = commands(&text);
    let (_dev, environment) = Dev::start(dialect, text.contains(" --literal` in one terminal"));
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::join_paths(
        [program().parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("bash")
        .args(["-euxo", "pipefail", "-c", &commands])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PATH", path.unwrap())
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .expect("bash is there");
    (!output.status.success()).then(|| {
        format!(
            "{} ended with {}:\n{}{}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

#[test]
fn the_page_of_dialects_does_what_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialects.md");
    assert_eq!(run(&page), None);
}

#[test]
fn the_list_names_every_page() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipes/README.md");
    let list = fs::read_to_string(list).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(list.contains(&format!("({name})")), "{name}");
    }
}
