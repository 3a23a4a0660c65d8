//! What the program says of a database.

use closeout_tests::run;

use crate::setting::{scene, store};

#[tokio::test]
async fn a_second_service_is_refused_in_one_sentence_and_doctor_is_content() {
    let store = store();
    let scene = scene(&store).await;
    let config = scene.configuration();
    let config = config.to_str().unwrap();
    assert!(scene.log().contains("store postgres://127.0.0.1"), "{}", scene.log());

    let secret = scene.client_secret();
    let environment = [
        ("GENESYSCLOUD_OAUTHCLIENT_ID", genesys_simulator::DEFAULT_CLIENT_ID),
        ("GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE", secret.to_str().unwrap()),
        // The port of the first one is taken.
        ("CLOSEOUT_SERVER__LISTEN", "127.0.0.1:0"),
        ("PGPASSWORD", "planted-password"),
    ];
    let second = run(scene.folder.path(), &["serve", "--config", config], &environment);
    assert_eq!(second.code, 2, "{second:?}");
    assert!(second.stderr.contains("another service has the store open"), "{second:?}");

    let doctor = run(scene.folder.path(), &["doctor", "--config", config, "-o", "json"], &environment);
    assert!(doctor.stdout.contains("answers: PostgreSQL 1"), "{doctor:?}");
    let copy =
        run(scene.folder.path(), &["store", "backup", "--config", config, "--to", "copy.db"], &environment);
    assert_eq!(copy.code, 2, "{copy:?}");
    assert!(copy.stderr.contains("pg_dump"), "{copy:?}");
    for ended in [&second, &doctor, &copy] {
        assert!(!format!("{ended:?}").contains("planted-password"), "{ended:?}");
    }
}
