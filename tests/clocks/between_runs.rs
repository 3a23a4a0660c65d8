//! The clock is set while the service is down.

use genesys_simulator::Preset;
use serde_json::json;

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_delays_no_ghost() {
    for jump in ["-1h", "-1d"] {
        let mut machine = Machine::begin("webhook_only").await;
        let doomed = machine.doomed().await;
        machine.scene.kill();
        machine.set(jump);
        machine.scene.start().await;
        doomed.is_a_ghost_in_time(&machine, jump).await;
        assert!(machine.scene.log().contains("the machine's clock is behind"), "{}", machine.scene.log());
        // And back again, as the machine finds the true time.
        let later = machine.doomed().await;
        machine.scene.kill();
        machine.set("+0");
        machine.scene.start().await;
        later.is_a_ghost_in_time(&machine, jump).await;
    }
}

/// Whether the machine slept for a day or its clock was set, nobody can say. What Genesys shows decides, and not the time alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_forward_makes_no_ghost_of_a_guest_who_is_gone() {
    for jump in ["+1h", "+1d"] {
        let mut machine = Machine::begin("webhook_or_read_back").await;
        let conversation = machine.conversation(Some(Preset::LostWebhook));
        let closure = machine.scene.close(conversation, "0s").await;
        let id = closure["id"].as_str().unwrap();
        machine.scene.settled(id, &["awaiting_confirmation"]).await;
        machine.scene.kill();
        machine.set(jump);
        machine.scene.start().await;
        let closed = machine.scene.settled(id, &["closed", "ghost"]).await;
        assert_eq!(closed["state"], json!("closed"), "{jump}: {closed}");
    }
}
