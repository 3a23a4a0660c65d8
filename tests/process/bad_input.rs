//! Mistakes, each with one clear sentence and the right exit code or problem.

use std::{fs, net::TcpListener, path::Path};

use closeout_tests::{Ended, Scene, SceneOptions, run};
use serde_json::json;
use tempfile::TempDir;

const CREDENTIALS: [(&str, &str); 2] =
    [("GENESYSCLOUD_OAUTHCLIENT_ID", "id"), ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "a-secret-of-the-client")];

fn serve(configuration: &str, environment: &[(&str, &str)]) -> (TempDir, Ended) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("closeout.toml"), configuration).unwrap();
    let digest = "0".repeat(64);
    let key = format!(
        "[[token]]\nname = \"a\"\nsha256 = \"{digest}\"\nrole = \"admin\"\norganisations = [\"main\"]\n"
    );
    fs::write(folder.path().join("tokens.toml"), key).unwrap();
    let ended = run(folder.path(), &["serve", "--config", "closeout.toml"], environment);
    (folder, ended)
}

fn assert_refused(ended: &Ended, says: &[&str]) {
    assert_eq!(ended.code, 2, "{ended:?}");
    for word in says {
        assert!(ended.stderr.contains(word), "{word:?} is missing in {:?}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

fn configuration(store: &Path) -> String {
    let store = store.display();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{store}\"\n[genesys.main]\nregion = \"eu-central-1\"\n"
    )
}

#[test]
fn a_key_that_is_not_known_is_refused_with_the_nearest_one() {
    let (_folder, ended) = serve(
        "[genesys.main]\nregion = \"eu-central-1\"\n[closing]\nconfirm_witin = \"20s\"\n",
        &CREDENTIALS,
    );
    assert_refused(&ended, &["confirm_witin", "confirm_within"]);
}

#[test]
fn a_region_that_is_not_known_is_refused_with_near_ones() {
    let (_folder, ended) = serve("[genesys.main]\nregion = \"eu-centrl-1\"\n", &CREDENTIALS);
    assert_refused(&ended, &["eu-centrl-1", "eu-central-1"]);
}

#[test]
fn a_missing_secret_is_named() {
    let (_folder, ended) = serve("[genesys.main]\nregion = \"eu-central-1\"\n", &[]);
    assert_refused(&ended, &["GENESYSCLOUD_OAUTHCLIENT"]);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("holiday.jpg");
    fs::write(&store, "this is a picture of the sea").unwrap();
    let (_config, ended) = serve(&configuration(&store), &CREDENTIALS);
    assert_refused(&ended, &["holiday.jpg"]);
    assert_eq!(fs::read_to_string(&store).unwrap(), "this is a picture of the sea");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let text = configuration(&folder.path().join("closeout.db")).replace("127.0.0.1:0", &address);
    let (_config, ended) = serve(&text, &CREDENTIALS);
    assert_refused(&ended, &[&address]);
}

#[tokio::test]
async fn requests_with_mistakes_get_a_problem_that_says_what_to_do() {
    let scene = Scene::begin(SceneOptions::default()).await;
    let (status, problem) =
        scene.ask("POST", "/v1/closures", Some(json!({ "conversationId": "not-an-id" }))).await;
    assert_eq!(status, 422, "{problem}");
    assert!(
        problem["detail"].to_string().contains("UUID") || problem["fix"].to_string().contains("UUID"),
        "{problem}"
    );
    let misspelt = json!({ "conversationid": "2f7bf00a-0fc2-4d6a-9b56-92238191433e" });
    let (status, problem) = scene.ask("POST", "/v1/closures", Some(misspelt)).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem.to_string().contains("conversationId"), "{problem}");
    let huge = json!({ "reason": "x".repeat(300_000) });
    let (status, _) = scene.ask("POST", "/v1/closures", Some(huge)).await;
    assert_eq!(status, 413);
    let (status, _) = scene.ask("GET", "/v1/closures/cl_01jd5w3k9m2q8r7tb4x0y6z1ne", None).await;
    assert_eq!(status, 404);
    let stranger =
        reqwest::Client::new().get(format!("{}/v1/closures", scene.base)).bearer_auth("wrong").send();
    assert_eq!(stranger.await.unwrap().status().as_u16(), 401);
}
