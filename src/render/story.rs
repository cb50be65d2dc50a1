//! The story of a run: the few lines of its journal that a person wants to see first, each with what made it happen.
//!
//! A line is told by its kind and field. Equal lines of sibling pods in one instant become one. When the story grows too
//! long, first the readiness of pods is left out, then their creation and placement, then the middle.

use std::collections::BTreeMap;
use wavetank_engine::ids::Revision;
use wavetank_engine::record::journal::Line;
use wavetank_engine::time::SimTime;

/// Most lines that a story has; a line about what was left out comes on top.
pub const LINES_MAX: usize = 40;

/// Most journal lines that a story is made from; a longer run is told as far as that.
const READ_MAX: usize = 200_000;

/// The actor of what a scene begins with and what its script does.
const SCRIPT: &str = "script";

/// How much a line matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What people did, what broke, what scaled.
    Turn,
    /// Where pods came into being.
    Birth,
    /// Pods that became ready.
    Ready,
}

/// One told line.
#[derive(Debug, Clone)]
struct Told {
    rank: Rank,
    /// The first of its journal lines.
    line: Line,
    /// Names of the objects, in order of appearance; several only for pods of one family.
    objects: Vec<String>,
    /// New values, each once, in order of appearance.
    new: Vec<String>,
}

/// Collects the lines of a journal as they come.
#[derive(Debug, Default)]
pub struct Story {
    told: Vec<Told>,
    /// What the script does, as written.
    script: Vec<(SimTime, String)>,
    /// What each revision changed: the object, its most telling field, and whether that field is told.
    changes: BTreeMap<Revision, (String, String, bool)>,
    read: usize,
}

impl Story {
    /// Takes more lines, in the order of the journal. False once the story has heard enough.
    pub fn hear(&mut self, lines: &[Line]) -> bool {
        for line in lines.iter().take(READ_MAX - self.read) {
            let rank = rank(line);
            if !self.changes.get(&line.revision).is_some_and(|(_, _, telling)| *telling) {
                self.changes.insert(line.revision, (line.object.clone(), line.field.clone(), rank.is_some()));
            }
            if let Some(rank) = rank {
                self.tell(line, rank);
            }
        }
        self.read = (self.read + lines.len()).min(READ_MAX);
        self.read < READ_MAX
    }

    /// Takes what the script does at a moment, as it is written in the scene. Needed for what leaves no trace in the API,
    /// such as a node that fails.
    pub fn script(&mut self, at: SimTime, action: &str) {
        self.script.push((at, action.split_whitespace().collect::<Vec<_>>().join(" ")));
    }

    fn tell(&mut self, line: &Line, rank: Rank) {
        let joins = |told: &&mut Told| {
            let first = &told.line;
            let same = first.field == line.field && first.old == line.old && first.actor == line.actor;
            let new = line.field == "spec.nodeName" || first.new == line.new;
            same && new && is_pod(line) && family(&first.object) == family(&line.object)
        };
        let told = self.told.iter_mut().rev().take_while(|told| told.line.at == line.at).find(joins);
        match told {
            Some(told) => {
                told.objects.push(line.object.clone());
                if !told.new.contains(&line.new) {
                    told.new.push(line.new.clone());
                }
            }
            None => {
                let (objects, new) = (vec![line.object.clone()], vec![line.new.clone()]);
                self.told.push(Told { rank, line: line.clone(), objects, new });
            }
        }
    }

