//! `why`: the chain of causes of a change, back to the scene or its script.

use crate::args::{ChainFormat, WhyArgs};
use crate::commands::get::{kind_named, no_kind, recorded};
use crate::exit::Outcome;
use crate::render::why::{Chain, Script, json, mermaid, text};
use crate::terminal;
use std::collections::BTreeSet;
use wavetank_engine::ids::Revision;
use wavetank_engine::record::journal::{Journal, Line};
use wavetank_engine::record::why::Recording;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::Sources;
use wavetank_engine::source::error::nearest;

/// Other names of the field `deletion`.
const DELETION: [&str; 2] = ["deletionTimestamp", "metadata.deletionTimestamp"];

/// Prints why the object changed.
pub fn why(args: &WhyArgs) -> Outcome {
    let options = RunOptions { journal: true, causes: true, ..RunOptions::default() };
    let (mut run, loaded) = match recorded(&args.object.moment, &options, |_| {}) {
        Ok(recorded) => recorded,
        Err(outcome) => return outcome,
    };
    let lines = run.sim.get_mut::<Journal>().take();
    let (write, field) = match change(args, &run, &lines) {
        Ok(change) => change,
        Err(outcome) => return outcome,
    };
    let script = script(&run, &loaded.sources);
    let recording = Recording::new(&run.sim, lines).expect("the run keeps causes");
    let steps = recording.chain(write);
    let chain = Chain { scene: &run.scene().path, field: &field, steps: &steps, recording: &recording, script: &script };
    let text = match args.output {
        ChainFormat::Text => text(&chain),
        ChainFormat::Json => json(&chain).to_string() + "\n",
        ChainFormat::Mermaid => mermaid(&chain),
    };
    match terminal::print(&text) {
        Ok(()) => Outcome::Well,
        Err(error) => {
            eprintln!("error: standard output: {error}");
            Outcome::BadInput
        }
    }
}

/// What the script does, as it is written, and where.
pub(crate) fn script(run: &Run, sources: &Sources) -> Vec<Script> {
    let entry = |entry: &wavetank_engine::scene::model::ScriptEntry| {
        let written = sources.excerpt(entry.span);
        let action = written.split_once(',').and_then(|(_, action)| action.trim().strip_suffix(')'));
        let action = action.unwrap_or(written).trim().trim_end_matches(',');
        let place = sources.locate(entry.span);
        let place = format!("{}:{}", place.path, place.line);
        Script { action: action.split_whitespace().collect::<Vec<_>>().join(" "), place }
    };
    run.scene().script.iter().map(entry).collect()
}

/// The write that is asked about, and its field.
fn change(args: &WhyArgs, run: &Run, lines: &[Line]) -> Result<(Revision, String), Outcome> {
    let (kind_text, name) = args.object.target();
    let name = name.unwrap_or_default();
    let Some((kind, _, namespaced)) = kind_named(run, kind_text) else { return Err(no_kind(kind_text)) };
    let namespace = Some(args.object.moment.namespace.as_str()).filter(|&namespace| namespaced && namespace != "default");
    let object = format!("{}/{}{name}", kind.to_ascii_lowercase(), namespace.map_or(String::new(), |namespace| format!("{namespace}/")));
    let now = run.sim.now();
    let own: Vec<&Line> = lines.iter().filter(|line| line.object == object).collect();
    if own.is_empty() {
        let known: BTreeSet<&str> = lines.iter().map(|line| line.object.as_str()).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let help = nearest(&object, &known).map_or(String::new(), |near| format!("; did you mean {near}?"));
        eprintln!("error: there was no {object} until {now}{help}");
        return Err(Outcome::Missed);
    }
    let wanted = args.field.as_deref().map(|field| if DELETION.contains(&field) { "deletion" } else { field });
    let mut of_field = own.iter().rev().filter(|line| wanted.is_none_or(|field| line.field == field));
    // That a kubelet confirms a deletion says nothing of who wanted it.
    let asked = of_field.clone().find(|line| wanted == Some("deletion") && line.old == "-");
    let found = asked.or_else(|| of_field.next());
    let Some(found) = found else {
        let fields: BTreeSet<&str> = own.iter().map(|line| line.field.as_str()).collect();
        let fields: Vec<&str> = fields.into_iter().collect();
        let near = nearest(wanted.unwrap_or_default(), &fields).map_or(String::new(), |near| format!("; did you mean {near}?"));
        eprintln!("error: the field {:?} of {object} did not change until {now}{near}", wanted.unwrap_or_default());
        eprintln!("fields that did: {}", fields.join(", "));
        return Err(Outcome::Missed);
    };
    // Of one write the most telling field is told.
    let field = match wanted {
        Some(field) => field.to_string(),
        None => String::new(),
    };
    Ok((found.revision, field))
}
