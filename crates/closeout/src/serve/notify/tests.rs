//! What a service manager hears, on a socket of our own.

use std::{cell::Cell, collections::BTreeMap};

use super::*;

struct Heard {
    _folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Heard {
    /// All that was told until now.
    fn all(&self) -> Vec<String> {
        let mut buffer = [0; 512];
        let mut told = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        told
    }
}

fn manager(more: &[(&str, &str)]) -> (Manager, Heard) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut variables: BTreeMap<String, String> =
        more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.insert("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned());
    (Manager::of_environment(&Variables(variables.into_iter().collect())), Heard { _folder: folder, socket })
}

/// Polls what never ends for this long of the paused clock.
async fn for_a_while(work: impl Future<Output = ()>, time: Duration) {
    assert!(tokio::time::timeout(time, work).await.is_err(), "it ended");
}

#[test]
fn each_state_is_told_as_the_protocol_writes_it() {
    let (manager, heard) = manager(&[]);
    manager.status("opening\nthe store");
    manager.ready();
    manager.reloading();
    manager.stopping();
    let told = heard.all();
    assert_eq!(told[0], "STATUS=opening the store");
    assert_eq!(told[1], "READY=1");
    let usec: i64 = told[2].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!((1..=monotonic_usec()).contains(&usec), "{usec}");
    assert_eq!(told[3], "STOPPING=1\nSTATUS=stopping: what is under way may finish");
    assert_eq!(told.len(), 4);
}

#[test]
fn without_a_manager_or_with_one_that_is_gone_nothing_happens() {
    let none = Manager::of_environment(&Variables::default());
    assert!(none.socket.is_none());
    none.ready();
    let (manager, heard) = manager(&[]);
    drop(heard);
    manager.ready();
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_is_an_address_too() {
    let name = format!("closeout-test-{}", uuid::Uuid::new_v4());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let variables = [("NOTIFY_SOCKET".to_owned(), format!("@{name}"))];
    Manager::of_environment(&Variables(variables.into_iter().collect())).ready();
    let mut buffer = [0; 16];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_long_asks_for_more_time_and_not_for_ever() {
    let (manager, heard) = manager(&[]);
    assert_eq!(manager.while_it_goes_on(async { 7 }).await, 7);
    assert_eq!(heard.all(), Vec::<String>::new(), "what is done at once needs no time");
    manager.while_it_goes_on(tokio::time::sleep(Duration::from_secs(25))).await;
    assert_eq!(heard.all(), vec!["EXTEND_TIMEOUT_USEC=30000000"; 3]);
    let asked = Cell::new(0);
    let hours = async {
        for _ in 0..120 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            asked.set(asked.get() + heard.all().len());
        }
    };
    manager.while_it_goes_on(hours).await;
    assert_eq!(asked.get(), 360, "every 10 s for an hour");
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_hears_of_a_store_that_answers_at_half_of_its_time() {
    let (manager, heard) = manager(&[("WATCHDOG_USEC", "8000000")]);
    let answers = Cell::new(0_u32);
    let check = async || {
        answers.set(answers.get() + 1);
        if answers.get() == 2 { Err(()) } else { Ok(()) }
    };
    let line = |checked| format!("{checked:?}");
    for_a_while(manager.watched(check, line), Duration::from_millis(8_500)).await;
    assert_eq!(
        heard.all(),
        ["WATCHDOG=1\nSTATUS=Good", "WATCHDOG=1\nSTATUS=Refused", "WATCHDOG=1\nSTATUS=Good"],
        "a store that refuses answers: at 0, 4 and 8 s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_does_not_hear_of_a_store_that_hangs() {
    let (manager, heard) = manager(&[("WATCHDOG_USEC", "8000000")]);
    let check = async || std::future::pending::<Result<(), ()>>().await;
    for_a_while(manager.watched(check, |checked| format!("{checked:?}")), Duration::from_secs(60)).await;
    assert_eq!(heard.all(), ["STATUS=NoAnswer"]);
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_of_another_process_or_none_is_not_fed() {
    for more in [
        [("WATCHDOG_USEC", "0"), ("WATCHDOG_PID", "")],
        [("WATCHDOG_USEC", "8000000"), ("WATCHDOG_PID", "1")],
    ] {
        let (manager, heard) = manager(&more);
        let check = async || Ok::<(), ()>(());
        for_a_while(manager.watched(check, |_| "line".to_owned()), Duration::from_secs(31)).await;
        assert_eq!(heard.all(), ["STATUS=line"], "told once, as it does not change: {more:?}");
    }
}
