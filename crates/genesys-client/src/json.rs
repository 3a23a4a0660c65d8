//! Readers of JSON that is not ours: strict where a wrong reading would mislead, tolerant everywhere else.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

/// Reads a whole body; what follows the value must be white space.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}

/// A JSON object and nothing else. A derived struct alone would also read an array, by position.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

macro_rules! skip_everything_else {
    ($($visit:ident($type:ty)),* $(,)?) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> { Ok(Self::Value::default()) })*
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    };
}

/// A string, or nothing when the value is of another kind.
#[derive(Debug, Default)]
pub(crate) struct Text(pub(crate) Option<Box<str>>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Some(text.into())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            skip_everything_else!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// `true`, or anything else.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl<'de> Visitor<'de> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flag, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Flag(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Flag, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Flag(false))
            }

            skip_everything_else!(visit_str(&str), visit_i64(i64), visit_u64(u64), visit_f64(f64));
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// An object or an array that is read as `T`, or nothing when the value is a scalar or null. What is wrong inside the
/// object or array is an error.
#[derive(Debug, Default)]
pub(crate) struct Flexible<T>(pub(crate) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Flexible<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlexibleVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FlexibleVisitor<T> {
            type Value = Flexible<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|value| Flexible(Some(value)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                T::deserialize(SeqAccessDeserializer::new(seq)).map(|value| Flexible(Some(value)))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Flexible(None))
            }
        }
        deserializer.deserialize_any(FlexibleVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        text: Text,
        flag: Flag,
        inner: Flexible<Object<Box<Sample>>>,
    }

    fn sample(json: &str) -> Result<Sample, serde_json::Error> {
        parse::<Object<Sample>>(json.as_bytes()).map(|object| object.0)
    }

    #[test]
    fn values_of_another_kind_count_as_missing() {
        for other in ["null", "7", "-7", "1.5", "true", "[1,[2]]", r#"{"a":{"b":1}}"#] {
            let read = sample(&format!(r#"{{"text": {other}, "flag": {other}}}"#)).unwrap();
            assert_eq!(read.text.0, None, "{other}");
            assert_eq!(read.flag.0, other == "true", "{other}");
        }
        let read = sample(r#"{"text": "a", "inner": {"text": "b"}, "unknown": [{}]}"#).unwrap();
        assert_eq!(read.text.0.as_deref(), Some("a"));
        assert_eq!(read.inner.0.unwrap().0.text.0.as_deref(), Some("b"));
        assert!(sample(r#"{"inner": "scalar"}"#).unwrap().inner.0.is_none());
    }

    #[test]
    fn only_an_object_is_an_object() {
        for refused in [r#"["a"]"#, "[]", r#""a""#, "null", "7", "", "{", r#"{} {}"#, r#"{"inner": ["a"]}"#] {
            assert!(sample(refused).is_err(), "{refused}");
        }
    }
}
