//! `GET /docs`: the description of this API as a page that people read. It is written once, from `/openapi.json`, and needs
//! nothing but itself: no script, nothing from elsewhere.

mod shape;

use axum::response::Response;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::shape::{escaped, prose, shape};
use crate::call::{Answer, Call};

/// How the page looks. It stands in the page, and the page's policy names its digest.
const STYLE: &str = include_str!("../documents/reference.css");

/// What operations without a version are about.
const SERVICE: &str = "the service itself";

/// The page, and what a browser may do with it.
pub(crate) struct Page {
    html: Bytes,
    policy: HeaderValue,
}

/// `GET /docs`.
pub(crate) async fn page(call: Call) -> Answer {
    call.query()?.finish()?;
    let Page { html, policy } = call.shared.documents.reference();
    let mut response = Response::new(axum::body::Body::from(html.clone()));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ] {
        headers.insert(name, value);
    }
    Ok(response)
}

impl Page {
    /// Writes the page of a description, which is that of `/openapi.json`, and of the events' schemas.
    pub(crate) fn of(description: &[u8], events: &str) -> Self {
        let read =
            |text| serde_json::from_slice::<Value>(text).expect("the documents are JSON, as a test has seen");
        let html = Bytes::from(written(&read(description), &read(events.as_bytes())));
        let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let policy = HeaderValue::try_from(policy).expect("base64 is visible ASCII");
        Self { html, policy }
    }
}

fn written(description: &Value, events: &Value) -> String {
    let info = &description["info"];
    let mut operations: Vec<_> = operations(description).collect();
    operations.sort_by_key(|operation| operation.group() == SERVICE);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Closeout: the HTTP API</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Closeout: the HTTP API</h1>\n\
         <p class=\"dim\">Version {}</p>\n<p>{}</p>\n\
         <p>For programs: <a href=\"/openapi.json\">OpenAPI 3.1</a>, <a href=\"/asyncapi.json\">AsyncAPI 3.0</a> of queues and \
         callbacks, <a href=\"/schemas/events.json\">JSON Schema</a> of the events. For operators: <a href=\"/\">the console</a>.</p>\n\
         </header>\n",
        escaped(text(&info["version"])),
        prose(text(&info["description"])),
    );
    page.push_str("<nav aria-label=\"Contents\">\n<h2>Contents</h2>\n");
    let mut group = "";
    for operation in &operations {
        let own = operation.group();
        if own != group {
            let close = if group.is_empty() { "" } else { "</ul></details>\n" };
            page.push_str(&format!("{close}<details><summary>{}</summary><ul>\n", escaped(own)));
            group = own;
        }
        page.push_str(&format!(
            "<li><a href=\"#{}\">{}</a></li>\n",
            escaped(operation.id()),
            operation.title()
        ));
    }
    page.push_str("</ul></details>\n<p><a href=\"#schemas\">Schemas</a>, <a href=\"#events\">events</a></p>\n</nav>\n<main>\n<h2>Operations</h2>\n");
    operations.iter().for_each(|operation| operation.write(&mut page));
    page.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in members(&description["components"]["schemas"]) {
        write_schema(&mut page, name, schema);
    }
    write_events(&mut page, events);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// One operation of the description.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    described: &'a Value,
}

