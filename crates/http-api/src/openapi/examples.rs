//! The examples of `/openapi.json`: a file for each operation, and one of problems. `tests/contracts/run --record-examples` records
//! them from a running service; they are not written by hand.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::{Content, RefOr, example::Example};

macro_rules! recorded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("examples/", $name, ".json")))),*]
    };
}

/// What was recorded, by operation.
static RECORDED: &[(&str, &str)] = recorded![
    "get_adapters",
    "get_asyncapi_json",
    "get_audit",
    "get_batches",
    "get_batches_id",
    "get_batches_id_items",
    "get_closures",
    "get_closures_id",
    "get_closures_id_events",
    "get_closures_id_explain",
    "get_closures_id_timeline",
    "get_config",
    "get_conversations_conversationId_closures",
    "get_dead_letters",
    "get_dead_letters_id",
    "get_deliveries",
    "get_deliveries_id",
    "get_docs",
    "get_events",
    "get_ghosts",
    "get_ghosts_report",
    "get_ghosts_summary",
    "get_hooks_received",
    "get_livez",
    "get_metrics",
    "get_openapi_json",
    "get_readyz",
    "get_schemas_events_json",
    "get_sources",
    "get_version",
    "get_whoami",
    "post_batches",
    "post_batches_id_cancel",
    "post_batches_id_execute",
    "post_batches_id_pause",
    "post_batches_id_resume",
    "post_closures",
    "post_closures_id_cancel",
    "post_closures_id_force",
    "post_closures_id_resolve",
    "post_closures_id_retry",
    "post_closures_id_verify",
    "post_dead_letters_id_discard",
    "post_dead_letters_id_redrive",
    "post_deliveries_id_redeliver",
    "post_ghosts_id_claim",
    "post_ghosts_id_comment",
    "post_ghosts_id_snooze",
    "post_hooks_name",
    "post_outgoing_pause",
    "post_outgoing_resume",
    "post_sources_name_pause",
    "post_sources_name_resume",
];

/// What was refused, by the name that [`REFUSALS`] has for it.
const PROBLEMS: &str = include_str!("examples/problems.json");

/// Which problem stands for a status: the first line whose status fits, and whose words are in the path.
const REFUSALS: &[(u16, &str, &str)] = &[
    (400, "/hooks/", "hook_400"),
    (401, "/hooks/", "hook_401"),
    (404, "/hooks/", "hook_404"),
    (405, "/hooks/", "hook_405"),
    (413, "/hooks/", "hook_413"),
    (415, "/hooks/", "hook_415"),
    (503, "/hooks/", "hook_503"),
    (400, "", "invalid_json"),
    (401, "", "unauthenticated"),
    (403, "", "role_too_small"),
    (404, "/v1/batches/", "no_such_batch"),
    (404, "/v1/deliveries/", "no_such_delivery"),
    (404, "/v1/sources/", "no_such_source"),
    (404, "/v1/dead-letters/", "no_such_dead_letter"),
    (404, "", "no_such_closure"),
    (409, "/execute", "confirm_token_mismatch"),
    (409, "/v1/batches/", "batch_act_does_not_fit"),
    (409, "/v1/dead-letters/", "dead_letter_act_does_not_fit"),
    (409, "/claim", "claimed_by_another"),
    (409, "/{id}/", "act_does_not_fit"),
    (409, "", "contradicting_options"),
    (412, "", "version_changed"),
    (413, "", "body_too_large"),
    (415, "", "unsupported_media_type"),
    (422, "/redrive", "dead_letter_refused"),
    (429, "", "too_many_open"),
    (500, "", "unreadable_record"),
    (502, "", "genesys_unreachable"),
    (503, "", "store_unavailable"),
];

/// The examples of one operation.
pub(super) struct Examples {
    path: &'static str,
    recorded: Value,
    problems: Value,
}