    /// The story's lines: time, object, field, old -> new, actor, and the change that made the actor act.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<(Rank, SimTime, String)> = self.told.iter().map(|told| (told.rank, told.line.at, self.text(told))).collect();
        for (at, action) in self.script.iter().rev() {
            let traced = self.told.iter().any(|told| told.line.at == *at && told.line.actor == SCRIPT);
            if !traced {
                let place = lines.partition_point(|(_, other, _)| other < at);
                lines.insert(place, (Rank::Turn, *at, format!("{}  {:<32} {action}", at.clock(), SCRIPT)));
            }
        }
        let all = lines.len();
        for rank in [Rank::Ready, Rank::Birth] {
            if lines.len() > LINES_MAX {
                lines.retain(|line| line.0 != rank);
            }
        }
        if lines.len() > LINES_MAX {
            let tail = LINES_MAX / 3;
            lines.drain(LINES_MAX - tail..lines.len() - tail);
        }
        let left_out = all - lines.len();
        let mut texts: Vec<String> = lines.into_iter().map(|(_, _, text)| text).collect();
        if left_out > 0 || self.read == READ_MAX {
            texts.push(format!("({left_out} lines of the story left out; --journal - shows every change)"));
        }
        texts
    }

    fn text(&self, told: &Told) -> String {
        let line = &told.line;
        let object = match told.objects.as_slice() {
            [one] => one.clone(),
            many => format!("{}* ({} pods)", family(&many[0]), many.len()),
        };
        let cause = match self.changes.get(&line.cause) {
            Some((object, field, _)) if line.cause != Revision(0) && !told.objects.contains(object) => {
                format!(", because {object} {}", last_part(field))
            }
            _ => String::new(),
        };
        format!("{}  {object:<32} {:<44} {}{cause}", line.at.clock(), change(line, &told.new), line.actor)
    }
}

/// What changed, in a few words: of a whole object what became of it, of a condition the old status and the new reason.
fn change(line: &Line, new: &[String]) -> String {
    let new = shorten(&new.join(", "));
    match line.field.as_str() {
        "object" => new,
        field if field.starts_with("conditions.") => {
            let old = line.old.split(' ').next().unwrap_or("-");
            let old = if new.split(' ').next() == Some(old) { String::new() } else { format!("{old} -> ") };
            format!("{} {old}{new}", last_part(field))
        }
        field => format!("{} {} -> {new}", last_part(field), shorten(&line.old)),
    }
}

/// Longest value shown whole. Unit: characters.
const VALUE_MAX: usize = 60;

fn shorten(value: &str) -> String {
    match value.char_indices().nth(VALUE_MAX) {
        None => value.to_string(),
        Some((cut, _)) => format!("{}…", &value[..cut]),
    }
}

/// A field without the first part of its path: `spec.replicas` is `replicas`, `spec.template.image` is `template.image`.
fn last_part(field: &str) -> &str {
    field.split_once('.').map_or(field, |(_, rest)| rest)
}

fn is_pod(line: &Line) -> bool {
    line.object.starts_with("pod/")
}

/// The name of a generated object without its suffix: `pod/web-7d4-`; any other name as it is.
fn family(object: &str) -> &str {
    match object.rfind('-') {
        Some(at) if object.len() - at == 6 => &object[..=at],
        _ => object,
    }
}

