//! What the guest's page shows.

use closeout_tests::Scene;
use uuid::Uuid;

/// The state that the page of a conversation shows its guest.
pub(crate) async fn guest_state(scene: &Scene, conversation: Uuid) -> String {
    let page = reqwest::get(format!("{}/_sim/guest/{conversation}", scene.genesys)).await.unwrap();
    let text = page.text().await.unwrap();
    let (_, state) = text.split_once("data-testid=\"guest-state\">").unwrap();
    state.split_once('<').unwrap().0.to_owned()
}
