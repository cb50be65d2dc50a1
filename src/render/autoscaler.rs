//! The cluster autoscaler's decisions, as text and as JSON.

use serde_json::{Value, json};
use wavetank_engine::model::resources::amount_text;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;
use wavetank_systems::autoscaling::cluster::explain::{
    GroupFinding, GroupVerdict, Grown, NodeFinding, NodeVerdict, PassedOver, Pods, Refused, Round, ScaleUp, Shares, Waits,
};

/// Most pods of a list that are named.
const NAMES_MAX: usize = 5;

/// What stands at the head of an explanation of a group.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Name.
    pub name: &'a str,
    /// How many nodes it is to have now.
    pub size: u32,
    /// Fewest and most nodes.
    pub limits: (u32, u32),
    /// Now.
    pub now: SimTime,
}

/// Why a group grew, and why it did not: scans that had it grow and the last one whole, a line of each other.
pub fn group_text(group: Group, scans: &[ScaleUp]) -> String {
    let Group { name, size, limits: (min, max), now } = group;
    let mut text = format!("nodegroup/{name}: {size} nodes at {}, {min} to {max} allowed\n", now.clock());
    if scans.is_empty() {
        text += "  No pod has waited that no node could take: nothing has asked for more nodes.\n";
    }
    for (number, scan) in scans.iter().enumerate() {
        text += &format!("{}  {}\n", scan.at.clock(), outcome(scan));
        let own = scan.groups.iter().find(|finding| finding.group == name);
        if number + 1 == scans.len() || orders(scan, name) {
            text += &pods_of(scan);
            text += &scan.groups.iter().map(|finding| format!("    {}\n", finding_text(finding))).collect::<String>();
            text += &scan.rounds.iter().map(|round| format!("    {}\n", round_text(round))).collect::<String>();
        } else if let Some(own) = own {
            text += &format!("    {}\n", finding_text(own));
        }
    }
    text
}

/// Why a node stays or goes.
pub fn node_text(name: &str, group: Option<&str>, found: &[NodeFinding]) -> String {
    let mut text = match group {
        Some(group) => format!("node/{name} of nodegroup/{group}\n"),
        None => return format!("node/{name} is of no node group: the cluster autoscaler leaves it alone\n"),
    };
    if found.is_empty() {
        text += "  The cluster autoscaler has not looked at it.\n";
    }
    for finding in found {
        text += &format!("{}  {}\n", finding.at.clock(), verdict(&finding.verdict));
    }
    text
}

/// What the autoscaler did for a pod: a line for each finding.
pub fn pod_text(pod: &str, scans: &[ScaleUp]) -> String {
    let mut text = String::new();
    for scan in scans {
        let passed = scan.passed_over.iter().find(|(_, pods)| pods.names.iter().any(|name| name == pod));
        let told = match (&scan.outcome, passed) {
            (_, Some((why, _))) => format!("leaves it: {}", passed_over(*why)),
            (Grown::Chosen { pods, .. }, None) if !pods.names.iter().any(|name| name == pod) => {
                format!("{}, not for it: {}", outcome(scan), refusals_of(scan, pod))
            }
            (Grown::Nothing { .. }, None) if !scan.groups.is_empty() => format!("no group can help: {}", refusals_of(scan, pod)),
            _ => outcome(scan),
        };
        text += &format!("{}  cluster autoscaler: {told}\n", scan.at.clock());
    }
    text
}

/// A group's decisions as JSON, `wavetank.explain/1`.
pub fn group_json(scene: &str, group: Group, scans: &[ScaleUp]) -> Value {
    let Group { name, size, limits: (min, max), .. } = group;
    json!({"schema": "wavetank.explain/1", "scene": scene, "node_group": name, "size": size, "min": min, "max": max, "scans": scans})
}

/// A node's findings as JSON, `wavetank.explain/1`.
pub fn node_json(scene: &str, name: &str, group: Option<&str>, found: &[NodeFinding]) -> Value {
    json!({"schema": "wavetank.explain/1", "scene": scene, "node": name, "node_group": group, "findings": found})
}

