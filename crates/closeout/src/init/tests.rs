//! The kit, read by a parser of HCL, in every combination of its options.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum as _;
use event_bodies::Decoder;
use hcl::{Body, Expression, Structure};

use super::{
    display_name, hook_name,
    kit::{Evidence, File, Verify, Wanted, files},
    write,
};
use crate::{
    exit::Exit,
    permissions::{self, Act},
};

const WAYS: [&[Evidence]; 4] =
    [&[Evidence::None], &[Evidence::Webhook], &[Evidence::Sqs], &[Evidence::Webhook, Evidence::Sqs]];

fn kit(acts: &[Act], evidence: &[Evidence], verify: Verify) -> Vec<File> {
    files(&Wanted { acts, evidence, hook: "genesys", verify, name: "Closeout" })
}

fn text<'a>(files: &'a [File], name: &str) -> &'a str {
    &files.iter().find(|file| file.name == name).unwrap().text
}

fn parsed(files: &[File]) -> Vec<(&'static str, Body)> {
    let terraform = files.iter().filter(|file| file.name.ends_with(".tf"));
    terraform
        .map(|file| (file.name, hcl::parse(&file.text).unwrap_or_else(|e| panic!("{}: {e}", file.name))))
        .collect()
}

/// Every block of the kit by its kind and labels: `resource.genesyscloud_flow.closeout`.
fn blocks(files: &[File]) -> BTreeMap<String, Body> {
    let mut found = BTreeMap::new();
    for (name, body) in parsed(files) {
        for block in body.into_blocks() {
            let labels = block.labels.iter().map(|label| label.as_str().to_owned());
            let path: Vec<_> = std::iter::once(block.identifier.to_string()).chain(labels).collect();
            let twice = found.insert(path.join("."), block.body);
            assert!(twice.is_none(), "{name} says {path:?} a second time");
        }
    }
    found
}

fn attribute<'a>(body: &'a Body, name: &str) -> Option<&'a Expression> {
    body.attributes().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.expr)
}

