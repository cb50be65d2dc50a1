//! The scheduler's decisions on a pod, as text and as JSON.

use crate::render::summary::count;
use crate::render::table::Table;
use serde_json::{Value, json};
use wavetank_systems::scheduler::explain::{Candidate, Change, Decided, Explanation, Finding, NodeVerdict, Preemption};

/// Most nodes of a kind that are listed one by one.
const NODES_MAX: usize = 20;

/// What the scheduler did about a pod: attempts that preempted others and the last one whole, the others in a line, and those of them that
/// end alike together. `note`: why there was none.
pub fn text(name: &str, attempts: &[Explanation], note: Option<&str>) -> String {
    if let Some(note) = note {
        return format!("pod/{name}: the scheduler has not tried it, because {note}\n");
    }
    let mut parts = Vec::new();
    let whole = |attempt: &Explanation| preempts(attempt) || attempts.last().is_some_and(|last| std::ptr::eq(last, attempt));
    for alike in attempts.chunk_by(|one, next| !whole(one) && !whole(next) && outcome(&one.outcome) == outcome(&next.outcome)) {
        let attempt = &alike[0];
        parts.push(format!("{}  pod/{name}, attempt {}: {}\n", attempt.at.clock(), attempt.attempt, outcome(&attempt.outcome)));
        if whole(attempt) {
            parts.push(nodes(&attempt.nodes, &attempt.outcome));
            parts.push(after(&attempt.outcome));
        }
        if let [_, more @ .., last] = alike {
            let attempts = count(more.len() as u64 + 1, "more attempt");
            parts.push(format!("           and {attempts} with this outcome, the last at {}\n", last.at.clock()));
        }
    }
    parts.concat()
}

/// The decisions as JSON, `wavetank.explain/1`.
pub fn json(scene: &str, name: &str, attempts: &[Explanation], note: Option<&str>) -> Value {
    json!({"schema": "wavetank.explain/1", "scene": scene, "pod": name, "not_tried_because": note, "attempts": attempts})
}

fn preempts(attempt: &Explanation) -> bool {
    matches!(&attempt.outcome, Decided::Nowhere { preemption: Preemption::Room { .. }, .. })
}

fn outcome(outcome: &Decided) -> String {
    match outcome {
        Decided::Chosen { node, tied, how } if tied.len() > 1 => format!("node {node} of {} with the best score: {how}", tied.len()),
        Decided::Chosen { node, how, .. } => format!("node {node}: {how}"),
        Decided::Nowhere { message, .. } => message.clone(),
    }
}

/// Tables of the nodes: those that fit with their scores, the others with what refused them.
fn nodes(nodes: &[NodeVerdict], outcome: &Decided) -> String {
    let chosen = match outcome {
        Decided::Chosen { node, .. } => node.as_str(),
        Decided::Nowhere { .. } => "",
    };
    let (mut fits, mut others): (Vec<&NodeVerdict>, Vec<&NodeVerdict>) =
        nodes.iter().partition(|node| matches!(node.finding, Finding::Fits { .. }));
    fits.sort_by_key(|node| (node.node != chosen, std::cmp::Reverse(total(node))));
    others.retain(|node| !matches!(node.finding, Finding::NotLookedAt));
    let unseen = nodes.len() - fits.len() - others.len();
    let mut text = String::new();
    if !fits.is_empty() {
        text += &scores(&fits);
    }
    text += &more(fits.len(), "fit");
    for node in others.iter().take(NODES_MAX) {
        text += &format!("    {}: {}\n", node.node, refusal(&node.finding));
    }
    text += &more(others.len(), "do not");
    if unseen > 0 {
        text += &format!("    {unseen} not looked at\n");
    }
    text
}

fn more(nodes: usize, what: &str) -> String {
    if nodes > NODES_MAX { format!("    and {} more that {what}\n", nodes - NODES_MAX) } else { String::new() }
}

fn total(node: &NodeVerdict) -> i64 {
    match &node.finding {
        Finding::Fits { total, .. } => *total,
        Finding::Refused { .. } | Finding::LeftOut { .. } | Finding::NotLookedAt => 0,
    }
}