fn orders(scan: &ScaleUp, group: &str) -> bool {
    match &scan.outcome {
        Grown::Chosen { orders, failed, .. } => {
            orders.iter().any(|order| order.group == group) || failed.as_ref().is_some_and(|failed| failed == group)
        }
        Grown::Nothing { .. } => false,
    }
}

fn outcome(scan: &ScaleUp) -> String {
    match &scan.outcome {
        Grown::Nothing { because } => format!("no group grows: {because}"),
        Grown::Chosen { chosen, drawn, needed, orders, failed, pods } => {
            let grown: Vec<String> =
                orders.iter().map(|order| format!("{} grows {} -> {}", order.group, order.before, order.after)).collect();
            let mut text = if grown.is_empty() { format!("{chosen} was to grow") } else { grown.join(", ") };
            text += &format!(" for {}", list(pods));
            if *drawn {
                text += "; drawn from groups that are equally good";
            }
            let ordered: u32 = orders.iter().map(|order| order.after - order.before).sum();
            match failed {
                Some(group) => text += &format!("; the cloud has no machine for {group}"),
                None if ordered < *needed => text += &format!("; {needed} nodes are needed, and limits allow no more"),
                None => {}
            }
            text
        }
    }
}

/// Pods by number and name.
fn list(pods: &Pods) -> String {
    let named: Vec<&str> = pods.names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = pods.count.saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("pod{} {}{more}", if pods.count == 1 { "" } else { "s" }, named.join(", "))
}

fn pods_of(scan: &ScaleUp) -> String {
    let mut text = String::new();
    if scan.pods.count > 0 {
        text += &format!("    no node can take {}\n", list(&scan.pods));
    }
    for (why, pods) in &scan.passed_over {
        text += &format!("    {}: {}\n", list(pods), passed_over(*why));
    }
    text
}

fn passed_over(why: PassedOver) -> &'static str {
    match why {
        PassedOver::HasRoom => "a node has room, or one that is about to come",
        PassedOver::Expendable => "the priority is below expendable_pods_priority_cutoff",
        PassedOver::Nominated => "preemption makes room",
        PassedOver::Young => "younger than new_pod_scale_up_delay",
        PassedOver::NotLookedAt => "not looked at",
    }
}

fn finding_text(finding: &GroupFinding) -> String {
    let (group, size, max) = (&finding.group, finding.size, finding.max);
    match &finding.verdict {
        GroupVerdict::AtMaximum => format!("{group}: has {size} nodes, its maximum"),
        GroupVerdict::BacksOff { until } => format!("{group}: left alone until {} after it failed to grow", until.clock()),
        GroupVerdict::Option { nodes, pods, cpu_millicores, memory_bytes, price_micros, refused } => {
            let refused: Vec<String> = refused.iter().map(|refused| format!("{} ({})", refusal(refused), list(&refused.pods))).collect();
            let refused = refused.join("; ");
            if *nodes == 0 {
                return format!("{group}: a new node would take none: {refused}");
            }
            let used = |resource, (all, used): (i64, i64)| format!("{} of {}", amount_text(resource, used), amount_text(resource, all));
            let price = if *price_micros > 0 { format!(", {} an hour", money(*price_micros)) } else { String::new() };
            let but = if refused.is_empty() { String::new() } else { format!("; not: {refused}") };
            format!(
                "{group} ({size} of at most {max}): {nodes} more node{} would take {pods} pod{}, {} CPU and {} memory asked for{price}{but}",
                if *nodes == 1 { "" } else { "s" },
                if *pods == 1 { "" } else { "s" },
                used(words::CPU, *cpu_millicores),
                used(words::MEMORY, *memory_bytes),
            )
        }
    }
}

fn money(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let short = text.trim_end_matches('0');
    short.strip_suffix('.').unwrap_or(short).to_string()
}

fn refusal(refused: &Refused) -> String {
    format!("{}: {}", refused.plugin, refused.reasons.join(", "))
}

