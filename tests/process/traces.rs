//! Traces out: a collector on loopback gets one trace for each closure, linked to what its producer sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use closeout_tests::{Scene, SceneOptions, wait_until};
use genesys_simulator::NewConversation;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;

/// A collector: what it got, by the trace.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn listen() -> Self {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&spans);
        let take = move |headers: HeaderMap, body: Bytes| async move {
            assert_eq!(headers["x-scope-orgid"], "tenant-1");
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let resources = request.resource_spans.into_iter();
            let found = resources.flat_map(|one| one.scope_spans).flat_map(|scope| scope.spans);
            keep.lock().unwrap().extend(found);
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, spans }
    }

    fn traces(&self) -> BTreeMap<String, Vec<Span>> {
        let mut traces = BTreeMap::<_, Vec<_>>::new();
        for span in self.spans.lock().unwrap().iter() {
            traces.entry(hex(&span.trace_id)).or_default().push(span.clone());
        }
        traces
    }

    fn tables(&self) -> SceneOptions {
        let callbacks =
            format!("[traces]\nendpoint = \"{}\"\nheaders = [\"X-Scope-OrgID: tenant-1\"]\n", self.address);
        SceneOptions { callbacks, ..SceneOptions::default() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()?;
    if let Value::StringValue(text) = value { Some(text.clone()) } else { None }
}

/// Waiting for the end of the program holds up one thread; the collector needs another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_closure_is_one_trace_that_is_linked_to_its_producers() {
    let collector = Collector::listen().await;
    let mut scene = Scene::begin(collector.tables()).await;
    let made = scene.simulator.create(&NewConversation::default().count(6)).unwrap();
    let mut asked = BTreeMap::new();
    for (number, made) in made.iter().enumerate() {
        let trace = format!("{:032x}", 0xabc0 + number);
        let header = format!("00-{trace}-00f067aa0ba902b7-01");
        let request = reqwest::Client::new()
            .post(format!("{}/v1/closures?wait=20s", scene.base))
            .bearer_auth(scene.environment()[1].1)
            .header("traceparent", header)
            .json(&json!({ "conversationId": made.conversation_id }));
        let closure: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(closure["state"], "closed", "{closure}");
        asked.insert(closure["id"].as_str().unwrap().to_owned(), trace);
    }
    // Nobody waits: what ended last is told while the program stops.
    assert_eq!(scene.terminate(), 0);
    let traces = collector.traces();
    assert_eq!(traces.len(), asked.len(), "{}", scene.log());
    for (id, spans) in &traces {
        let roots: Vec<_> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
        let [root] = roots[..] else { panic!("{id} has {} roots", roots.len()) };
        let closure = text(&root.attributes, "closeout.closure.id").unwrap();
        let [link] = &root.links[..] else { panic!("{:?}", root.links) };
        assert_eq!(
            (hex(&link.trace_id), hex(&link.span_id)),
            (asked[&closure].clone(), "00f067aa0ba902b7".to_owned())
        );
        let calls: Vec<_> =
            spans.iter().filter_map(|span| text(&span.attributes, "closeout.call.request")).collect();
        assert_eq!(calls, ["read", "close_participant", "close_wrapper"], "{spans:#?}");
        assert!(root.events.iter().any(|event| event.name == "evidence"), "{root:?}");
    }
}

#[tokio::test]
async fn after_a_kill_what_was_not_told_is_told_and_what_was_told_is_the_same() {
    let collector = Collector::listen().await;
    let mut scene = Scene::begin(collector.tables()).await;
    let made = scene.simulator.create(&NewConversation::default().count(20)).unwrap();
    for made in &made {
        scene.close(made.conversation_id, "20s").await;
    }
    scene.kill();
    scene.start().await;
    let all = wait_until(Duration::from_secs(20), || async {
        (collector.traces().len() == made.len()).then_some(())
    });
    assert!(all.await.is_some(), "{} traces: {}", collector.traces().len(), scene.log());
    for spans in collector.traces().values() {
        let mut known = BTreeMap::new();
        for span in spans {
            assert_eq!(known.entry(span.span_id.clone()).or_insert(span), &span, "it is told otherwise");
        }
    }
}
