//! The lives of pods: what each was doing from when to when, read from the journal and from the events of its images.

use std::collections::BTreeMap;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::{Line, object_text};
use wavetank_engine::scene::run::Run;
use wavetank_engine::time::SimTime;

/// A pod from its creation to its end. A name that comes back has another life.
pub(super) struct Life {
    /// As the journal names it.
    pub(super) object: String,
    /// Its node; empty when it never got one.
    pub(super) node: String,
    /// What it was doing from each moment on, in order of time; no two moments are the same.
    pub(super) doing: Vec<(SimTime, String)>,
    /// When it was gone; `None`: it was there at the end of the run.
    pub(super) gone_at: Option<SimTime>,
    /// What the journal and the events have said of it so far.
    known: Known,
}

/// What is known of a pod at a moment.
#[derive(Default)]
struct Known {
    phase: String,
    deleted: bool,
    ready: bool,
    pulling: bool,
    /// Why containers wait, by the container's field.
    waiting: BTreeMap<String, String>,
}

/// A piece of news about a pod.
enum News<'n> {
    Line(&'n Line),
    /// The kubelet pulls an image, or does so no more.
    Pulling(bool),
}

/// The lives of all pods, in order of creation.
pub(super) fn lives(run: &Run, lines: &[Line]) -> Vec<Life> {
    let mut news: Vec<(SimTime, String, News)> =
        lines.iter().filter(|line| line.object.starts_with("pod/")).map(|line| (line.at, line.object.clone(), News::Line(line))).collect();
    news.extend(pulls(run));
    news.sort_by_key(|(at, ..)| *at);
    let mut lives: Vec<Life> = Vec::new();
    let mut present: BTreeMap<String, usize> = BTreeMap::new();
    for (at, object, news) in news {
        if let News::Line(line) = news
            && line.field == "object"
            && line.new == "created"
        {
            present.insert(object.clone(), lives.len());
            let known = Known::default();
            lives.push(Life { object, node: String::new(), doing: Vec::new(), gone_at: None, known });
            continue;
        }
        let Some(life) = present.get(&object).map(|&at| &mut lives[at]).filter(|life| life.gone_at.is_none()) else { continue };
        life.hear(at, &news);
    }
    lives
}

/// When images were pulled, as the events say. Of repeated pulls the first and the last are told.
fn pulls(run: &Run) -> Vec<(SimTime, String, News<'static>)> {
    let (names, kinds) = (run.sim.get::<Names>(), run.sim.get::<Kinds>());
    let mut news = Vec::new();
    for row in run.sim.get::<Events>().rows() {
        let pulling = match names.text(row.reason) {
            "Pulling" => true,
            "Pulled" | "Failed" => false,
            _ => continue,
        };
        let object = object_text(names, kinds, row.about);
        news.push((row.first_at, object.clone(), News::Pulling(pulling)));
        if row.last_at > row.first_at {
            news.push((row.last_at, object, News::Pulling(pulling)));
        }
    }
    news
}

impl Life {
    fn hear(&mut self, at: SimTime, news: &News) {
        match news {
            News::Pulling(pulling) => self.known.pulling = *pulling,
            News::Line(line) => match line.field.as_str() {
                "object" => {
                    self.gone_at = Some(at);
                    return;
                }
                "spec.nodeName" => self.node.clone_from(&line.new),
                "status.phase" => self.known.phase.clone_from(&line.new),
                "deletion" => self.known.deleted = line.new != "-",
                "conditions.Ready" => self.known.ready = line.new.starts_with("True"),
                field if field.ends_with(".state") => match line.new.strip_prefix("waiting ") {
                    Some(reason) => drop(self.known.waiting.insert(field.to_string(), reason.to_string())),
                    None => drop(self.known.waiting.remove(field)),
                },
                _ => {}
            },
        }
        let doing = self.known.doing(!self.node.is_empty());
        // Of what changes within an instant the end of the instant counts.
        self.doing.pop_if(|(last, _)| *last == at);
        if self.doing.last().is_none_or(|(_, before)| *before != doing) {
            self.doing.push((at, doing));
        }
    }
}

impl Known {
    fn doing(&self, placed: bool) -> String {
        let back_off = self.waiting.values().find(|reason| reason.ends_with("BackOff") || reason.starts_with("Err"));
        match (self.phase.as_str(), back_off) {
            _ if self.deleted => "terminating".to_string(),
            ("Succeeded" | "Failed", _) => self.phase.to_lowercase(),
            _ if !placed => "scheduling".to_string(),
            _ if self.pulling => "pulling".to_string(),
            (_, Some(reason)) => reason.clone(),
            ("Running", None) if self.ready => "running".to_string(),
            ("Running", None) => "running, not ready".to_string(),
            _ => "starting".to_string(),
        }
    }
}
