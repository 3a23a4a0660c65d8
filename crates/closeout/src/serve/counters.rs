//! Counters that are on the page of metrics from the start, at 0: a rate over a series that is not there yet cannot be told
//! from one over a series that is gone.

use genesys_types::Organisation;
use http_api::{Role, UNKNOWN_HOOK};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
use orchestrator::names;
use webhook_receiver::HookResult;

/// What becomes of a command.
const COMMAND_RESULTS: [&str; 6] = ["accepted", "attached", "repeated", "refused", "full", "unavailable"];

/// What becomes of what is published back.
const ENDING_RESULTS: [&str; 5] = ["published", "failed", "undeliverable", "answered", "unanswered"];

/// What becomes of an event of a sender that has proven itself.
const CONFIRMATION_RESULTS: [HookResult; 6] = [
    HookResult::Taken,
    HookResult::NothingNew,
    HookResult::Unmatched,
    HookResult::NotAnEnding,
    HookResult::Duplicate,
    HookResult::Conflict,
];

/// What operators do.
const ACTIONS: [&str; 12] = [
    "retry",
    "cancel",
    "verify",
    "force",
    "resolve",
    "pause_outgoing",
    "resume_outgoing",
    "redeliver",
    "pause_source",
    "resume_source",
    "redrive",
    "discard",
];

/// What comes of a try to tell a receiver.
const CALLBACK_RESULTS: [&str; 6] = ["delivered", "retry", "gone", "failed", "given_up", "refused"];

/// What becomes of a message of a queue.
const MESSAGE_RESULTS: [HookResult; 9] = [
    HookResult::Taken,
    HookResult::NothingNew,
    HookResult::Unmatched,
    HookResult::NotAnEnding,
    HookResult::Duplicate,
    HookResult::Conflict,
    HookResult::Undecodable,
    HookResult::Foreign,
    HookResult::Unavailable,
];

/// Describes what is measured, and begins every counter whose labels are known.
pub fn begin(organisations: &[Organisation], hooks: &[String], queues: &[String], sockets: &[String]) {
    describe();
    // A queue holds back by itself; it is never told to come again.
    for result in COMMAND_RESULTS.into_iter().chain(["shed"]) {
        counter!("closeout_commands_received_total", "source" => "http", "result" => result).increment(0);
    }
    for result in CALLBACK_RESULTS {
        counter!("closeout_callbacks_total", "result" => result).increment(0);
    }
    for organisation in organisations {
        of_organisation(organisation);
    }
    for adapter in hooks.iter().chain(queues).chain(sockets) {
        for result in CONFIRMATION_RESULTS {
            counter!("closeout_confirmations_total", "adapter" => adapter.clone(), "result" => result.name())
                .increment(0);
        }
    }
    for adapter in hooks.iter().chain(queues).chain(sockets) {
        let lost = names::WEBHOOK_LOST;
        counter!("closeout_confirmations_total", "adapter" => adapter.clone(), "result" => lost).increment(0);
    }
    for queue in queues {
        for result in MESSAGE_RESULTS {
            counter!("closeout_queue_messages_total", "adapter" => queue.clone(), "result" => result.name())
                .increment(0);
        }
    }
    for hook in hooks {
        let no_webhooks = [HookResult::UnknownHook, HookResult::Foreign];
        for result in HookResult::ALL.into_iter().filter(|result| !no_webhooks.contains(result)) {
            counter!("closeout_hooks_received_total", "name" => hook.clone(), "result" => result.name())
                .increment(0);
        }
    }
    let unknown = HookResult::UnknownHook.name();
    counter!("closeout_hooks_received_total", "name" => UNKNOWN_HOOK, "result" => unknown).increment(0);
    for action in ACTIONS {
        for role in [Role::Operate, Role::Admin] {
            counter!("closeout_operator_actions_total", "action" => action, "role" => role.name())
                .increment(0);
        }
    }
}