fn said(body: &Body, name: &str) -> String {
    match attribute(body, name) {
        Some(Expression::String(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The permissions that the role of a kit holds.
fn granted(files: &[File]) -> BTreeSet<String> {
    let all = blocks(files);
    let role = &all["resource.genesyscloud_auth_role.closeout"];
    let policies = role.blocks().filter(|block| block.identifier.as_str() == "permission_policies");
    let mut granted = BTreeSet::new();
    for policy in policies {
        let Some(Expression::Array(actions)) = attribute(&policy.body, "action_set") else {
            panic!("no actions")
        };
        for action in actions {
            let Expression::String(action) = action else { panic!("{action:?}") };
            let (domain, entity) = (said(&policy.body, "domain"), said(&policy.body, "entity_name"));
            assert!(granted.insert(format!("{domain}:{entity}:{action}")), "granted twice");
        }
    }
    granted
}

#[test]
fn the_role_holds_exactly_what_the_acts_need() {
    let all = Act::value_variants();
    for mask in 0..(1_u32 << all.len()) {
        let acts: Vec<Act> = all
            .iter()
            .enumerate()
            .filter(|(index, _)| mask & (1 << index) != 0)
            .map(|(_, act)| *act)
            .collect();
        let expected: BTreeSet<String> = permissions::of_role(&acts).into_iter().map(str::to_owned).collect();
        assert_eq!(granted(&kit(&acts, &[Evidence::None], Verify::Bearer)), expected, "{acts:?}");
    }
}

#[test]
fn each_way_has_its_files_and_providers_and_no_others() {
    for ways in WAYS {
        let files = kit(&[], ways, Verify::Bearer);
        let names: BTreeSet<&str> = files.iter().map(|file| file.name).collect();
        let (webhook, sqs) = (ways.contains(&Evidence::Webhook), ways.contains(&Evidence::Sqs));
        assert_eq!(names.contains("webhook.tf"), webhook);
        assert_eq!(names.contains("closeout_workflow.yaml"), webhook);
        assert_eq!(names.contains("eventbridge.tf"), sqs);
        let all = blocks(&files);
        assert_eq!(all.contains_key("provider.aws"), sqs);
        assert_eq!(text(&files, "versions.tf").contains("hashicorp/aws\""), sqs);
        assert!(text(&files, "versions.tf").contains("mypurecloud/genesyscloud\""));
        assert_eq!(all.contains_key("resource.genesyscloud_processautomation_trigger.closeout"), webhook);
        assert!(files.iter().all(|file| !file.text.contains('@')), "a blank was left");
        assert!(files.iter().all(|file| file.text.ends_with('\n') && !file.text.contains('\t')));
    }
}

#[test]
fn whatever_is_referred_to_is_there() {
    for ways in WAYS {
        let files = kit(Act::value_variants(), ways, Verify::Header);
        let all = blocks(&files);
        let code: String = parsed(&files).iter().map(|(_, body)| hcl::to_string(body).unwrap()).collect();
        let locals: BTreeSet<String> = all
            .get("locals")
            .map(|body| body.attributes().map(|attribute| attribute.key.to_string()).collect())
            .unwrap_or_default();
        let mut seen = 0;
        for word in
            code.split(|character: char| !character.is_alphanumeric() && !matches!(character, '_' | '.'))
        {
            let parts: Vec<&str> = word.split('.').collect();
            let missing = match parts.as_slice() {
                ["var", name, ..] => !all.contains_key(&format!("variable.{name}")),
                ["local", name, ..] => !locals.contains(*name),
                ["data", kind, name, ..] => !all.contains_key(&format!("data.{kind}.{name}")),
                [kind, name, ..] if kind.starts_with("genesyscloud_") || kind.starts_with("aws_") => {
                    !all.contains_key(&format!("resource.{kind}.{name}"))
                }
                _ => continue,
            };
            seen += 1;
            assert!(!missing, "{word} is nowhere in {ways:?}");
        }
        assert!(seen >= 5, "{seen} references in {ways:?}");
    }
}

#[test]
fn secrets_are_asked_for_and_hidden() {
    for ways in WAYS {
        let all = blocks(&kit(&[], ways, Verify::Bearer));
        for (path, body) in &all {
            let secret = ["secret", "key"].iter().any(|word| path.ends_with(word));
            let secret = secret && path != "variable.expose_client_secret";
            if secret && (path.starts_with("variable.") || path.starts_with("output.")) {
                assert_eq!(attribute(body, "sensitive"), Some(&Expression::Bool(true)), "{path}");
                assert!(attribute(body, "default").is_none(), "{path} has a value");
            }
        }
        assert_eq!(all.contains_key("variable.closeout_hook_key"), ways.contains(&Evidence::Webhook));
    }
}

#[test]
fn what_the_data_action_sends_is_read_as_the_end_of_the_guest() {
    let files = kit(&[], &[Evidence::Webhook], Verify::Bearer);
    let all = blocks(&files);
    let action = &all["resource.genesyscloud_integration_action.closeout"];
    let request = action.blocks().find(|block| block.identifier.as_str() == "config_request").unwrap();
    let Some(Expression::FuncCall(call)) = attribute(&request.body, "request_template") else {
        panic!("no body")
    };
    let Expression::Object(fields) = &call.args[0] else { panic!("{:?}", call.args) };
    let ids = [
        ("conversationId", "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11"),
        ("participantId", "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01"),
        ("sessionId", "11111111-aaaa-4aaa-8aaa-000000000001"),
    ];
    let mut body = serde_json::Map::new();
    for (name, value) in fields {
        let text = if let Expression::String(text) = value {
            text.clone()
        } else if let Expression::TemplateExpr(template) = value {
            // What Terraform leaves as it is: `$${…}` becomes `${…}`.
            template.to_string().trim_matches('"').replace("$${", "${")
        } else {
            panic!("{value:?}")
        };
        let text = ids.iter().fold(text, |text, (name, id)| text.replace(&format!("${{input.{name}}}"), id));
        body.insert(name.to_string(), text.into());
    }
    let sent = serde_json::to_vec(&body).unwrap();
    let reading = event_bodies::read(Decoder::Closeout, &sent).unwrap();
    assert_eq!(reading.conversation, Some(ids[0].1.parse().unwrap()));
    let left = closure_machine::What::GuestLeft {
        participant: Some(ids[1].1.parse().unwrap()),
        communication: Some(ids[2].1.parse().unwrap()),
    };
    assert_eq!(reading.what, Some(left));
    let workflow = text(&files, "closeout_workflow.yaml");
    for (name, _) in ids {
        assert!(workflow.contains(&format!("name: Flow.{name}\n")), "{name} is no input");
        assert!(
            workflow.contains(&format!("{name}:\n                          exp: Flow.{name}\n")),
            "{name}"
        );
    }
}

#[test]
fn both_ends_of_the_webhook_agree_on_the_key() {
    for (verify, header, setting) in [
        (Verify::Bearer, "\"Authorization\" = \"Bearer $${credentials.key}\"", "verify = \"bearer\""),
        (Verify::Header, "\"X-Closeout-Key\" = \"$${credentials.key}\"", "header = \"X-Closeout-Key\""),
    ] {
        let files = kit(&[], &[Evidence::Webhook], verify);
        let webhook = text(&files, "webhook.tf").to_owned();
        assert!(webhook.contains(header), "{webhook}");
        assert!(webhook.contains(setting), "{webhook}");
        assert!(webhook.contains("/hooks/genesys\""), "{webhook}");
    }
}

#[test]
fn what_belongs_into_the_configuration_is_taken_by_it() {
    let files = kit(&[], &[Evidence::Webhook, Evidence::Sqs], Verify::Header);
    let mut configuration =
        "[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"a\"\nclient_secret = \"b\"\n".to_owned();
    for file in &files {
        for part in file.text.split("<<-TOML\n").skip(1) {
            let lines = part.split("  TOML\n").next().unwrap().lines();
            configuration.extend(lines.map(|line| format!("{}\n", line.trim())));
        }
    }
    let configuration = configuration
        .replace(
            "${aws_sqs_queue.closeout.url}",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/closeout-events",
        )
        .replace(
            "${local.closeout_event_source}",
            "aws.partner/genesys.com/cloud/11111111-2222-4333-8444-555555555555",
        );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("closeout.toml");
    let key = crate::config::tokens::fresh_key();
    std::fs::write(
        folder.path().join("tokens.toml"),
        crate::config::tokens::file_with("admin", &key, "main"),
    )
    .unwrap();
    std::fs::write(&file, configuration + "[auth]\ntokens_file = \"tokens.toml\"\n").unwrap();
    let mut variables = crate::config::Variables::default();
    variables.0.insert("CLOSEOUT_HOOK_KEY".to_owned(), "0123456789abcdef".to_owned());
    let from = crate::config::FromCommandLine { file: Some(file), flags: Vec::new() };
    let (_, settings) = crate::config::load(&from, &variables).unwrap();
    assert_eq!((settings.hooks.len(), settings.queues.len()), (1, 1));
}

#[test]
fn nothing_is_overwritten_without_leave() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/genesys");
    let files = kit(&[], &[Evidence::Webhook], Verify::Bearer);
    write::into(&out, &files, false).unwrap();
    std::fs::write(out.join("access.tf"), "mine").unwrap();
    std::fs::remove_file(out.join("versions.tf")).unwrap();
    let refused = write::into(&out, &files, false).unwrap_err();
    assert_eq!(refused.exit, Exit::Conflict);
    assert_eq!(std::fs::read_to_string(out.join("access.tf")).unwrap(), "mine");
    assert!(!out.join("versions.tf").exists(), "it was written beside one that was refused");
    write::into(&out, &files, true).unwrap();
    assert_eq!(std::fs::read_to_string(out.join("access.tf")).unwrap(), text(&files, "access.tf"));
}

#[test]
fn names_cannot_break_out_of_the_texts() {
    for bad in ["", "a\"b", "${x}", "a\nb", "@NAME@", "1st", "end "] {
        assert!(display_name(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a/b", "A", "a b", "\"", "a_b"] {
        assert!(hook_name(bad).is_err(), "{bad:?}");
    }
    assert_eq!(display_name("Closeout test 2").unwrap(), "Closeout test 2");
    assert_eq!(hook_name("genesys-2").unwrap(), "genesys-2");
}

#[test]
fn the_topics_are_those_that_the_page_about_evidence_names() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evidence-sqs.md")).unwrap();
    let files = kit(&[], &[Evidence::Sqs], Verify::Bearer);
    let kit = text(&files, "eventbridge.tf");
    let topics: Vec<&str> = kit.split('"').filter(|word| word.starts_with("v2.detail.events")).collect();
    assert_eq!(topics.len(), 2);
    assert!(topics.iter().all(|topic| page.contains(&format!("| `{topic}` |"))), "{topics:?}");
    for action in
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    {
        assert!(kit.contains(action) && page.contains(action), "{action}");
    }
    let body = &blocks(&files)["terraform"];
    assert!(body.iter().any(
        |part| matches!(part, Structure::Block(block) if block.identifier.as_str() == "required_providers")
    ));
}
