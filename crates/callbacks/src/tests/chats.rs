//! The line that a chat gets: what a person needs in order to act.

use super::{
    silence::{CLEARED, GHOST, change, ghost},
    *,
};
use crate::adapters::ToldSilent;

/// Says the same of every ghost.
struct Verify;

impl Advisor for Verify {
    fn hint(&self, ghost: &Record) -> Hint {
        let id = orchestrator::closure_id(ghost.key);
        Hint {
            first: Some(format!("Read the conversation now. `closeout verify {id}`")),
            page: Some("https://apps.mypurecloud.de/directory/#/x".to_owned()),
        }
    }
}

fn chat(public_url: Option<&str>) -> Setup {
    let receivers = vec![Receiver {
        name: "chat".to_owned(),
        organisation: "main".parse().unwrap(),
        url: "https://chat.example/T0/secret".parse().unwrap(),
        on: ["ghost", "ghost_cleared", "adapter_silent"].map(str::to_owned).into(),
        format: Format::Chat,
        signature: None,
    }];
    Setup { receivers, public_url: public_url.map(str::to_owned), ..setup(&["chat.example"]) }
}

/// The lines that are owed, in their order.
async fn lines(store: &MemoryStore, setup: &Setup, advisor: &dyn Advisor) -> Vec<String> {
    let outbox =
        Outbox { store, setup, clock: &orchestrator::SystemClock::default(), ears: &NoAdapters, advisor };
    let now = Time::from_millis(START);
    let mut place = Place::read(store, now).await.unwrap();
    outbox.pass(&mut place, &mut Held::default(), now).await.unwrap();
    let mut rows = store.deliveries(&DeliveryFilter::default(), None, 100).await.unwrap();
    rows.reverse();
    let text = |row: &store::DeliveryRow| {
        let payload: Value = serde_json::from_str(&Owed::read(row).unwrap().body.payload).unwrap();
        assert_eq!(payload.as_object().unwrap().len(), 1, "what both chats take: {payload}");
        payload["text"].as_str().unwrap().to_owned()
    };
    rows.iter().map(text).collect()
}

#[tokio::test]
async fn a_ghost_comes_with_the_act_to_take_and_the_page_to_look_at() {
    let store = MemoryStore::new();
    let id = orchestrator::closure_id(ghost(&store).await);
    let told = lines(&store, &chat(Some("https://closeout.example")), &Verify).await;
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert!(line.starts_with("Ghost: not proven to be closed: conversation "), "{line}");
    let rest = format!(
        "of main. Read the conversation now. `closeout verify {id}` At Genesys: \
         https://apps.mypurecloud.de/directory/#/x https://closeout.example/v1/closures/{id}/explain"
    );
    assert!(line.ends_with(&rest) && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn without_an_address_of_the_service_there_is_a_command_and_no_path() {
    let store = MemoryStore::new();
    let id = orchestrator::closure_id(ghost(&store).await);
    let told = lines(&store, &chat(None), &NoAdvice).await;
    assert!(told[0].ends_with(&format!("of main. `closeout explain {id}`")), "{told:?}");
    let ears = Scripted::default();
    ears.fall_silent(Time::from_millis(START - 200_000));
    let clock = orchestrator::SystemClock::default();
    let mut silent = ToldSilent::read(&store, &ears).await.unwrap();
    assert_eq!(silent.look(&store, &chat(None), &ears, &clock).await.unwrap(), 1);
    let rows = store.deliveries(&DeliveryFilter::default(), None, 1).await.unwrap();
    let owed = Owed::read(&rows[0]).unwrap();
    let text = serde_json::from_str::<Value>(&owed.body.payload).unwrap()["text"].clone();
    assert!(text.as_str().unwrap().ends_with("one by one. `closeout adapters`"), "{text}");
}

#[tokio::test]
async fn nothing_is_advised_about_what_is_no_ghost_any_more() {
    let store = MemoryStore::new();
    let key = ghost(&store).await;
    change(&store, key, false, CLEARED).await;
    for line in lines(&store, &chat(None), &Verify).await {
        assert!(!line.contains("closeout verify") && !line.contains("At Genesys"), "{line}");
    }
    change(&store, key, true, GHOST).await;
    let told = lines(&store, &chat(None), &Verify).await;
    assert!(told.last().unwrap().contains("closeout verify"), "{told:?}");
}
