//! Interned text. `Sym` numbers depend on history: compare and sort by text wherever order can be seen.

use crate::hash::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::BuildHasher;

/// Characters of generated suffixes and of template hashes. Source: `apimachinery/pkg/util/rand`.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LEN: usize = 5;
const SUFFIXES: u32 = 27u32.pow(5);

/// Interned text. The order of the numbers is good for look-ups only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Sym(pub u32);

impl Sym {
    /// The empty text.
    pub const EMPTY: Sym = Sym(0);

    /// Whether this is the empty text.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Name of an object, as base and generated suffix. Every text has exactly one such form, so equal names are equal values:
/// when its last five characters are all of [`SUFFIX_ALPHABET`] they are the suffix. A million names of one owner share one base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Name {
    /// What stands before the suffix, a trailing dash included.
    pub base: Sym,
    /// 0: no suffix; otherwise 1 + the suffix read as a number to base 27.
    pub suffix: u32,
}

/// The table of all texts. ECS resource.
#[derive(Default, bevy_ecs::resource::Resource)]
pub struct Names {
    text: String,
    ends: Vec<u32>,
    table: HashTable<u32>,
    state: FixedState,
}

impl Names {
    /// A table that holds the empty text and the common words of [`crate::words`].
    pub fn new() -> Names {
        let mut names = Names::default();
        names.sym("");
        crate::words::intern_all(&mut names);
        names
    }

    /// The symbol of `text`, made if new.
    ///
    /// # Panics
    /// When all texts together pass 4 GiB.
    pub fn sym(&mut self, text: &str) -> Sym {
        let hash = self.state.hash_one(text);
        let found = self.table.find(hash, |&id| Self::slice(&self.text, &self.ends, id) == text).copied();
        if let Some(id) = found {
            return Sym(id);
        }
        let id = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).expect("interned text stays below 4 GiB"));
        let Names { text, ends, table, state } = self;
        table.insert_unique(hash, id, |&id| state.hash_one(Self::slice(text, ends, id)));
        Sym(id)
    }

    /// The symbol of `text` if it has one.
    pub fn find(&self, text: &str) -> Option<Sym> {
        let hash = self.state.hash_one(text);
        self.table.find(hash, |&id| Self::slice(&self.text, &self.ends, id) == text).map(|&id| Sym(id))
    }

    /// The text of `sym`.
    pub fn text(&self, sym: Sym) -> &str {
        Self::slice(&self.text, &self.ends, sym.0)
    }

    fn slice<'a>(text: &'a str, ends: &[u32], id: u32) -> &'a str {
        let from = if id == 0 { 0 } else { ends[id as usize - 1] };
        &text[from as usize..ends[id as usize] as usize]
    }

    /// The name with this text, its base made if new.
    pub fn name(&mut self, text: &str) -> Name {
        let (base, suffix) = split_name(text);
        Name { base: self.sym(base), suffix }
    }

    /// The name with this text if its base was ever seen.
    pub fn find_name(&self, text: &str) -> Option<Name> {
        let (base, suffix) = split_name(text);
        self.find(base).map(|base| Name { base, suffix })
    }

    /// The whole text of `name` as a symbol, made if new.
    pub fn whole(&mut self, name: Name) -> Sym {
        if name.suffix == 0 { name.base } else { self.sym(&self.render(name)) }
    }

    /// A name made from a base (with its dash) and one of 27^5 suffixes.
    pub fn generated(base: Sym, number: u32) -> Name {
        Name { base, suffix: 1 + number % SUFFIXES }
    }

    /// The text of `name`.
    pub fn render(&self, name: Name) -> String {
        let mut text = self.text(name.base).to_string();
        push_suffix(&mut text, name.suffix);
        text
    }

    /// Something that prints `name` without building a string.
    pub fn show(&self, name: Name) -> ShownName<'_> {
        ShownName { base: self.text(name.base), suffix: name.suffix }
    }

    /// Order of two names by text.
    pub fn cmp_names(&self, a: Name, b: Name) -> Ordering {
        if a.base == b.base && a.suffix != 0 && b.suffix != 0 {
            return suffix_chars(a.suffix).cmp(&suffix_chars(b.suffix));
        }
        self.render(a).cmp(&self.render(b))
    }

    /// Order of two symbols by text.
    pub fn cmp(&self, a: Sym, b: Sym) -> Ordering {
        if a == b { Ordering::Equal } else { self.text(a).cmp(self.text(b)) }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is not even the empty text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Prints a [`Name`].
pub struct ShownName<'a> {
    base: &'a str,
    suffix: u32,
}

impl fmt::Display for ShownName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base)?;
        if self.suffix != 0 {
            for c in suffix_chars(self.suffix) {
                fmt::Write::write_char(f, c as char)?;
            }
        }
        Ok(())
    }
}

fn suffix_chars(suffix: u32) -> [u8; SUFFIX_LEN] {
    let mut number = suffix - 1;
    let mut chars = [0; SUFFIX_LEN];
    for place in (0..SUFFIX_LEN).rev() {
        chars[place] = SUFFIX_ALPHABET[(number % 27) as usize];
        number /= 27;
    }
    chars
}

fn push_suffix(text: &mut String, suffix: u32) {
    if suffix != 0 {
        text.extend(suffix_chars(suffix).iter().map(|&c| c as char));
    }
}

fn split_name(text: &str) -> (&str, u32) {
    let bytes = text.as_bytes();
    if bytes.len() <= SUFFIX_LEN {
        return (text, 0);
    }
    let at = bytes.len() - SUFFIX_LEN;
    let mut number = 0u32;
    for &c in &bytes[at..] {
        match SUFFIX_ALPHABET.iter().position(|&a| a == c) {
            Some(digit) => number = number * 27 + digit as u32,
            None => return (text, 0),
        }
    }
    (&text[..at], number + 1)
}

impl Serialize for Names {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.text, &self.ends).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        let (text, ends) = <(String, Vec<u32>)>::deserialize(deserializer)?;
        let mut names = Names::default();
        let mut from = 0;
        for end in ends {
            let part = text.get(from..end as usize).ok_or_else(|| serde::de::Error::custom("interned text is cut"))?;
            names.sym(part);
            from = end as usize;
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        let mut names = Names::new();
        for text in ["", "web", "bcdfg", "web-bcdfg", "a-22222", "web-bcdfgh", "web-bcdfe", "node-1", "é-22222"] {
            let name = names.name(text);
            assert_eq!(names.render(name), text);
            assert_eq!(names.show(name).to_string(), text);
            assert_eq!(names.find_name(text), Some(name));
            let whole = names.whole(name);
            assert_eq!(names.text(whole), text);
        }
        let base = names.sym("web-");
        let made = Names::generated(base, 12_345);
        let text = names.render(made);
        assert_eq!(names.name(&text), made);
    }

    #[test]
    fn order_is_by_text() {
        let mut names = Names::new();
        let mut all: Vec<Name> = ["web-bcdfg", "web-2bcdf", "web", "api-zzzzz", "web-9"].iter().map(|t| names.name(t)).collect();
        all.sort_by(|&a, &b| names.cmp_names(a, b));
        let texts: Vec<String> = all.iter().map(|&n| names.render(n)).collect();
        assert_eq!(texts, ["api-zzzzz", "web", "web-2bcdf", "web-9", "web-bcdfg"]);
    }
}