fn operations(description: &Value) -> impl Iterator<Item = Operation<'_>> {
    members(&description["paths"]).flat_map(|(path, item)| {
        members(item).map(move |(method, described)| Operation { method, path, described })
    })
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text(&self.described["operationId"])
    }

    /// What the operation is about: the first word of its path, or the service where the path has no version.
    fn group(&self) -> &str {
        let versioned = self.path.strip_prefix("/v1/");
        versioned.map_or(SERVICE, |path| path.split('/').next().unwrap_or_default())
    }

    fn title(&self) -> String {
        format!(
            "<span class=\"{0}\">{1}</span> <code>{2}</code>",
            escaped(self.method),
            escaped(&self.method.to_uppercase()),
            escaped(self.path)
        )
    }

    fn write(&self, page: &mut String) {
        let Self { described, .. } = self;
        page.push_str(&format!(
            "<section id=\"{}\">\n<h3>{}</h3>\n<p>{}</p>\n",
            escaped(self.id()),
            self.title(),
            prose(text(&described["summary"]))
        ));
        if let Some(more) = described["description"].as_str() {
            page.push_str(&format!("<p class=\"dim\">{}</p>\n", prose(more)));
        }
        let parameters = described["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !parameters.is_empty() {
            let rows = parameters.iter().map(|one| {
                [
                    format!("<code>{}</code>", escaped(text(&one["name"]))),
                    escaped(text(&one["in"])),
                    shape(&one["schema"]),
                    prose(text(&one["description"])),
                ]
            });
            table(page, "Parameters", ["Name", "Where", "Shape", "What it says"], rows);
        }
        let contents = members(&described["requestBody"]["content"]);
        let needed = if described["requestBody"]["required"] == true { "required" } else { "optional" };
        let bodies: Vec<_> = contents
            .map(|(kind, one)| [format!("<code>{}</code>", escaped(kind)), shape(&one["schema"])])
            .collect();
        if !bodies.is_empty() {
            table(page, &format!("Body, {needed}"), ["Media type", "Shape"], bodies.into_iter());
            examples(page, "Body", &described["requestBody"]);
        }
        let rows = members(&described["responses"]).map(|(status, one)| {
            let shapes: Vec<_> = members(&one["content"])
                .map(|(kind, one)| format!("<code>{}</code> {}", escaped(kind), shape(&one["schema"])))
                .collect();
            [escaped(status), prose(text(&one["description"])), shapes.join("<br>")]
        });
        table(page, "Answers", ["Status", "What it means", "Body"], rows);
        for (status, one) in members(&described["responses"]).filter(|(status, _)| status.starts_with('2')) {
            examples(page, &format!("Answer {status}"), one);
        }
        page.push_str("</section>\n");
    }
}

/// The examples of a body or an answer, folded away.
fn examples(page: &mut String, of: &str, one: &Value) {
    for (kind, media) in members(&one["content"]) {
        let only = media.get("example").map(|example| (String::new(), example));
        let several = members(&media["examples"])
            .map(|(_, example)| (format!(" {}", prose(text(&example["summary"]))), &example["value"]));
        for (about, example) in only.into_iter().chain(several) {
            let shown = example.as_str().map_or_else(|| format!("{example:#}"), str::to_owned);
            page.push_str(&format!(
                "<details class=\"example\"><summary>{}, for example <code>{}</code>{}</summary>\
                 <pre tabindex=\"0\"><code>{}</code></pre></details>\n",
                escaped(of),
                escaped(kind),
                if about.is_empty() { about } else { format!(":{about}") },
                escaped(&shown)
            ));
        }
    }
}

