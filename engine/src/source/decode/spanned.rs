//! A decoded value that remembers its place.

use super::deserializer::TreeDeserializer;
use super::error::DecodeError;
use crate::source::sources::FileId;
use crate::source::tree::Span;
use serde::de::value::U32Deserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// The name by which [`Spanned`] asks the tree for its place.
pub(super) const NAME: &str = "$wavetank::Spanned";
const FIELDS: &[&str] = &["file", "start", "end", "value"];

/// A value and where it is written; decodes from trees only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(NAME, FIELDS, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a source tree")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spanned<T>, A::Error> {
        let mut number = |name: &'static str| match map.next_entry::<String, u32>()? {
            Some((key, number)) if key == name => Ok(number),
            _ => Err(A::Error::custom("a place can only be read from a source tree")),
        };
        let span = Span { file: FileId(number("file")?), start: number("start")?, end: number("end")? };
        match map.next_entry::<String, T>()? {
            Some((_, value)) => Ok(Spanned { value, span }),
            None => Err(A::Error::missing_field("value")),
        }
    }
}

/// The fields of a [`Spanned`], in their order.
pub(super) struct SpanFields<'de, 'p> {
    whole: TreeDeserializer<'de, 'p>,
    next: usize,
}

impl<'de, 'p> SpanFields<'de, 'p> {
    pub(super) fn new(whole: TreeDeserializer<'de, 'p>) -> Self {
        SpanFields { whole, next: 0 }
    }
}

impl<'de> MapAccess<'de> for SpanFields<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        match FIELDS.get(self.next) {
            Some(name) => seed.deserialize(super::deserializer::text(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let span = self.whole.tree.span;
        self.next += 1;
        let number = match self.next {
            1 => span.file.0,
            2 => span.start,
            3 => span.end,
            _ => return seed.deserialize(self.whole),
        };
        seed.deserialize(U32Deserializer::new(number))
    }
}
