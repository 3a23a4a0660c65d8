"""Compares the C# example with the OpenAPI document of a running service: it cannot be compiled here.

Usage: csharp.py Program.cs openapi.json

Every call is read from `Send<…>(HttpMethod.…, "…", …)`, every record from its `[JsonPropertyName("…")]`. Path, method,
parameters, headers, bodies and the type of every field must be in the document, and every state in its words. Then each
name is changed, one after the other, and the comparison must fail.
"""

import json
import re
import sys

CALL = re.compile(r'Send<(\w+)>\(HttpMethod\.(\w+), \$?"([^"]+)"(.*?)\);', re.DOTALL)
RECORD = re.compile(r"public sealed record (\w+)\n\{\n(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r'\[JsonPropertyName\("(\w+)"\)\] public (required )?([\w<>, ]+?)(\?)? \w+ \{')
HEADER = re.compile(r'\("([\w-]+)", \w+\)')
STATES = re.compile(r"State switch\s*\{(.*?)\};|State == (\"\w+\")", re.DOTALL)
TYPES = {
    "string": ("string", None),
    "bool": ("boolean", None),
    "int": ("integer", None),
    "DateTimeOffset": ("string", "date-time"),
    "Dictionary<string, string>": ("object", None),
}


class Document:
    def __init__(self, openapi):
        self.paths = openapi["paths"]
        self.schemas = openapi["components"]["schemas"]
        self.security = openapi["components"]["securitySchemes"]

    def names(self, schema):
        """The schemas that a schema stands for."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return {name} | self.names(self.schemas[name]) if name in self.schemas else {name}
        return {name for one in schema.get("oneOf", []) for name in self.names(one)}


def differences(source, document):
    found = list(wrong_calls(source, document))
    found += wrong_records(source, document)
    found += wrong_states(source, document)
    scheme = re.search(r'AuthenticationHeaderValue\("(\w+)"', source)
    known = {kind.get("scheme") for kind in document.security.values()}
    if not scheme or scheme[1].lower() not in known:
        found.append(f"the way to authenticate is not one of {known}")
    if '"application/problem+json"' not in source:
        found.append("errors are not told by application/problem+json")
    return found


def wrong_calls(source, document):
    calls = CALL.findall(source)
    if len(calls) < 3:
        yield f"only {len(calls)} calls are found"
    for answered, method, target, rest in calls:
        path, _, query = target.partition("?")
        operation = document.paths.get(path, {}).get(method.lower())
        if operation is None:
            yield f"there is no {method} {path}"
            continue
        known = {(one["in"], one["name"]) for one in operation.get("parameters", [])}
        asked = {("path", name) for name in re.findall(r"\{(\w+)\}", path)}
        asked |= {("query", pair.split("=")[0]) for pair in query.split("&") if pair}
        asked |= {("header", name) for name in HEADER.findall(rest)}
        for place, name in sorted(asked - known):
            yield f"{method} {path} has no {place} parameter {name}"
        yield from wrong_bodies(f"{method} {path}", answered, rest, operation, document, source)


def wrong_bodies(call, answered, rest, operation, document, source):
    body = re.search(r"new (\w+)|\brequest\b", rest)
    sent = body and (body[1] or re.search(r"\w+Async\((\w+) request,", source)[1])
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if (sent and {sent}) != (schema and document.names(schema)):
        yield f"{call} takes {schema}, not {sent}"
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            wanted = answered if status.startswith("2") else "Problem"
            if wanted not in document.names(content["schema"]):
                yield f"{call} answers {status} with {content['schema']}, not with {wanted}"
            if not status.startswith("2") and kind != "application/problem+json":
                yield f"{call} answers {status} as {kind}"


def wrong_records(source, document):
    records = RECORD.findall(source)
    if len(records) < 7:
        yield f"only {len(records)} records are found"
    for record, text in records:
        schema = document.schemas.get(record)
        if schema is None:
            yield f"there is no schema {record}"
            continue
        fields = FIELD.findall(text)
        if len(fields) != len(text.splitlines()):
            yield f"a line of {record} cannot be read"
        for name, _, kind, optional in fields:
            if name not in schema["properties"]:
                yield f"{record} has no {name}"
                continue
            where, sent = f"{record}.{name}", record.endswith("Request")
            yield from wrong_type(where, kind, schema["properties"][name], document)
            nullable = may_be_null(schema["properties"][name])
            if sent and optional and not nullable:
                yield f"{where} is sent as null, which is not taken"
            if not sent and not optional and (nullable or name not in schema.get("required", [])):
                yield f"{where} may be absent or null"
        if record.endswith("Request"):
            for name in set(schema.get("required", [])) - {field[0] for field in fields if field[1]}:
                yield f"{record} needs {name}"


def types_of(field):
    types = field.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def may_be_null(field):
    return "null" in types_of(field) or {"type": "null"} in field.get("oneOf", [])


def wrong_type(where, kind, field, document):
    types = types_of(field)
    if kind in TYPES:
        of, form = TYPES[kind]
        if of not in types or (form and field.get("format") != form):
            yield f"{where} is {sorted(types)} {field.get('format', '')}, not {kind}"
    elif kind not in document.names(field):
        yield f"{where} is not {kind}"


def wrong_states(source, document):
    words = re.findall(r"\w+", document.schemas["Closure"]["properties"]["state"]["description"])
    states = re.findall(r'"(\w+)"', " ".join(first + second for first, second in STATES.findall(source)))
    if len(states) < 6:
        yield f"only {len(states)} states are found"
    for state in states:
        if state not in words:
            yield f"there is no state {state}"


def spoilt(source):
    """The source with one name changed, for each name that the comparison is about."""
    marks = [
        r'JsonPropertyName\("()\w+"',
        r"public sealed record ()\w+",
        r'Send<\w+>\(HttpMethod\.\w+, \$?"/v1/()\w+',
        r'Send<\w+>\(HttpMethod\.\w+, \$?"[^"]*\?()\w+=',
        r'Send<\w+>\(HttpMethod\.\w+, \$?"[^"]*\{()id\}',
        r"Send<()\w+>\(HttpMethod\.",
        r"HttpMethod\.()\w+,",
        r'\("()[\w-]+", \w+\)',
        r'"()(?:closed|already_closed|resolved|ghost|failed|cancelled)"',
        r'AuthenticationHeaderValue\("()\w+"',
        r'"application/()problem',
    ]
    for mark in marks:
        places = list(re.finditer(mark, source))
        assert places, f"nothing is found for {mark}"
        for place in places:
            at = place.start(1)
            yield source[at : at + 20].split("\n")[0], source[:at] + "x" + source[at:]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = file.read()
    with open(sys.argv[2], encoding="utf-8") as file:
        document = Document(json.load(file))
    found = differences(source, document)
    for difference in found:
        print(f"{sys.argv[1]}: {difference}", file=sys.stderr)
    if found:
        return 1
    fields = sum(len(FIELD.findall(text)) for _, text in RECORD.findall(source))
    print(f"ok  C#: {len(CALL.findall(source))} calls, {fields} fields as the OpenAPI document has them")
    changed = 0
    for name, text in spoilt(source):
        if not differences(text, document):
            print(f"{sys.argv[1]}: nobody noticed that {name!r} was changed", file=sys.stderr)
            return 1
        changed += 1
    print(f"ok  C#: each of {changed} names is missed when it is changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