/// Whether a line is told, and how much it matters.
fn rank(line: &Line) -> Option<Rank> {
    let kind = line.object.split('/').next().unwrap_or("");
    let (field, new) = (line.field.as_str(), line.new.as_str());
    let begins = line.at == SimTime::ZERO && line.actor == SCRIPT;
    let turn = |told: bool| told.then_some(Rank::Turn);
    match (kind, field) {
        ("pod", "object") => (new == "created" && line.actor != SCRIPT).then_some(Rank::Birth),
        ("pod", "spec.nodeName") => Some(Rank::Birth),
        ("pod", "conditions.Ready") => match (new, line.actor.as_str()) {
            ("True", _) => Some(Rank::Ready),
            (_, "node-controller") => Some(Rank::Turn),
            _ => None,
        },
        ("pod", "conditions.PodScheduled") => turn(new.starts_with("False")),
        ("pod", "deletion") => turn(line.old == "-"),
        ("pod", "status.phase") => turn(new == "Failed"),
        ("pod", state) if state.starts_with("status.") && state.ends_with(".state") => {
            turn(new.contains("BackOff") || new.starts_with("terminated") && !new.starts_with("terminated 0"))
        }
        ("node", "conditions.Ready" | "spec.taints" | "spec.unschedulable") => turn(!begins),
        ("namespace" | "node", "object") => turn(!begins),
        ("replicaset", "spec.replicas") => Some(Rank::Turn),
        ("replicaset", "object" | "spec.template.image") | ("endpoints" | "endpointslice" | "lease", _) => None,
        (_, "spec.replicas" | "spec.template.image" | "status.desiredReplicas") => Some(Rank::Turn),
        ("deployment", "conditions.Available") => turn(line.old != "-"),
        ("deployment", "conditions.Progressing") => turn(new.contains("NewReplicaSetAvailable") || new.starts_with("False")),
        ("job", "conditions.Complete" | "conditions.Failed") => Some(Rank::Turn),
        ("deployment", "object") => turn(new == "gone"),
        (_, "object") => turn(!begins),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line drawn as `seconds revision<cause object field old new actor`.
    fn line(drawn: &str) -> Line {
        let words: Vec<&str> = drawn.split_whitespace().collect();
        let [at, revisions, object, field, old, new, actor] = words[..] else { panic!("{drawn}") };
        let (revision, cause) = revisions.split_once('<').unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        Line {
            at: SimTime::from_secs(number(at)),
            revision: Revision(number(revision)),
            cause: Revision(number(cause)),
            object: object.to_string(),
            field: field.to_string(),
            old: old.to_string(),
            new: new.replace('_', " "),
            actor: actor.to_string(),
        }
    }

    fn story(drawn: &[&str]) -> Story {
        let mut story = Story::default();
        assert!(story.hear(&drawn.iter().map(|drawn| line(drawn)).collect::<Vec<_>>()));
        story
    }

    fn squeezed(story: &Story) -> Vec<String> {
        story.lines().iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn sibling_pods_share_a_line_and_causes_are_named() {
        let mut told = story(&[
            "0 1<0 node/n1 object - created script",
            "0 2<0 deployment/web spec.replicas - 2 script",
            "5 3<0 node/n1 conditions.MemoryPressure False Unknown node-controller",
            "5 3<0 node/n1 conditions.Ready True Unknown node-controller",
            "5 4<3 pod/web-7d4-aaaaa conditions.Ready True False node-controller",
            "9 5<4 pod/web-7d4-aaaaa deletion - grace_30s taint-eviction-controller",
            "9 6<5 pod/web-7d4-bbbbb object - created replicaset-controller",
            "9 7<5 pod/web-7d4-ccccc object - created replicaset-controller",
            "9 8<0 pod/web-7d4-bbbbb spec.nodeName - n2 default-scheduler",
            "9 9<0 pod/web-7d4-ccccc spec.nodeName - n3 default-scheduler",
            "9 10<0 pod/web-7d4-ccccc status.podIP - 10.0.0.1 kubelet",
        ]);
        told.script(SimTime::from_secs(4), "FailNode(\"n1\")");
        told.script(SimTime::ZERO, "Scale(\"deployment/web\", 2)");
        let want = [
            "00:00.000 deployment/web replicas - -> 2 script",
            "00:04.000 script FailNode(\"n1\")",
            "00:05.000 node/n1 Ready True -> Unknown node-controller",
            "00:05.000 pod/web-7d4-aaaaa Ready True -> False node-controller, because node/n1 Ready",
            "00:09.000 pod/web-7d4-aaaaa deletion - -> grace 30s taint-eviction-controller",
            "00:09.000 pod/web-7d4-* (2 pods) created replicaset-controller, because pod/web-7d4-aaaaa deletion",
            "00:09.000 pod/web-7d4-* (2 pods) nodeName - -> n2, n3 default-scheduler",
        ];
        assert_eq!(squeezed(&told), want);
    }

    #[test]
    fn a_long_story_keeps_its_turns_first_and_then_its_ends() {
        let ready: Vec<String> = (0..20).map(|at| format!("{at} {at}<0 pod/a conditions.Ready False True kubelet")).collect();
        let scaled: Vec<String> = (0..30).map(|at| format!("{at} {at}<0 deployment/a spec.replicas {at} 1 script")).collect();
        let all: Vec<&str> = ready.iter().chain(&scaled).map(String::as_str).collect();
        let lines = squeezed(&story(&all));
        assert_eq!(lines.len(), 31);
        assert!(lines.iter().all(|line| !line.contains("Ready")), "{lines:?}");
        let many: Vec<String> = (0..300).map(|at| format!("{at} {at}<0 deployment/a spec.replicas {at} 1 script")).collect();
        let lines = squeezed(&story(&many.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert!(lines[0].starts_with("00:00.000") && lines[LINES_MAX - 1].starts_with("04:59.000"), "{lines:?}");
        assert!(lines[LINES_MAX].starts_with("(260 lines"), "{lines:?}");
    }
}