fn round_text(round: &Round) -> String {
    let what = match round.expander {
        "least-waste" => "shares of CPU and memory that stay unused",
        "most-pods" => "pods that get room",
        "price" => "price for what the pods are worth",
        "priority" => "priority",
        _ => return format!("expander {}: draws", round.expander),
    };
    let figures: Vec<String> = round.figures.iter().map(|(group, figure)| format!("{group} {}", figure_text(*figure))).collect();
    let order = if round.largest_is_best { "largest" } else { "smallest" };
    format!("expander {} ({what}, the {order} is best): {} -> {}", round.expander, figures.join(", "), round.best.join(", "))
}

fn figure_text(figure: f64) -> String {
    let text = format!("{figure:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// What each group says of one pod.
fn refusals_of(scan: &ScaleUp, pod: &str) -> String {
    let one = |finding: &GroupFinding| match &finding.verdict {
        GroupVerdict::Option { refused, .. } => {
            let own = refused.iter().find(|refused| refused.pods.names.iter().any(|name| name == pod));
            own.map_or_else(
                || format!("{}: has room for others alone", finding.group),
                |own| format!("{}: {}", finding.group, refusal(own)),
            )
        }
        GroupVerdict::AtMaximum | GroupVerdict::BacksOff { .. } => finding_text(finding),
    };
    scan.groups.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn verdict(verdict: &NodeVerdict) -> String {
    match verdict {
        NodeVerdict::Unhealthy => "stays: the cluster is unhealthy, too many of its nodes are not ready".to_string(),
        NodeVerdict::Disabled => "stays: scale_down_enabled is false".to_string(),
        NodeVerdict::Annotated => "stays: its annotation cluster-autoscaler.kubernetes.io/scale-down-disabled is true".to_string(),
        NodeVerdict::Terminating => "is being deleted".to_string(),
        NodeVerdict::InUse { shares } => format!("stays: {}", share(shares)),
        NodeVerdict::Kept { shares, pod, because } => format!("stays because of pod/{pod}: {because}; {}", share(shares)),
        NodeVerdict::NoRoom { shares, pod } => format!("stays because of pod/{pod}: no other node has room for it; {}", share(shares)),
        NodeVerdict::Unneeded { shares, since, moves, waits } => {
            let moves: Vec<String> = moves.iter().map(|(pod, node)| format!("{pod} to {node}")).collect();
            let named: Vec<&str> = moves.iter().take(NAMES_MAX).map(String::as_str).collect();
            let more = moves.len().saturating_sub(named.len());
            let room = match (named.is_empty(), more) {
                (true, _) => "it has no pods that would have to move".to_string(),
                (_, 0) => format!("its pods have room: {}", named.join(", ")),
                _ => format!("its pods have room: {} and {more} more", named.join(", ")),
            };
            let waits = match waits {
                Waits::Minimum { min } => format!("stays because its group may not have fewer than {min} nodes"),
                Waits::Time { until } => format!("goes at {} if that lasts {}", until.clock(), shares.unneeded_for),
                Waits::Pause { until, because } => format!("may go from {} on, because {because} not long ago", until.clock()),
                Waits::Turn => "waits for others to go first".to_string(),
            };
            format!("is not needed since {} and {waits}: {}; {room}", since.clock(), share(shares))
        }
        NodeVerdict::Goes { shares, since, pods } => {
            let evicted = if pods.count == 0 { "it is empty".to_string() } else { format!("it evicts {}", list(pods)) };
            format!("goes: it has not been needed since {}; {}; {evicted}", since.clock(), share(shares))
        }
        NodeVerdict::Aborted { pods } => format!("stays: {} would not go in time", list(pods)),
        NodeVerdict::Removed => "is removed: its machine is given back".to_string(),
        NodeVerdict::Reclaimed => "is taken back by the cloud".to_string(),
    }
}

/// What is asked of a node, and how much would keep it.
fn share(shares: &Shares) -> String {
    let percent =
        |permille: i64| if permille % 10 == 0 { format!("{}%", permille / 10) } else { format!("{}.{}%", permille / 10, permille % 10) };
    let asked = format!("{} of its CPU and {} of its memory asked for", percent(shares.cpu_permille), percent(shares.memory_permille));
    if shares.ready {
        format!("{asked}, the threshold is {}", percent(i64::from(shares.threshold_permille)))
    } else {
        format!("{asked}, not ready")
    }
}