fn write_schema(page: &mut String, name: &str, schema: &Value) {
    page.push_str(&format!("<section id=\"schema-{0}\">\n<h3>{0}</h3>\n", escaped(name)));
    if let Some(about) = schema["description"].as_str() {
        page.push_str(&format!("<p>{}</p>\n", prose(about)));
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<_> = members(&schema["properties"])
        .map(|(member, one)| {
            let needed = if required.iter().any(|name| name == member) {
                ""
            } else {
                " <span class=\"dim\">optional</span>"
            };
            let about = prose(text(&one["description"]));
            let example = one.get("example").map_or_else(String::new, |example| {
                format!(" <span class=\"dim\">Such as</span> <code>{}</code>", escaped(&plain(example)))
            });
            [format!("<code>{}</code>{needed}", escaped(member)), shape(one), about + &example]
        })
        .collect();
    if rows.is_empty() {
        page.push_str(&format!("<p>{}</p>\n", shape(schema)));
    } else {
        table(page, "Members", ["Name", "Shape", "What it says"], rows.into_iter());
    }
    page.push_str("</section>\n");
}

fn write_events(page: &mut String, events: &Value) {
    page.push_str(
        "<h2 id=\"events\">Events</h2>\n<p>Told to receivers of callbacks, and published as endings, as CloudEvents 1.0. \
         <a href=\"/schemas/events.json\">/schemas/events.json</a> has the schema of each.</p>\n",
    );
    let rows = members(&events["$defs"]).filter_map(|(_, one)| {
        let event = one["properties"]["type"]["const"].as_str()?;
        Some([format!("<code>{}</code>", escaped(event)), prose(text(&one["description"]))])
    });
    table(page, "", ["Type", "What it says"], rows);
}

/// A table, under a title where it has one.
fn table<const WIDTH: usize>(
    page: &mut String,
    title: &str,
    heads: [&str; WIDTH],
    rows: impl Iterator<Item = [String; WIDTH]>,
) {
    let heads = heads.map(|head| format!("<th scope=\"col\">{head}</th>")).concat();
    if !title.is_empty() {
        page.push_str(&format!("<h4>{title}</h4>\n"));
    }
    page.push_str(&format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"));
    for row in rows {
        page.push_str(&format!("<tr>{}</tr>\n", row.map(|cell| format!("<td>{cell}</td>")).concat()));
    }
    page.push_str("</tbody>\n</table>\n");
}

/// The members of an object; none of anything else.
fn members(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node.as_object().into_iter().flat_map(Map::iter)
}

fn text(node: &Value) -> &str {
    node.as_str().unwrap_or_default()
}

/// A text as it is, and anything else as JSON.
fn plain(node: &Value) -> String {
    node.as_str().map_or_else(|| node.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{documents, openapi, routes::ROUTES};

    fn page() -> String {
        let page = Page::of(&openapi::description("1.2.3"), documents::EVENTS);
        String::from_utf8(page.html.to_vec()).unwrap()
    }

    #[test]
    fn every_route_and_every_event_is_on_the_page_and_every_link_leads_somewhere() {
        let page = page();
        for route in ROUTES {
            assert!(page.contains(&format!("<code>{}</code>", route.path)), "{}", route.path);
        }
        let events: Value = serde_json::from_str(documents::EVENTS).unwrap();
        let types =
            members(&events["$defs"]).filter_map(|(_, one)| one["properties"]["type"]["const"].as_str());
        for event in types {
            assert!(page.contains(&format!("<code>{event}</code>")), "{event}");
        }
        let mut links = 0;
        for part in page.split("href=\"#").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(page.contains(&format!(" id=\"{name}\"")), "nothing is called {name}");
            links += 1;
        }
        assert!(links > ROUTES.len() * 2, "{links}");
    }

    #[test]
    fn what_is_sent_and_what_is_answered_is_shown_by_examples() {
        let page = page();
        let section = page.split("<section id=\"post_closures\">").nth(1).unwrap();
        let section = section.split("</section>").next().unwrap();
        for words in [
            "Body, for example <code>application/json</code>: A conversation is closed.",
            "Answer 202, for example",
        ] {
            assert!(section.contains(words), "{words}");
        }
        assert!(
            section.contains("&quot;conversationId&quot;: &quot;2f7bf00a-0fc2-4d6a-9b56-92238191433e&quot;")
        );
    }

    #[test]
    fn nothing_is_loaded_from_anywhere_and_nothing_runs() {
        let page = page();
        for word in ["<script", " src=", "http://", "url(", "@import", " style=", " onclick"] {
            assert!(!page.contains(word), "{word}");
        }
        assert_eq!(page.matches("<style>").count(), 1);
    }

    #[test]
    fn what_is_described_is_shown_as_text() {
        let described = serde_json::json!({
            "info": { "version": "<b>", "description": "a & `b<c`" },
            "paths": { "/x": { "get": { "operationId": "x", "summary": "<script>", "responses": {} } } },
        });
        let page = written(&described, &Value::Null);
        assert!(page.contains("Version &lt;b&gt;"));
        assert!(page.contains("a &amp; <code>b&lt;c</code>"));
        assert!(page.contains("<p>&lt;script&gt;</p>"));
    }
}
