//! The service under a service manager: what it tells on the manager's socket.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use closeout_tests::{Scene, SceneOptions, run};

/// Reads what is told until something contains `wanted`; answers with all that came until then.
fn heard_until(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let (mut told, mut buffer) = (Vec::new(), [0; 512]);
    let give_up = Instant::now() + Duration::from_secs(20);
    while Instant::now() < give_up {
        let Ok(length) = manager.recv(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let found = text.contains(wanted);
        told.push(text);
        if found {
            return told;
        }
    }
    panic!("{wanted} is not told, only {told:?}");
}

#[tokio::test]
async fn a_service_manager_hears_of_the_start_the_life_a_reload_and_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment =
        vec![variable("NOTIFY_SOCKET", path.to_str().unwrap()), variable("WATCHDOG_USEC", "1000000")];
    let mut scene = Scene::begin(SceneOptions { environment, ..SceneOptions::default() }).await;

    assert_eq!(heard_until(&manager, "STATUS=")[0], "STATUS=opening the store");
    let starting = heard_until(&manager, "READY=1");
    assert!(starting.iter().any(|told| told.starts_with("EXTEND_TIMEOUT_USEC=")), "{starting:?}");
    let alive = heard_until(&manager, "WATCHDOG=1");
    assert!(alive.last().unwrap().contains("STATUS=main: 0 open closures"), "{alive:?}");
    heard_until(&manager, "WATCHDOG=1");

    scene.reload();
    let reloading = heard_until(&manager, "RELOADING=1");
    assert!(reloading.last().unwrap().contains("\nMONOTONIC_USEC="), "{reloading:?}");
    heard_until(&manager, "READY=1");

    assert_eq!(scene.terminate(), 0);
    heard_until(&manager, "STOPPING=1");
}

#[tokio::test]
async fn a_health_check_knows_a_service_that_takes_work_from_one_that_does_not() {
    let mut scene = Scene::begin(SceneOptions::default()).await;
    let server = scene.base.clone();
    let without_key = |scene: &Scene, arguments: &[&str]| {
        run(scene.folder.path(), arguments, &[("CLOSEOUT_SERVER", &server)])
    };
    let ready = without_key(&scene, &["ready"]);
    assert_eq!((ready.code, ready.stdout), (0, format!("{server} is ready\n")));
    let json = without_key(&scene, &["ready", "-o", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap()["store"], true);

    assert_eq!(scene.terminate(), 0);
    let gone = without_key(&scene, &["ready", "--wait", "600ms"]);
    assert_eq!(gone.code, 10, "{}", gone.stderr);
    assert!(gone.stderr.contains("not ready"), "{}", gone.stderr);
}
