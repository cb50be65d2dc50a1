//! Mistakes in what a person wrote: collected at their places, printed with file, line and column.

use super::sources::Sources;
use super::tree::Span;
use std::fmt;

/// Most errors (and most warnings) that are kept; the rest is only counted.
pub const PROBLEMS_MAX: usize = 200;

/// Whether a mistake stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, but probably says something else than was meant.
    Warning,
}

/// A mistake at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What was found, and what was expected.
    pub what: String,
    /// What would be right (`did you mean "replicas"?`).
    pub help: Option<String>,
}

impl Problem {
    /// A mistake without advice.
    pub fn new(span: Span, what: impl Into<String>) -> Problem {
        Problem { span, what: what.into(), help: None }
    }

    /// The same mistake with advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

/// A mistake as people read it. Line and column count from 1; line 0 means the file (or argument) as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct SourceError {
    /// The path as it was given.
    pub path: String,
    /// The line.
    pub line: u32,
    /// The column. Unit: characters.
    pub column: u32,
    /// The same place as a range of bytes.
    pub span: Span,
    /// What was found, and what was expected.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

impl SourceError {
    fn text(&self) -> String {
        let place = match self.line {
            0 => self.path.clone(),
            line => format!("{}:{line}:{}", self.path, self.column),
        };
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{place}: {}{help}", self.what)
    }
}

/// All mistakes of a reading, errors and warnings apart.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    errors_left_out: u64,
    warnings_left_out: u64,
}

impl Problems {
    /// Adds an error without advice.
    pub fn error(&mut self, span: Span, what: impl Into<String>) {
        self.push(Severity::Error, Problem::new(span, what));
    }

    /// Adds a warning without advice.
    pub fn warning(&mut self, span: Span, what: impl Into<String>) {
        self.push(Severity::Warning, Problem::new(span, what));
    }

    /// Adds a mistake; the same one at the same place counts once.
    pub fn push(&mut self, severity: Severity, problem: Problem) {
        let (list, left_out) = match severity {
            Severity::Error => (&mut self.errors, &mut self.errors_left_out),
            Severity::Warning => (&mut self.warnings, &mut self.warnings_left_out),
        };
        if list.len() >= PROBLEMS_MAX {
            *left_out += 1;
        } else if !list.contains(&problem) {
            list.push(problem);
        }
    }

    /// Whether there is an error at exactly this place: another one there would only follow from it.
    pub fn has_error_at(&self, span: Span) -> bool {
        self.errors.iter().any(|error| error.span == span)
    }

    /// Whether there is any error.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// How many errors were found, those left out included.
    pub fn errors_found(&self) -> u64 {
        self.errors.len() as u64 + self.errors_left_out
    }

    /// How many errors were found beyond the [`PROBLEMS_MAX`] that are kept.
    pub fn errors_left_out(&self) -> u64 {
        self.errors_left_out
    }

    /// How many warnings were found beyond the [`PROBLEMS_MAX`] that are kept.
    pub fn warnings_left_out(&self) -> u64 {
        self.warnings_left_out
    }

    /// The errors by file (in the order of reading) and place.
    pub fn errors(&self, sources: &Sources) -> Vec<SourceError> {
        locate(&self.errors, sources)
    }

    /// The warnings by file (in the order of reading) and place.
    pub fn warnings(&self, sources: &Sources) -> Vec<SourceError> {
        locate(&self.warnings, sources)
    }
}

fn locate(problems: &[Problem], sources: &Sources) -> Vec<SourceError> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.span);
    sorted
        .into_iter()
        .map(|problem| {
            let place = sources.locate(problem.span);
            SourceError {
                path: place.path,
                line: place.line,
                column: place.column,
                span: problem.span,
                what: problem.what.clone(),
                help: problem.help.clone(),
            }
        })
        .collect()
}

/// Advice for a name that is not known: the nearest one, or all when they are few; `None` when there are none.
pub fn advice(name: &str, known: &[&str]) -> Option<String> {
    if let Some(nearest) = nearest(name, known) {
        return Some(format!("did you mean {nearest:?}?"));
    }
    match known.len() {
        0 => None,
        1 => Some(format!("expected {}", known[0])),
        2..=12 => Some(format!("expected one of {}", known.join(", "))),
        _ => None,
    }
}

/// The known name nearest to `name`, or `None` when none is near enough to be meant. Case differences count little.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let len = name.chars().count();
    let allowed = (len / 3).max(1).min(len.saturating_sub(1));
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|&candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, candidate)| (distance, strsim::osa_distance(name, candidate)))
        .map(|(_, candidate)| candidate)
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_the_nearest_name_or_the_few_there_are() {
        let known = ["replicas", "selector", "template", "minReadySeconds"];
        for (name, want) in [
            ("replica", Some("did you mean \"replicas\"?")),
            ("minreadyseconds", Some("did you mean \"minReadySeconds\"?")),
            ("seelctor", Some("did you mean \"selector\"?")),
            ("colour", Some("expected one of replicas, selector, template, minReadySeconds")),
        ] {
            assert_eq!(advice(name, &known).as_deref(), want, "{name}");
        }
        assert_eq!(advice("x", &[]), None);
    }

    #[test]
    fn mistakes_print_in_file_order_with_place_and_help() {
        let mut sources = Sources::default();
        let file = sources.add("shop.yaml", "spec:\n  replica: 3\n");
        let mut problems = Problems::default();
        problems.push(
            Severity::Error,
            Problem::new(Span { file, start: 8, end: 15 }, "unknown field \"spec.replica\"").with_help("did you mean \"replicas\"?"),
        );
        problems.error(Span { file, start: 0, end: 4 }, "first");
        problems.error(Span { file, start: 0, end: 4 }, "first");
        let printed: Vec<String> = problems.errors(&sources).iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["shop.yaml:1:1: first", "shop.yaml:2:3: unknown field \"spec.replica\"; did you mean \"replicas\"?"]);
    }
}
