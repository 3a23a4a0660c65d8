"""The events that the service tells, against their schemas; the AsyncAPI document, against AsyncAPI's own schema; the examples of
/openapi.json, against the schemas beside them."""

import copy
import json
import pathlib

import jsonschema
import referencing
import referencing.jsonschema

ASYNCAPI = pathlib.Path(__file__).parent.parent / "fixtures" / "asyncapi" / "asyncapi-3.0.0.json"

# What a healthy service tells by itself, and what `World.seed` brings about. The others have the members of these.
EXPECTED = {
    "closeout.closure.accepted.v1", "closeout.closure.participant-closed.v1", "closeout.closure.confirmed.v1",
    "closeout.closure.closed.v1", "closeout.closure.already-closed.v1", "closeout.closure.ghost-detected.v1",
    "closeout.closure.failed.v1", "closeout.closure.cancelled.v1", "closeout.closure.resolved.v1",
    "closeout.adapter.silent.v1", "closeout.adapter.recovered.v1", "closeout.batch.finished.v1",
}  # fmt: skip


def strict(schema):
    """The same, but a member that it does not name is wrong: receivers take such members, this suite does not."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def check_events(there):
    """Every event that came in is what its type's schema says."""
    status, schema = there.ask("/schemas/events.json")
    assert status == 200, schema
    jsonschema.Draft202012Validator.check_schema(schema)
    types = {
        one["properties"]["type"]["const"]: name
        for name, one in schema["$defs"].items()
        if "const" in one.get("properties", {}).get("type", {})
    }
    there.wait(lambda: EXPECTED <= {event["type"] for _, event in there.events}, "not every event was told")
    validators = {}
    for headers, event in list(there.events):
        name = types[event["type"]]
        if name not in validators:
            exactly = strict(copy.deepcopy(schema))
            exactly["oneOf"] = [{"$ref": f"#/$defs/{name}"}]
            validators[name] = jsonschema.Draft202012Validator(
                exactly, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            )
        errors = list(validators[name].iter_errors(event))
        assert not errors, (event, [deepest(error) for error in errors])
        assert headers["content-type"].startswith("application/cloudevents+json"), headers
        assert headers["webhook-id"] == event["id"], headers
        wrong = {**event, "data": {**event["data"], "organisation": 7}}
        assert not validators[name].is_valid(wrong), "the schema takes anything"
    return len(there.events), sorted({event["type"] for _, event in there.events})


# Callbacks keep a ghost back while no event comes in by an adapter, and withdraw it where it heals meanwhile; streams tell it at once.
MAY_BE_KEPT_BACK = {"closeout.closure.ghost-detected.v1", "closeout.closure.ghost-cleared.v1"}


def check_streams(there, seeds):
    """Both streams tell the events of callbacks: what came in by one is what comes by the other, under the same id."""
    status, kind, pieces = there.stream("/v1/events?lastEventId=ev_0000000000000000", 12)
    assert (status, kind) == (200, "text/event-stream"), (status, kind)
    for closure in seeds["cl_"]:
        if there.ask(f"/v1/closures/{closure}")[1]["state"] in ("closed", "already_closed", "cancelled", "failed", "resolved"):
            status, kind, more = there.stream(f"/v1/closures/{closure}/events", None)
            assert (status, kind, bool(more)) == (200, "text/event-stream", True), (closure, status, kind)
            pieces += more
    told = {}
    events = []
    for piece in pieces:
        fields = dict(line.split(": ", 1) for line in piece.splitlines() if line)
        event = json.loads(fields["data"])
        assert (fields["id"], fields["event"]) == (event["id"], event["type"]), piece
        events.append(event)

    def all_are_told():
        told.update({event["id"]: (event["type"], event.get("subject")) for _, event in list(there.events)})
        return all(event["id"] in told for event in events if event["type"] not in MAY_BE_KEPT_BACK)

    there.wait(all_are_told, "a stream told what no callback has told")
    for event in events:
        assert told.get(event["id"], (event["type"], event.get("subject"))) == (event["type"], event.get("subject")), event
    for path in ("/v1/events", f"/v1/closures/{seeds['cl_'][0]}/events"):
        status, kind, _ = there.send("GET", f"{path}?lastEventId=7")
        assert (status, kind) == (422, "application/problem+json"), (path, status, kind)
    return len(pieces)


def deepest(error):
    """The error that says most."""
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


def check_asyncapi(there):
    """The document keeps to AsyncAPI 3.0.0, every reference in it leads somewhere, and it tells of every event."""
    status, document = there.ask("/asyncapi.json")
    assert status == 200, document
    wanted = json.loads(ASYNCAPI.read_text())
    errors = [deepest(error) for error in jsonschema.Draft7Validator(wanted).iter_errors(document)]
    assert not errors, errors[:5]
    broken = copy.deepcopy(document)
    broken["channels"]["callbacks"]["messages"] = 7
    assert not jsonschema.Draft7Validator(wanted).is_valid(broken), "the schema takes anything"
    count = 0
    for reference in references(document):
        assert reference.startswith("#/"), reference
        place = document
        for step in reference[2:].split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]
        count += 1
    schema = there.ask("/schemas/events.json")[1]
    told = {one["properties"]["type"]["const"] for one in schema["$defs"].values() if "const" in one.get("properties", {}).get("type", {})}
    named = {message.get("name") for message in document["components"]["messages"].values()}
    assert told <= named, told - named
    # Every schema of it can be used as one.
    registry = referencing.Registry().with_resource(
        "urn:asyncapi", referencing.Resource(document, referencing.jsonschema.DRAFT202012)
    )
    for name in document["components"]["schemas"]:
        root = {"$ref": f"urn:asyncapi#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(root, registry=registry).is_valid({})
    return len(document["channels"]), count


def check_examples(there):
    """Every body and every answer of /openapi.json has an example, and each is what the schema beside it says."""
    status, document = there.ask("/openapi.json")
    assert status == 200, document
    registry = referencing.Registry().with_resource(
        "urn:openapi", referencing.Resource(document, referencing.jsonschema.DRAFT202012)
    )
    count = 0
    for place, media in media_types(document):
        examples = list(examples_of(media))
        assert examples, f"{'/'.join(place)} has no example"
        root = {"$ref": "urn:openapi#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in (*place, "schema"))}
        schema = root if "schema" in media else {}
        validator = jsonschema.Draft202012Validator(
            schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        for example in examples:
            errors = [deepest(error) for error in validator.iter_errors(example)]
            assert not errors, (place, errors)
            count += 1
        assert "schema" not in media or not validator.is_valid(7), f"{place}: the schema takes anything"
    return count


def media_types(document):
    """What /openapi.json says of each body and answer: where it stands, and itself."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            bodies = [("requestBody",)] if "requestBody" in operation else []
            for steps in bodies + [("responses", status) for status in operation["responses"]]:
                one = operation
                for step in steps:
                    one = one[step]
                for kind, media in one.get("content", {}).items():
                    yield ("paths", path, method, *steps, "content", kind), media


def examples_of(media):
    """The examples of a media type, be it one or several."""
    if "example" in media:
        yield media["example"]
    for example in media.get("examples", {}).values():
        yield example["value"]


def references(node):
    """Every `$ref` of a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
