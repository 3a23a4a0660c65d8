//! The clock is set while closures wait.

use std::time::Duration;

use serde_json::json;

use crate::machine::{JUMPS, Machine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_moves_no_wait() {
    for (jump, seconds) in JUMPS {
        let machine = Machine::begin("webhook_only").await;
        let doomed = machine.doomed().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        machine.set(jump);
        let differs = machine.differs_by().await;
        assert!((differs - seconds).abs() < 60, "{jump}: its clock differs by {differs} s");
        // What comes afterwards is closed as ever.
        for _ in 0..3 {
            let closed = machine.scene.close(machine.conversation(None), "20s").await;
            assert_eq!(closed["state"], json!("closed"), "{jump}: {closed}");
        }
        let later = machine.doomed().await;
        doomed.is_a_ghost_in_time(&machine, jump).await;
        later.is_a_ghost_in_time(&machine, jump).await;
        machine.set("+0");
        let closed = machine.scene.close(machine.conversation(None), "20s").await;
        assert_eq!(closed["state"], json!("closed"), "{jump} and back: {closed}");
        assert!(machine.scene.simulator.verdict().clean, "{jump}");
    }
}
