//! serde's view of one value of a tree.

use super::access::{Elements, Fields, Variant};
use super::error::{DecodeError, found, scalar_text};
use super::spanned::{self, SpanFields};
use super::{Context, Rules, Step, address};
use crate::model::quantity::Quantity;
use crate::source::tree::{Entry, Named, Tree, TreeValue};
use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Error, Visitor};

/// A value of a tree, on its way into a Rust value.
#[derive(Clone, Copy)]
pub(super) struct TreeDeserializer<'de, 'p> {
    pub(super) tree: &'de Tree,
    pub(super) step: Option<&'p Step<'p>>,
    pub(super) context: &'p Context<'p>,
}

type Outcome<'de, V> = Result<<V as Visitor<'de>>::Value, DecodeError>;

impl<'de, 'p> TreeDeserializer<'de, 'p> {
    pub(super) fn new(tree: &'de Tree, step: Option<&'p Step<'p>>, context: &'p Context<'p>) -> Self {
        TreeDeserializer { tree, step, context }
    }

    /// Gives a failure this place, unless it has a deeper one.
    fn place<T>(self, outcome: Result<T, DecodeError>) -> Result<T, DecodeError> {
        outcome.map_err(|error| error.at(self.tree, self.step, self.context))
    }

    fn fail<T>(self, expected: &str) -> Result<T, DecodeError> {
        self.place(Err(DecodeError::custom(format!("found {}, expected {expected}", found(self.tree)))))
    }

    fn seq<V: Visitor<'de>>(self, items: &'de [Tree], fixed: bool, visitor: V) -> Outcome<'de, V> {
        let mut elements = Elements::new(items, self, fixed);
        let value = visitor.visit_seq(&mut elements)?;
        match elements.left() {
            0 => Ok(value),
            left => Err(DecodeError::custom(format!("found {} values, expected {}", items.len(), items.len() - left))),
        }
    }

    fn map<V: Visitor<'de>>(self, entries: &'de [Entry], known: Option<&'static [&'static str]>, visitor: V) -> Outcome<'de, V> {
        visitor.visit_map(Fields::new(entries, self, known))
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Null => visitor.visit_unit(),
            TreeValue::Bool(value) => visitor.visit_bool(*value),
            TreeValue::Int(value) => visitor.visit_i64(*value),
            TreeValue::Uint(value) => visitor.visit_u64(*value),
            TreeValue::Float(value) => visitor.visit_f64(*value),
            TreeValue::String(text) => visitor.visit_borrowed_str(text),
            TreeValue::Seq(items) => self.seq(items, false, visitor),
            TreeValue::Map(entries) => self.map(entries, None, visitor),
            TreeValue::Named(named) if named.args.is_null() => visitor.visit_borrowed_str(&named.name),
            // As serde's other formats write an enum: a map with the variant's name as its one key.
            TreeValue::Named(named) => visitor.visit_map(Fields::of_variant(&named.name, &named.args, self)),
        }
    }

    fn string<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::String(text) => visitor.visit_borrowed_str(text),
            TreeValue::Named(named) if named.args.is_null() && self.context.rules == Rules::Own => visitor.visit_borrowed_str(&named.name),
            TreeValue::Null if self.context.rules == Rules::Kubernetes => {
                self.takes_text(String::new());
                visitor.visit_str("")
            }
            _ => self.fail("a string"),
        }
    }

    /// Checks a quantity, as the API server does on reading one; a number stands for the text that it prints as.
    fn quantity(self) -> Result<(), DecodeError> {
        let number = scalar_text(self.tree).filter(|_| !matches!(self.tree.value, TreeValue::Bool(_)));
        let Some(text) = self.tree.as_str().or(number.as_deref()) else { return Ok(()) };
        if let Err(error) = Quantity::parse(text) {
            return Err(DecodeError::quantity(text, error));
        }
        if let Some(text) = number {
            self.takes_text(text);
        }
        Ok(())
    }

    /// Notes that the type takes this value as text.
    fn takes_text(self, text: String) {
        self.context.texts.borrow_mut().push((address(self.tree), text));
    }

    fn structure<V: Visitor<'de>>(self, name: &'static str, known: &'static [&'static str], visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Map(entries) => self.map(entries, Some(known), visitor),
            TreeValue::Named(named) if named.name == name => match &named.args.value {
                TreeValue::Map(entries) => self.map(entries, Some(known), visitor),
                TreeValue::Null => self.map(&[], Some(known), visitor),
                _ => self.fail(&format!("{name}(field: value, ...)")),
            },
            _ => self.fail(&fields_of(name)),
        }
    }

    fn enumeration<V: Visitor<'de>>(self, variants: &'static [&'static str], visitor: V) -> Outcome<'de, V> {
        let variant = match &self.tree.value {
            TreeValue::String(text) => Variant { name: text, args: None, whole: self },
            TreeValue::Named(named) => Variant { name: &named.name, args: Some(&named.args).filter(|args| !args.is_null()), whole: self },
            TreeValue::Map(entries) if entries.len() == 1 => {
                Variant { name: &entries[0].key.text, args: Some(&entries[0].value), whole: self }
            }
            _ => return self.fail(&one_of(variants)),
        };
        visitor.visit_enum(variant)
    }

    /// The inside of `Name(inside)`, where a wrapper type called `Name` is expected; else the value itself.
    fn unwrapped(self, name: &str) -> Self {
        let inside = match &self.tree.value {
            TreeValue::Named(named) if named.name == name => single(named),
            _ => None,
        };
        inside.map_or(self, |tree| TreeDeserializer { tree, ..self })
    }
}

