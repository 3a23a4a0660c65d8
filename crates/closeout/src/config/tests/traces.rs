//! `[traces]`: what is read of it, and what is refused.

use std::time::Duration;

use super::Scene;

#[test]
fn nothing_is_sent_unless_a_collector_is_named() {
    let traces = Scene::usual("").settings().unwrap().traces;
    assert_eq!((traces.endpoint, traces.percent, traces.keep), (None, 100, Duration::from_secs(900)));
}

#[test]
fn a_collector_is_read_with_its_secrets() {
    let mut scene = Scene::usual(
        "[traces]\nendpoint = \"https://otlp.example/otlp\"\nheaders = [\"env:OTLP\"]\nsample_percent = 5\n\
         trouble_always = false\nservice_name = \"closeout-eu\"\n",
    );
    scene.set("OTLP", "Authorization: Basic planted");
    let settings = scene.settings().unwrap();
    let traces = &settings.traces;
    assert_eq!(traces.endpoint.as_ref().unwrap().as_str(), "https://otlp.example/otlp/v1/traces");
    assert_eq!(traces.headers["authorization"], "Basic planted");
    assert_eq!((traces.percent, traces.trouble_always, traces.service.as_str()), (5, false, "closeout-eu"));
    let place = &traces.places[&"main".parse().unwrap()];
    assert_eq!(place.port, 443);
    assert!(!format!("{settings:?}").contains("planted"));
}

#[test]
fn what_is_wrong_with_traces_is_said_without_secrets() {
    for (lines, said) in [
        ("endpoint = \"collector\"", "is not an address such as http://collector:4318"),
        ("endpoint = \"grpc://collector:4317\"", "is not an address such as http://collector:4318"),
        ("headers = [\"planted\"]", "a header is written as Name: value, one in each text"),
        ("sample_percent = 101", "is not a whole number from 0 to 100"),
    ] {
        let problems = Scene::usual(&format!("[traces]\n{lines}\n")).settings().unwrap_err();
        let told = format!("{problems:?}");
        assert!(told.contains(said) && !told.contains("planted"), "{lines}: {told}");
    }
}
