//! What a parameter looks like, for `/openapi.json`: as narrow as what is taken.

use utoipa::openapi::{
    RefOr, Schema,
    schema::{
        AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType, Type,
    },
};

use crate::command;

/// The letters of ids (`orchestrator`): 130 bits for 128, so the first is at most 7.
const ID: &str = "[0-7][0-9a-hjkmnp-tv-z]{25}";

/// A length of time that `query` waits for: at most five minutes.
const WAIT: &str = "^0*(?:(?:[0-2]?[0-9]{1,5}|300000)ms|(?:[0-2]?[0-9]{1,2}|300)s|[0-5]m|0[hd])$";

/// A length of time before now.
const AGO: &str = "^[0-9]{1,9}(?:ms|s|m|h|d)$";

/// A text that people wrote: no control characters, and no marks that turn the direction of writing.
const PLAIN: &str = "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$";

/// The same, and not of blanks alone.
const WRITTEN: &str = concat!(
    "^[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*",
    "[^\\s\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]",
    "[^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$"
);

/// What a parameter looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Any text.
    Text,
    /// A text that is shown to people, of so many characters at most.
    Words(usize),
    /// Texts with commas.
    Texts,
    /// One of these.
    One(&'static [&'static str]),
    /// Several of these, with commas.
    Several(&'static [&'static str]),
    /// A whole number, from 1 to this.
    Count(usize),
    /// A switch; the name alone is on.
    Switch,
    /// How long to wait.
    Wait,
    /// A time, or a length of time before now.
    Moment,
    /// An id with this prefix.
    Id(&'static str),
    /// An id of Genesys.
    Uuid,
    /// Several ids of Genesys, or `none`, with commas.
    UuidsOrNone,
    /// An id of whatever system.
    AnyId,
    /// The id of an event of a closure.
    EventId,
    /// The producer's own key.
    Key,
}

impl Form {
    /// Its schema.
    pub(crate) fn schema(self) -> RefOr<Schema> {
        match self {
            Self::Text => text().into(),
            Self::Words(longest) => text().max_length(Some(longest)).pattern(Some(PLAIN)).into(),
            Self::Texts => ArrayBuilder::new().items(text()).into(),
            Self::One(names) => text().enum_values(Some(names.iter().copied())).into(),
            Self::Several(names) => {
                ArrayBuilder::new().items(text().enum_values(Some(names.iter().copied()))).into()
            }
            Self::Count(most) => {
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most)).into()
            }
            Self::Switch => OneOfBuilder::new()
                .item(ObjectBuilder::new().schema_type(Type::Boolean))
                .item(text().enum_values(Some([""])))
                .into(),
            Self::Wait => text().pattern(Some(WAIT)).into(),
            Self::Moment => {
                let time = text().format(Some(SchemaFormat::Custom("date-time".to_owned())));
                OneOfBuilder::new().item(time).item(text().pattern(Some(AGO))).into()
            }
            Self::Id(prefix) => id(prefix).into(),
            Self::Uuid => uuid().into(),
            Self::UuidsOrNone => {
                let one = OneOfBuilder::new().item(uuid()).item(text().enum_values(Some(["none"])));
                ArrayBuilder::new().items(one).into()
            }
            Self::AnyId => text()
                .min_length(Some(1))
                .max_length(Some(command::LONGEST_LABEL))
                .pattern(Some(PLAIN))
                .into(),
            Self::EventId => text().pattern(Some("^ev_[0-9a-f]{16}(?:-(?:0|[1-9][0-9]?))?$")).into(),
            Self::Key => text().pattern(Some("^[!-~]{1,255}$")).into(),
        }
    }

    /// Whether several values stand in one parameter, with commas.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Several(_) | Self::UuidsOrNone)
    }
}

/// The labels of a command, as `command` takes them.
pub(crate) fn labels() -> ObjectBuilder {
    let name = text().pattern(Some("^[0-9A-Za-z_./-]{1,64}$")).build();
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property_names(Some(name))
        .additional_properties(Some(text().max_length(Some(256)).pattern(Some(PLAIN))))
        .max_properties(Some(16))
}

/// What a policy says of a wrap-up, as `command` takes it.
pub(crate) fn wrap_up() -> OneOfBuilder {
    let code = |field: &str, shape: ObjectBuilder| {
        ObjectBuilder::new()
            .property(field, shape)
            .required(field)
            .property("notes", text().max_length(Some(1_000)).pattern(Some(PLAIN)))
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
    };
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(text().enum_values(Some(["none", "skip"])))
        .item(code("id", uuid()))
        .item(code("name", text().max_length(Some(256)).pattern(Some(WRITTEN))))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn id(prefix: &str) -> ObjectBuilder {
    text().pattern(Some(format!("^{prefix}{ID}$")))
}

fn uuid() -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom("uuid".to_owned())))
}
