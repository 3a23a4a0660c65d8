//! A collector over real HTTP, which decodes what it gets by the official definitions.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinHandle};

/// What the collector answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Status(u16),
    /// 503, and when to come again, in seconds.
    Busy(u32),
    /// Taken, but for so many spans.
    Partly(i64),
    Never,
}

#[derive(Clone, Default)]
struct Inside {
    got: Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest, u16)>>>,
    /// What it answers next; when there is nothing left, 200.
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

pub(super) struct TestCollector {
    pub(super) address: String,
    inside: Inside,
    serving: JoinHandle<()>,
}

impl Drop for TestCollector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl TestCollector {
    pub(super) async fn listen(answers: &[Answer]) -> Self {
        Self::listen_at("127.0.0.1:0", answers).await
    }

    pub(super) async fn listen_at(address: &str, answers: &[Answer]) -> Self {
        let inside = Inside::default();
        inside.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let keep = inside.clone();
        let take = move |headers: HeaderMap, body: Bytes| async move { keep.take(headers, &body).await };
        let router = Router::new().route("/v1/traces", post(take));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inside, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came, whatever they were answered.
    pub(super) fn requests(&self) -> usize {
        self.inside.got.lock().unwrap().len()
    }

    /// What it has taken.
    pub(super) fn taken(&self) -> Vec<(HeaderMap, ExportTraceServiceRequest)> {
        let got = self.inside.got.lock().unwrap();
        let taken = got.iter().filter(|(_, _, status)| *status == 200);
        taken.map(|(headers, request, _)| (headers.clone(), request.clone())).collect()
    }

    /// The spans that it has taken.
    pub(super) fn spans(&self) -> Vec<Span> {
        let requests = self.taken().into_iter().map(|(_, request)| request);
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// Its spans without a parent, by the last byte of their traces.
    pub(super) fn roots(&self) -> Vec<u8> {
        let roots = self.spans().into_iter().filter(|span| span.parent_span_id.is_empty());
        roots.map(|span| span.trace_id[15]).collect()
    }
}

impl Inside {
    async fn take(self, headers: HeaderMap, body: &[u8]) -> Response {
        assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
        let status = match answer {
            Answer::Status(status) => status,
            Answer::Busy(_) => 503,
            Answer::Partly(_) => 200,
            Answer::Never => 0,
        };
        self.got.lock().unwrap().push((headers, request, status));
        match answer {
            Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
            Answer::Busy(after) => {
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, after.to_string())]).into_response()
            }
            Answer::Partly(rejected_spans) => {
                let error_message = "too many attributes".to_owned();
                let partly = ExportTracePartialSuccess { rejected_spans, error_message };
                ExportTraceServiceResponse { partial_success: Some(partly) }.encode_to_vec().into_response()
            }
            Answer::Never => std::future::pending().await,
        }
    }
}