fn single(named: &Named) -> Option<&Tree> {
    match &named.args.value {
        TreeValue::Seq(items) if items.len() == 1 => items.first(),
        TreeValue::Map(_) => Some(&named.args),
        _ => None,
    }
}

fn fields_of(name: &str) -> String {
    match name {
        "" => "fields".into(),
        name => format!("the fields of {name}"),
    }
}

fn one_of(variants: &[&str]) -> String {
    match variants {
        [] => "nothing".into(),
        [one] => one.to_string(),
        several => format!("one of {}", several.join(", ")),
    }
}

macro_rules! plainly {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
            self.place(self.any(visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for TreeDeserializer<'de, '_> {
    type Error = DecodeError;

    plainly! { deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    deserialize_bytes deserialize_byte_buf }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        self.place(self.string(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        self.place(self.string(visitor))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        self.place(self.string(visitor))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        self.place(self.string(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        let outcome = if self.tree.is_null() { visitor.visit_none() } else { visitor.visit_some(self) };
        self.place(outcome)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Map(entries) if entries.is_empty() => self.place(visitor.visit_unit()),
            _ => self.place(self.any(visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Named(named) if named.name == name && named.args.is_null() => self.place(visitor.visit_unit()),
            _ => self.deserialize_unit(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Outcome<'de, V> {
        let inner = self.unwrapped(name);
        if name == "Quantity" {
            self.place(inner.quantity())?;
        }
        let outcome = visitor.visit_newtype_struct(inner);
        if matches!(name, "Time" | "MicroTime") && outcome.is_err() {
            return inner.fail("a time such as \"2026-01-02T03:04:05Z\"");
        }
        inner.place(outcome)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Seq(items) => self.place(self.seq(items, false, visitor)),
            _ => self.fail("a list"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Seq(items) if items.len() == len => self.place(self.seq(items, true, visitor)),
            TreeValue::Seq(items) => self.place(Err(DecodeError::custom(format!("found {} values, expected {len}", items.len())))),
            _ => self.fail(&format!("{len} values in parentheses")),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, name: &'static str, len: usize, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Named(named) if named.name == name => {
                TreeDeserializer { tree: &named.args, ..self }.deserialize_tuple(len, visitor).map_err(|error| error.widen(self.tree))
            }
            _ => self.deserialize_tuple(len, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        match &self.tree.value {
            TreeValue::Map(entries) => self.place(self.map(entries, None, visitor)),
            TreeValue::Null if self.context.rules == Rules::Kubernetes => self.place(self.map(&[], None, visitor)),
            _ => self.fail("a map"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, name: &'static str, fields: &'static [&'static str], visitor: V) -> Outcome<'de, V> {
        if name == spanned::NAME {
            return self.place(visitor.visit_map(SpanFields::new(self)));
        }
        self.place(self.structure(name, fields, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &'static str, variants: &'static [&'static str], visitor: V) -> Outcome<'de, V> {
        self.place(self.enumeration(variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<'de, V> {
        visitor.visit_unit()
    }
}

/// A key or variant name as serde takes it.
pub(super) fn text(text: &str) -> StrDeserializer<'_, DecodeError> {
    StrDeserializer::new(text)
}
