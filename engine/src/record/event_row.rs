//! One event's row: as others read it, and as it is kept among millions.

use crate::ids::{Kind, ObjectKey, Uid};
use crate::names::{Name, Names, Sym};
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What stands before the message of a row that stands for many similar events.
pub const COMBINED: &str = "(combined from similar events): ";

/// One argument of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arg {
    /// Text.
    Text(Sym),
    /// Name of an object.
    Name(Name),
    /// A number of at most 61 bits.
    Int(i64),
}

/// What an event says: the words with `{}` for each argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Words with `{}` in place of each argument; text with braces of its own goes in as one argument.
    pub words: Sym,
    /// The arguments.
    pub args: SmallVec<[Arg; 2]>,
}

/// One row: an event with its count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// The object that it is about.
    pub about: ObjectKey,
    /// Identity of that object.
    pub uid: Uid,
    /// Who reports.
    pub source: Sym,
    /// `type` is Warning.
    pub warning: bool,
    /// `reason`.
    pub reason: Sym,
    /// `message`, without what stands before a combined one: see [`EventRow::text`].
    pub message: Message,
    /// The row stands for many similar events; the message is that of the last.
    pub combined: bool,
    /// `count`.
    pub count: u32,
    /// `firstTimestamp`.
    pub first_at: SimTime,
    /// `lastTimestamp`.
    pub last_at: SimTime,
}

impl EventRow {
    /// `message`.
    pub fn text(&self, names: &Names) -> String {
        let text = self.message.text(names);
        if self.combined { format!("{COMBINED}{text}") } else { text }
    }
}

impl Message {
    /// The text.
    pub fn text(&self, names: &Names) -> String {
        let mut text = String::new();
        let mut args = self.args.iter();
        let mut rest = names.text(self.words);
        while let Some(at) = rest.find("{}") {
            text.push_str(&rest[..at]);
            match args.next() {
                Some(Arg::Text(sym)) => text.push_str(names.text(*sym)),
                Some(Arg::Name(name)) => text.push_str(&names.render(*name)),
                Some(Arg::Int(number)) => text.push_str(&number.to_string()),
                None => text.push_str("{}"),
            }
            rest = &rest[at + 2..];
        }
        text.push_str(rest);
        text
    }
}

/// What rows have in common: few forms serve millions of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Form {
    pub(super) kind: Kind,
    pub(super) namespace: Sym,
    pub(super) source: Sym,
    pub(super) warning: bool,
    pub(super) reason: Sym,
    pub(super) words: Sym,
    pub(super) combined: bool,
}

/// A row as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) uid: Uid,
    pub(super) name: Name,
    /// Number of the form; the words are those of the last message.
    pub(super) form: u32,
    /// 0: the row was deleted.
    pub(super) count: u32,
    pub(super) first_at: SimTime,
    pub(super) last_at: SimTime,
    pub(super) args: Args,
    /// Number of the object's row before this one, [`NONE`] for its first.
    pub(super) before: u32,
}

/// Arguments of a message, eight bytes each.
pub(super) type Args = SmallVec<[Packed; 2]>;

/// An argument in eight bytes: what it is in the lowest two bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Packed(u64);

impl Packed {
    /// Numbers beyond 61 bits are cut to the nearest that fits.
    fn of(arg: Arg) -> Packed {
        const MAX: i64 = (1 << 61) - 1;
        match arg {
            Arg::Text(sym) => Packed(u64::from(sym.0) << 2),
            Arg::Name(name) => Packed(u64::from(name.base.0) << 32 | u64::from(name.suffix) << 2 | 1),
            Arg::Int(number) => Packed((number.clamp(-MAX, MAX) as u64) << 2 | 2),
        }
    }

    /// Namespace and name of the object that the event is about: two arguments in one.
    const ABOUT: Packed = Packed(3);

    pub(super) fn all(args: &[Arg], about: ObjectKey) -> Args {
        let mut packed = Args::new();
        let mut rest = args;
        while let Some((&first, others)) = rest.split_first() {
            rest = match others.split_first() {
                Some((&second, others)) if (first, second) == (Arg::Text(about.namespace), Arg::Name(about.name)) => {
                    packed.push(Packed::ABOUT);
                    others
                }
                _ => {
                    packed.push(Packed::of(first));
                    others
                }
            };
        }
        packed
    }

    fn args(self, about: ObjectKey) -> SmallVec<[Arg; 2]> {
        let one = match self.0 & 3 {
            0 => Arg::Text(Sym((self.0 >> 2) as u32)),
            1 => Arg::Name(Name { base: Sym((self.0 >> 32) as u32), suffix: self.0 as u32 >> 2 }),
            2 => Arg::Int(self.0 as i64 >> 2),
            _ => return SmallVec::from([Arg::Text(about.namespace), Arg::Name(about.name)]),
        };
        SmallVec::from_slice(&[one])
    }
}

impl Kept {
    /// The row as others read it.
    pub(super) fn row(&self, form: Form) -> EventRow {
        let about = ObjectKey { kind: form.kind, namespace: form.namespace, name: self.name };
        EventRow {
            about,
            uid: self.uid,
            source: form.source,
            warning: form.warning,
            reason: form.reason,
            message: Message { words: form.words, args: self.args.iter().flat_map(|arg| arg.args(about)).collect() },
            combined: form.combined,
            count: self.count,
            first_at: self.first_at,
            last_at: self.last_at,
        }
    }
}
