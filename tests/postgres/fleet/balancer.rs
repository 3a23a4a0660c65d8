//! What stands before the services: it asks any of them, and goes on to the next where one does not answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::replicas::Replica;

#[derive(Clone)]
struct Balancer {
    replicas: Vec<Arc<Replica>>,
    client: reqwest::Client,
}

/// Serves on a listener, for as long as the test runs.
pub fn serve(listener: TcpListener, replicas: Vec<Arc<Replica>>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build().unwrap();
    let router = Router::new().fallback(pass_on).with_state(Balancer { replicas, client });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
}

async fn pass_on(
    State(this): State<Balancer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let first = usize::from(Uuid::new_v4().as_bytes()[0]);
    for turn in first..first + this.replicas.len() {
        let replica = &this.replicas[turn % this.replicas.len()];
        let url = format!("http://127.0.0.1:{}{path}", replica.port);
        let asked = this.client.request(method.clone(), url).headers(headers.clone()).body(body.clone());
        let Ok(answer) = asked.send().await else { continue };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
            response = response.header(name, value);
        }
        let Ok(bytes) = answer.bytes().await else { continue };
        return response.body(Body::from(bytes)).unwrap();
    }
    Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap()
}
