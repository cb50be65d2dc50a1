//! From the text of RON, YAML and JSON to typed values, with every mistake collected at its place.
//!
//! Reading order: [`tree`] (what all formats become), [`sources`] (the texts, and where a span lies in them), [`error`]
//! (mistakes and how they print), [`documents`] (a file as a sequence of trees), [`mod@decode`] (a tree as a Rust value),
//! [`params`] (`${name}` in scenes), [`kube`] (a tree as a Kubernetes object).
//!
//! Nothing here opens a file (a [`sources::Files`] does), reads a clock, or panics on any text.

pub mod decode;
pub mod documents;
pub mod error;
mod json;
pub mod kube;
mod kube_kinds;
mod lexer;
pub mod params;
mod ron;
pub mod sources;
pub mod tree;
mod yaml;
mod yaml_scalar;

pub use decode::{Spanned, decode, decode_each};
pub use documents::{Documents, Format, span_inside};
pub use error::{Problem, Problems, Severity, SourceError};
pub use kube::{BrokenObject, KubeBody, KubeObject, KubeReader};
pub use params::Params;
pub use sources::{FileId, Files, MemoryFiles, Sources};
pub use tree::{Entry, Key, Named, Span, Tree, TreeValue};

/// Deepest nesting of lists and maps that any format may have. Unit: levels.
///
/// Decoding recurses once a level, so this is also what keeps the stack bounded.
pub const DEPTH_MAX: u32 = 128;

#[cfg(test)]
mod tests_decode;
#[cfg(test)]
mod tests_fuzz;
#[cfg(test)]
mod tests_kube;
#[cfg(test)]
mod tests_read;
