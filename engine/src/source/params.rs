//! Parameters of a scene: `${name}` in its strings, with defaults at its head and `--set NAME=VALUE` on the command line.
//!
//! A string that is exactly `"${name}"` takes the parameter's typed value; inside a longer string it is text. `$${` stands
//! for `${` itself. There is no arithmetic, and a default cannot refer to another parameter.

use super::error::{Problem, Problems, Severity, advice};
use super::sources::Sources;
use super::tree::{Span, Tree, TreeValue};
use std::collections::BTreeMap;

/// The declared parameters with their present values.
#[derive(Debug, Clone, Default)]
pub struct Params {
    values: BTreeMap<String, Param>,
}

#[derive(Debug, Clone)]
struct Param {
    value: TreeValue,
    /// Where `--set` gave the value; `None` while it is the default.
    set: Option<Span>,
}

impl Params {
    /// Reads the declarations: a map of names to defaults, each a string, an integer, a number or a boolean.
    pub fn declare(tree: &Tree, problems: &mut Problems) -> Params {
        let mut params = Params::default();
        if !matches!(tree.value, TreeValue::Map(_)) {
            problems.error(tree.span, "params: expected a map of names to defaults, such as {\"n\": 100}");
        }
        for entry in tree.entries() {
            let name = &entry.key.text;
            let wrong = match &entry.value.value {
                _ if !is_name(name) => Some(format!("{name:?} is no name for a parameter: use letters, digits and _")),
                TreeValue::String(text) if text.contains("${") => {
                    Some(format!("params.{name}: a default cannot refer to another parameter"))
                }
                TreeValue::Bool(_) | TreeValue::Int(_) | TreeValue::Uint(_) | TreeValue::Float(_) | TreeValue::String(_) => None,
                _ => Some(format!("params.{name}: a default is a string, an integer, a number or a boolean")),
            };
            match wrong {
                Some(what) => problems.error(if is_name(name) { entry.value.span } else { entry.key.span }, what),
                None => {
                    let param = Param { value: entry.value.value.clone(), set: None };
                    params.values.insert(name.clone(), param);
                }
            }
        }
        params
    }

    /// Takes one `--set` argument, `NAME=VALUE`; the value is typed by the declared default.
    pub fn set(&mut self, argument: &str, sources: &mut Sources, problems: &mut Problems) {
        let file = sources.add_argument("--set", argument);
        let span = Span::new(file, 0, argument.len());
        let Some((name, text)) = argument.split_once('=') else {
            problems.error(span, "expected NAME=VALUE");
            return;
        };
        let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        let help = advice(name, &names).or_else(|| names.is_empty().then(|| "the scene declares none".to_string()));
        let Some(param) = self.values.get_mut(name) else {
            problems.push(Severity::Error, Problem { span, what: format!("the scene declares no parameter {name:?}"), help });
            return;
        };
        match typed_like(&param.value, text) {
            Ok(value) => *param = Param { value, set: Some(span) },
            Err(expected) => problems.error(span, format!("found {text:?}, expected {expected}, as the default of {name:?} is")),
        }
    }

