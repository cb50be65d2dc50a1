//! serde's view of the inside of lists, maps and enum variants.

use super::deserializer::{TreeDeserializer, text};
use super::error::DecodeError;
use super::{Part, Step};
use crate::source::error::{Problem, advice};
use crate::source::tree::{Entry, Tree, TreeValue};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use std::slice;

/// The elements of a list; those that failed before are passed over, which in a tuple fails the whole of it.
pub(super) struct Elements<'de, 'p> {
    items: slice::Iter<'de, Tree>,
    next: usize,
    whole: TreeDeserializer<'de, 'p>,
    fixed: bool,
}

impl<'de, 'p> Elements<'de, 'p> {
    pub(super) fn new(items: &'de [Tree], whole: TreeDeserializer<'de, 'p>, fixed: bool) -> Self {
        Elements { items: items.iter(), next: 0, whole, fixed }
    }

    /// How many elements nobody asked for.
    pub(super) fn left(&self) -> usize {
        self.items.len()
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'de, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        for item in self.items.by_ref() {
            let nth = self.next;
            self.next += 1;
            if self.whole.context.is_left_out(item) {
                if self.fixed {
                    return Err(DecodeError::silent(self.whole.tree));
                }
                continue;
            }
            let step = Step { parent: self.whole.step, part: Part::Index(nth) };
            return seed.deserialize(TreeDeserializer { tree: item, step: Some(&step), context: self.whole.context }).map(Some);
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map or struct; those that failed before are passed over, unknown fields reported and passed over.
pub(super) struct Fields<'de, 'p> {
    entries: slice::Iter<'de, Entry>,
    value: Option<(&'de str, &'de Tree)>,
    /// The one entry of an enum variant that is read as a map.
    variant: Option<(&'de str, &'de Tree)>,
    whole: TreeDeserializer<'de, 'p>,
    known: Option<&'static [&'static str]>,
}

impl<'de, 'p> Fields<'de, 'p> {
    pub(super) fn new(entries: &'de [Entry], whole: TreeDeserializer<'de, 'p>, known: Option<&'static [&'static str]>) -> Self {
        Fields { entries: entries.iter(), value: None, variant: None, whole, known }
    }

    /// `Name(args)` as the map `{Name: args}`.
    pub(super) fn of_variant(name: &'de str, args: &'de Tree, whole: TreeDeserializer<'de, 'p>) -> Self {
        Fields { entries: [].iter(), value: None, variant: Some((name, args)), whole, known: None }
    }

    fn report_unknown(&self, entry: &Entry, known: &[&str]) {
        let step = Step { parent: self.whole.step, part: Part::Field(&entry.key.text) };
        let path = self.whole.context.path(Some(&step));
        let problem = Problem { span: entry.key.span, what: format!("unknown field {path:?}"), help: advice(&entry.key.text, known) };
        let mut unknown = self.whole.context.unknown.borrow_mut();
        if !unknown.contains(&problem) {
            unknown.push(problem);
        }
    }

    fn next_entry(&mut self) -> Option<(&'de str, &'de Tree)> {
        if let Some(variant) = self.variant.take() {
            return Some(variant);
        }
        while let Some(entry) = self.entries.next() {
            if self.whole.context.is_left_out(&entry.value) {
                continue;
            }
            match self.known {
                Some(known) if !known.contains(&entry.key.text.as_str()) => self.report_unknown(entry, known),
                _ => return Some((&entry.key.text, &entry.value)),
            }
        }
        None
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.value = self.next_entry();
        let Some((key, value)) = self.value else { return Ok(None) };
        let step = Step { parent: self.whole.step, part: Part::Field(key) };
        let key = KeyDeserializer { key };
        seed.deserialize(key).map(Some).map_err(|error| error.at(value, Some(&step), self.whole.context))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let Some((key, tree)) = self.value.take() else {
            return Err(DecodeError::custom("a value was asked for before its key"));
        };
        let step = Step { parent: self.whole.step, part: Part::Field(key) };
        seed.deserialize(TreeDeserializer { tree, step: Some(&step), context: self.whole.context })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A key: text, or the number or boolean that a typed key asks for.
struct KeyDeserializer<'de> {
    key: &'de str,
}

macro_rules! parsed_keys {
    ($($method:ident $visit:ident $type:ty;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.key.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_borrowed_str(self.key),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = DecodeError;

    parsed_keys! {
        deserialize_bool visit_bool bool;
        deserialize_i8 visit_i64 i64;
        deserialize_i16 visit_i64 i64;
        deserialize_i32 visit_i64 i64;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u64 u64;
        deserialize_u16 visit_u64 u64;
        deserialize_u32 visit_u64 u64;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.key)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(text(self.key))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum with its arguments, if any are written.
pub(super) struct Variant<'de, 'p> {
    pub(super) name: &'de str,
    pub(super) args: Option<&'de Tree>,
    pub(super) whole: TreeDeserializer<'de, 'p>,
}

impl<'de, 'p> EnumAccess<'de> for Variant<'de, 'p> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let variant = seed.deserialize(text(self.name))?;
        Ok((variant, self))
    }
}

impl<'de, 'p> Variant<'de, 'p> {
    /// Runs `read` on the arguments; a failure of the arguments as a whole leaves out the whole variant.
    fn with_args<T>(self, read: impl FnOnce(TreeDeserializer<'de, 'p>) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
        let Some(args) = self.args else {
            return Err(DecodeError::custom(format!("{} takes arguments: write {}(...)", self.name, self.name)));
        };
        if self.whole.context.is_left_out(args) {
            return Err(DecodeError::silent(self.whole.tree));
        }
        read(TreeDeserializer { tree: args, ..self.whole })
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.args {
            None => Ok(()),
            Some(args) if args.entries().is_empty() && matches!(args.value, TreeValue::Map(_) | TreeValue::Null) => Ok(()),
            Some(_) => Err(DecodeError::custom(format!("{} takes no arguments", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        let from_ron = matches!(self.whole.tree.value, TreeValue::Named(_));
        let whole = self.whole;
        self.with_args(|args| match &args.tree.value {
            // `Name(x)`: the one argument; several, or a list in JSON, are one list.
            TreeValue::Seq(items) if from_ron && items.len() == 1 => {
                if whole.context.is_left_out(&items[0]) {
                    return Err(DecodeError::silent(whole.tree));
                }
                seed.deserialize(TreeDeserializer { tree: &items[0], ..args })
            }
            _ => seed.deserialize(args),
        })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.with_args(|args| args.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError> {
        let name = self.name;
        self.with_args(|args| match &args.tree.value {
            TreeValue::Map(_) => args.deserialize_struct("", fields, visitor),
            _ => Err(DecodeError::custom(format!("{name} takes fields: {}", fields.join(", ")))),
        })
    }
}