/// A row for each node that fits: plugins with their weights, and the sum. A node that fits alone is not scored.
fn scores(fits: &[&NodeVerdict]) -> String {
    let mut table = Table::default();
    for node in fits.iter().take(NODES_MAX) {
        let Finding::Fits { scores, total } = &node.finding else { continue };
        if scores.is_empty() {
            return format!("    {}: fits\n", node.node);
        }
        table.head = ["NODE".to_string()].into_iter().collect();
        table.head.extend(
            scores.iter().map(|score| if score.weight == 1 { score.plugin.clone() } else { format!("{}*{}", score.plugin, score.weight) }),
        );
        table.head.push("TOTAL".into());
        let cells = scores.iter().map(|score| score.score.to_string());
        table.rows.push([node.node.clone()].into_iter().chain(cells).chain([total.to_string()]).collect());
    }
    table.render().lines().map(|line| format!("    {line}\n")).collect()
}

fn refusal(finding: &Finding) -> String {
    match finding {
        Finding::Refused { plugin, reasons, detail, .. } => {
            let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.join("; ")) };
            format!("{plugin}: {}{detail}", reasons.join(", "))
        }
        Finding::LeftOut { plugins } => format!("left out by {}", plugins.join(", ")),
        Finding::Fits { .. } => "fits".to_string(),
        Finding::NotLookedAt => "not looked at".to_string(),
    }
}

/// What follows an attempt that found no node.
fn after(outcome: &Decided) -> String {
    let Decided::Nowhere { preemption, would_fit, .. } = outcome else { return String::new() };
    let mut text = String::new();
    if let Preemption::Room { candidates, chosen, because } = preemption {
        text += &format!("  It makes room on node {chosen} ({because}):\n");
        text += &candidates.iter().map(candidate).collect::<String>();
    }
    let makes_room = matches!(preemption, Preemption::Room { .. });
    if would_fit.is_empty() && !makes_room {
        // More nodes are not tried with policies of one's own, which keep states of those that they know.
        text += "  None of the single changes that were tried would let it in.\n";
    } else if !would_fit.is_empty() {
        text += "  Any one of these would let it in:\n";
        text += &would_fit.iter().map(|change| format!("    {}\n", self::change(change))).collect::<String>();
    }
    text
}

fn candidate(candidate: &Candidate) -> String {
    let victims = candidate.victims.iter().map(|victim| {
        let namespace = if victim.namespace == "default" { String::new() } else { format!("{}/", victim.namespace) };
        format!("pod/{namespace}{} (priority {}, started {})", victim.name, victim.priority, victim.started_at.clock())
    });
    let budgets = match candidate.budgets_violated {
        0 => String::new(),
        1 => "; a disruption budget does not allow one of them".to_string(),
        more => format!("; disruption budgets do not allow {more} of them"),
    };
    format!("    {}: without {}{budgets}\n", candidate.node, victims.collect::<Vec<_>>().join(", "))
}

fn change(change: &Change) -> String {
    let list = |pairs: &[(String, String)], between: &str| {
        pairs.iter().map(|(name, value)| format!("{name}{between}{value}")).collect::<Vec<_>>().join(", ")
    };
    match change {
        Change::Free { node, amounts } => {
            let amounts: Vec<String> = amounts.iter().map(|(resource, amount)| format!("{amount} {resource}")).collect();
            format!("{} less in use on node {node}", amounts.join(" and "))
        }
        Change::AddNode { like, at_least, labels } => {
            let like = like.as_ref().map_or(String::new(), |like| format!(" like {like}"));
            let room = if at_least.is_empty() { String::new() } else { format!(" with at least {}", list(at_least, "=")) };
            let labels = if labels.is_empty() { String::new() } else { format!(" and the labels {}", list(labels, "=")) };
            format!("one more node{like}{room}{labels}")
        }
        Change::Uncordon { node } => format!("node {node} uncordoned"),
        Change::Tolerate { taint, node } => format!("a toleration of the taint {taint} (node {node})"),
        Change::Drop { field, node } => format!("no {field} in the pod (node {node})"),
    }
}