/// Begins what is counted of each source of commands.
pub fn begin_sources(sources: &[String]) {
    for source in sources {
        for result in COMMAND_RESULTS.into_iter().chain(["unreadable"]) {
            counter!("closeout_commands_received_total", "source" => source.clone(), "result" => result)
                .increment(0);
        }
        for result in ENDING_RESULTS {
            counter!("closeout_source_endings_total", "source" => source.clone(), "result" => result)
                .increment(0);
        }
        counter!("closeout_source_reopened_total", "source" => source.clone()).increment(0);
    }
}

fn of_organisation(organisation: &Organisation) {
    let org = || organisation.as_str().to_owned();
    for outcome in names::STATES.into_iter().skip_while(|state| *state != "closed") {
        counter!("closeout_closures_total", "org" => org(), "outcome" => outcome).increment(0);
    }
    for reason in names::GHOST_REASONS {
        counter!("closeout_ghosts_total", "org" => org(), "reason" => reason).increment(0);
    }
    for followed in ["yes", "no"] {
        counter!("closeout_guest_returns_total", "org" => org(), "followed" => followed).increment(0);
    }
    counter!("closeout_genesys_throttled_seconds_total", "org" => org()).increment(0);
}

fn describe() {
    for (name, about) in [
        ("closeout_commands_received_total", "Commands received, by source and what became of them."),
        ("closeout_closures_total", "Closures that ended, by end."),
        ("closeout_ghosts_total", "Ghosts found, by reason."),
        (
            "closeout_guest_returns_total",
            "Guests who came back after the end, by whether they are closed again.",
        ),
        ("closeout_confirmations_total", "Events of proven senders, by adapter and what became of them."),
        ("closeout_queue_messages_total", "Messages of queues, by adapter and what became of them."),
        ("closeout_queue_faults_total", "Requests to queues that failed, by adapter, action and kind."),
        ("closeout_hooks_received_total", "Requests to hooks, by hook and what became of them."),
        (
            "closeout_genesys_requests_total",
            "Requests to Genesys, by operation and class of the answer's status.",
        ),
        ("closeout_genesys_throttled_seconds_total", "Seconds for which Genesys asked to hold back."),
        (
            "closeout_source_faults_total",
            "Requests to the brokers of sources that failed, by source, action and kind.",
        ),
        ("closeout_source_reopened_total", "Sources that stood still and were opened anew."),
        (
            "closeout_source_endings_total",
            "Endings and answers published back, by source and what became of them.",
        ),
        ("closeout_operator_actions_total", "What operators did, by act and role of the key."),
    ] {
        describe_counter!(name, about);
    }
    for (name, about) in [
        ("closeout_closures_open", "Open closures, by state."),
        ("closeout_oldest_open_age_seconds", "Age of the oldest open closure, by state."),
        ("closeout_ghosts_open", "Ghosts that are held, by reason."),
        ("closeout_quarantined", "Stored records that cannot be read and were set aside."),
        (
            "closeout_adapter_last_event_timestamp_seconds",
            "When a proven sender was last heard, in Unix seconds.",
        ),
        ("closeout_adapter_lag_seconds", "How long after it happened the last event of an adapter came in."),
        (
            "closeout_adapter_silent",
            "Whether no event of an adapter arrives although closures wait (1) or not (0).",
        ),
        ("closeout_source_lag_messages", "Messages that wait in a queue, approximately."),
        ("closeout_source_paused", "Whether an operator paused a source (1) or not (0)."),
        ("closeout_dead_letters", "Commands that could not be taken and wait for somebody, by source."),
        ("closeout_genesys_ratelimit_remaining", "Requests left in the present window."),
        ("closeout_build_info", "Always 1; the version is a label."),
    ] {
        describe_gauge!(name, about);
    }
    for (name, about) in [
        ("closeout_time_to_confirm_seconds", "Time from the first close that was asked until its proof."),
        ("closeout_genesys_request_duration_seconds", "Time of one request to Genesys."),
    ] {
        describe_histogram!(name, about);
    }
}