    /// The present values of all parameters as text.
    pub fn texts(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(name, param)| (name.clone(), text_of(&param.value))).collect()
    }

    /// The present value of a parameter as text, or `None` when it is not declared.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|param| text_of(&param.value))
    }

    /// Replaces every `${name}` in the strings and keys of `tree`.
    ///
    /// Where a `--set` value makes up a string, or its beginning, the string's place becomes that argument: so
    /// [`Sources::is_argument`] tells whose paths are relative to the working directory.
    pub fn substitute(&self, tree: &mut Tree, problems: &mut Problems) {
        match &mut tree.value {
            TreeValue::String(text) if text.contains("${") => {
                let text = std::mem::take(text);
                self.replace(&text, tree, problems);
            }
            TreeValue::Seq(items) => items.iter_mut().for_each(|item| self.substitute(item, problems)),
            TreeValue::Map(entries) => {
                for entry in entries {
                    if entry.key.text.contains("${") {
                        entry.key.text = self.expand(&entry.key.text, entry.key.span, problems).0;
                    }
                    self.substitute(&mut entry.value, problems);
                }
            }
            TreeValue::Named(named) => self.substitute(&mut named.args, problems),
            _ => {}
        }
    }

    fn replace(&self, text: &str, tree: &mut Tree, problems: &mut Problems) {
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| is_name(name)) {
            match self.find(name, tree.span, problems) {
                Some(param) => {
                    tree.value = param.value.clone();
                    tree.span = param.set.unwrap_or(tree.span);
                }
                None => tree.value = TreeValue::String(text.to_string()),
            }
            return;
        }
        let (expanded, set) = self.expand(text, tree.span, problems);
        tree.value = TreeValue::String(expanded);
        tree.span = set.unwrap_or(tree.span);
    }

    /// The text with its parameters replaced, and the `--set` argument that it begins with, if it does.
    fn expand(&self, text: &str, span: Span, problems: &mut Problems) -> (String, Option<Span>) {
        let (mut out, mut begins_with) = (String::new(), None);
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at]);
                out.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                problems.push(
                    Severity::Error,
                    Problem::new(span, format!("`${{` without `}}` in {text:?}")).with_help("write `$${` for the characters themselves"),
                );
                return (text.to_string(), None);
            };
            if let Some(param) = self.find(&rest[at + 2..at + end], span, problems) {
                if out.is_empty() {
                    begins_with = param.set;
                }
                out.push_str(&text_of(&param.value));
            }
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        (out, begins_with)
    }

    fn find(&self, name: &str, span: Span, problems: &mut Problems) -> Option<&Param> {
        let param = self.values.get(name);
        if param.is_none() {
            let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
            let help =
                advice(name, &names).or_else(|| Some("declare it under params, or write `$${` for the characters themselves".into()));
            problems.push(Severity::Error, Problem { span, what: format!("no parameter {name:?} is declared"), help });
        }
        param
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn text_of(value: &TreeValue) -> String {
    match value {
        TreeValue::Bool(value) => value.to_string(),
        TreeValue::Int(value) => value.to_string(),
        TreeValue::Uint(value) => value.to_string(),
        TreeValue::Float(value) => value.to_string(),
        TreeValue::String(text) => text.clone(),
        TreeValue::Null | TreeValue::Seq(_) | TreeValue::Map(_) | TreeValue::Named(_) => String::new(),
    }
}

/// `text` as a value of the type of `default`; the error names that type.
fn typed_like(default: &TreeValue, text: &str) -> Result<TreeValue, &'static str> {
    match default {
        TreeValue::Bool(_) => text.parse().map(TreeValue::Bool).map_err(|_| "true or false"),
        TreeValue::Int(_) | TreeValue::Uint(_) => match text.parse() {
            Ok(value) => Ok(TreeValue::Int(value)),
            Err(_) => text.parse().map(TreeValue::Uint).map_err(|_| "an integer"),
        },
        TreeValue::Float(_) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(TreeValue::Float(value)),
            _ => Err("a number"),
        },
        TreeValue::String(_) => Ok(TreeValue::String(text.to_string())),
        TreeValue::Null | TreeValue::Seq(_) | TreeValue::Map(_) | TreeValue::Named(_) => Err("a default of a plain type"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_read::show;
    use super::super::{Documents, Format};
    use super::*;

    /// The body of a scene after substitution, then every mistake.
    fn run(declared: &str, arguments: &[&str], body: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("s", format!("(params: {declared},\nbody: {body})"));
        let mut tree = Documents::new(&sources, file, Format::Ron).next().unwrap().unwrap();
        let mut problems = Problems::default();
        let mut params = Params::declare(tree.get("params").unwrap(), &mut problems);
        for argument in arguments {
            params.set(argument, &mut sources, &mut problems);
        }
        let TreeValue::Map(entries) = &mut tree.value else { panic!("a map") };
        params.substitute(&mut entries[1].value, &mut problems);
        let mut lines = vec![show(&entries[1].value)];
        lines.extend(problems.errors(&sources).iter().map(ToString::to_string));
        lines.join(" / ")
    }

    #[test]
    fn strings_take_values() {
        let declared = "{\"n\": 3, \"dir\": \".\", \"f\": 0.5, \"on\": true}";
        for (arguments, body, want) in [
            (&[][..], "[\"${n}\", \"${dir}\", \"${f}\", \"${on}\"]", "[3, \".\", 0.5f, true]"),
            (&[], "\"${dir}/pods-${n}.yaml ${on}\"", "\"./pods-3.yaml true\""),
            (&["n=12", "dir=/x=y", "f=2", "on=false"], "[\"${n}\", \"${dir}\", \"${f}\", \"${on}\"]", "[12, \"/x=y\", 2.0f, false]"),
            (&[], "At(\"1s\", {\"a-${n}\": \"$${n} $(n) $n\"})", "At[\"1s\", {a-3: \"${n} $(n) $n\"}]"),
            (&[], "\"${m}\"", "\"${m}\" / s:2:7: no parameter \"m\" is declared; expected one of dir, f, n, on"),
            (&[], "\"x${\"", "\"x${\" / s:2:7: `${` without `}` in \"x${\"; write `$${` for the characters themselves"),
            (&["m=1"], "1", "1 / --set m=1: the scene declares no parameter \"m\"; expected one of dir, f, n, on"),
            (&["n"], "1", "1 / --set n: expected NAME=VALUE"),
            (&["n=two"], "1", "1 / --set n=two: found \"two\", expected an integer, as the default of \"n\" is"),
            (&["f=nan"], "1", "1 / --set f=nan: found \"nan\", expected a number, as the default of \"f\" is"),
            (&["on=1"], "1", "1 / --set on=1: found \"1\", expected true or false, as the default of \"on\" is"),
        ] {
            assert_eq!(run(declared, arguments, body), want, "{arguments:?} {body}");
        }
    }

    #[test]
    fn wrong_declarations_are_mistakes() {
        for (declared, want) in [
            ("{\"a b\": 1}", "1 / s:1:11: \"a b\" is no name for a parameter: use letters, digits and _"),
            ("{\"a\": [1]}", "1 / s:1:16: params.a: a default is a string, an integer, a number or a boolean"),
            ("{\"a\": \"${b}\"}", "1 / s:1:16: params.a: a default cannot refer to another parameter"),
            ("3", "1 / s:1:10: params: expected a map of names to defaults, such as {\"n\": 100}"),
        ] {
            assert_eq!(run(declared, &[], "1"), want, "{declared}");
        }
    }

    #[test]
    fn what_an_argument_gives_stands_in_the_argument() {
        let mut sources = Sources::default();
        let file = sources.add("s", "[\"${dir}/x\", \"x/${dir}\", \"${dir}\", \"x\"]");
        let mut tree = Documents::new(&sources, file, Format::Ron).next().unwrap().unwrap();
        let declared = TreeValue::String(".".into());
        let mut params = Params { values: BTreeMap::from([("dir".to_string(), Param { value: declared, set: None })]) };
        params.set("dir=/y", &mut sources, &mut Problems::default());
        params.substitute(&mut tree, &mut Problems::default());
        let from_argument: Vec<bool> = tree.items().iter().map(|item| sources.is_argument(item.span.file)).collect();
        assert_eq!(from_argument, [true, false, true, false]);
    }
}