impl Examples {
    /// Reads them. An operation of which nothing was recorded has none.
    pub(super) fn of(operation: &str, path: &'static str) -> Self {
        let recorded = RECORDED.iter().find(|(name, _)| *name == operation);
        Self {
            path,
            recorded: recorded.map_or(Value::Null, |(_, text)| read(text)),
            problems: read(PROBLEMS),
        }
    }

    /// A body that is sent, with its examples.
    pub(super) fn request(&self, kind: &str, content: Content) -> Content {
        with(&self.recorded["request"][kind], content)
    }

    /// A good answer, with its examples.
    pub(super) fn answer(&self, status: u16, kind: &str, content: Content) -> Content {
        with(&self.recorded["answers"][status.to_string()][kind], content)
    }

    /// A refusal, with its example.
    pub(super) fn refusal(&self, status: u16, mut content: Content) -> Content {
        content.example = self.problems.get(self.problem(status)).cloned();
        content
    }

    fn problem(&self, status: u16) -> &'static str {
        let fits = |line: &&(u16, &str, &str)| line.0 == status && self.path.contains(line.1);
        let named = REFUSALS.iter().find(fits).map(|(_, _, name)| *name);
        named.unwrap_or(match (self.path, self.recorded.get("request")) {
            ("/v1/closures", Some(_)) => "invalid_field",
            ("/v1/batches", Some(_)) => "unreadable_batch",
            (_, Some(_)) => "unknown_field",
            (_, None) => "unknown_parameter",
        })
    }
}

/// A media type with what was recorded of it: one example, or several under names.
fn with(media: &Value, mut content: Content) -> Content {
    content.example = media.get("example").cloned();
    if let Some(several) = media.get("examples") {
        content.examples = BTreeMap::<String, RefOr<Example>>::deserialize(several)
            .expect("the recorded examples have the shape of OpenAPI's, as a test has seen");
    }
    content
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("the recorded examples are JSON, as a test has seen")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::openapi::document;

    fn members(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
        node.as_object().into_iter().flatten()
    }

    fn described() -> Value {
        serde_json::to_value(document("1.2.3")).unwrap()
    }

    #[test]
    fn every_body_and_every_answer_has_an_example() {
        let described = described();
        let mut without = Vec::new();
        let mut count = 0;
        for (path, item) in members(&described["paths"]) {
            for (method, operation) in members(item) {
                let body = ("request".to_owned(), &operation["requestBody"]);
                let answers = members(&operation["responses"]).map(|(status, one)| (status.clone(), one));
                for (place, one) in answers.chain([body]) {
                    for (kind, media) in members(&one["content"]) {
                        count += 1;
                        if media.get("example").is_none() && media.get("examples").is_none() {
                            without.push(format!("{method} {path} {place} {kind}"));
                        }
                    }
                }
            }
        }
        assert!(without.is_empty(), "record these (tests/contracts/run --record-examples): {without:#?}");
        assert!(count > 300, "{count}");
    }

    #[test]
    fn every_file_of_examples_is_read_and_belongs_to_an_operation() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openapi/examples");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let read: BTreeSet<String> =
            RECORDED.iter().map(|(name, _)| *name).chain(["problems"]).map(str::to_owned).collect();
        assert_eq!(files, read);
        let described = described();
        let operations: BTreeSet<String> = members(&described["paths"])
            .flat_map(|(_, item)| members(item))
            .map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned())
            .chain(["problems".to_owned()])
            .collect();
        assert_eq!(files, operations);
    }

    #[test]
    fn a_problem_stands_for_its_own_status_and_none_is_idle() {
        let described = described();
        let mut seen = BTreeSet::new();
        for (path, item) in members(&described["paths"]) {
            for (status, answer) in members(item).flat_map(|(_, one)| members(&one["responses"])) {
                if let Some(problem) = answer["content"]["application/problem+json"].get("example") {
                    assert_eq!(problem["status"].to_string(), *status, "{path}");
                    seen.insert(problem.to_string());
                }
            }
        }
        let recorded: BTreeSet<_> =
            members(&read(PROBLEMS)).map(|(_, problem)| problem.to_string()).collect();
        assert_eq!(seen, recorded);
    }
}
