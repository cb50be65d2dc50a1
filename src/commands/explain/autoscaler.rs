//! `explain nodegroup/NAME` and `explain node/NAME`: the cluster autoscaler's decisions.

use crate::args::{ExplainArgs, ExplainFormat};
use crate::commands::get::recorded;
use crate::exit::Outcome;
use crate::render::autoscaler::{Group, group_json, group_text, node_json, node_text};
use wavetank_engine::scene::node_groups::{Fleet, NodeGroup, NodeGroups};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::scene::targets::Target;
use wavetank_engine::source::error::nearest;
use wavetank_systems::autoscaling::cluster::explain::{Asked, Explanations};

/// Names under which people ask for groups of nodes.
pub(super) const GROUPS: [&str; 4] = ["nodegroup", "nodegroups", "node_group", "ng"];

/// Why a group grew or did not.
pub(super) fn group(args: &ExplainArgs, name: &str) -> Result<String, Outcome> {
    let run = asked(args, Asked::Groups)?;
    let groups = &run.sim.get::<NodeGroups>().0;
    let Some(place) = groups.iter().position(|group| group.name == name) else {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let help = match nearest(name, &known) {
            Some(near) => format!("; did you mean {near:?}?"),
            None if known.is_empty() => "; the scene has no node_groups".to_string(),
            None => format!("; the groups are {}", known.join(", ")),
        };
        eprintln!("error: no node group {name:?}{help}");
        return Err(Outcome::Missed);
    };
    let group = &groups[place];
    let head = Group { name, size: run.sim.get::<Fleet>().groups[place].target, limits: (group.min, group.max), now: run.sim.now() };
    let scans = run.sim.get::<Explanations>().scale_ups();
    Ok(match args.output {
        ExplainFormat::Text => group_text(head, scans),
        ExplainFormat::Json => group_json(&run.scene().path, head, scans).to_string() + "\n",
    })
}

/// Why a node stays or goes.
pub(super) fn node(args: &ExplainArgs, name: &str) -> Result<String, Outcome> {
    let run = asked(args, Asked::Node(name.to_string()))?;
    let found = run.sim.get::<Explanations>().nodes();
    let target = |name: &str| Target { kind: "Node".into(), namespace: String::new(), name: name.to_string() };
    if found.is_empty() && target(name).find(&run.sim).is_empty() {
        eprintln!("error: no node {name:?} by {}{}", run.sim.now(), super::meant(&run, &target("*"), name));
        return Err(Outcome::Missed);
    }
    let group = group_of(&run, name).map(|group| group.name.as_str());
    Ok(match args.output {
        ExplainFormat::Text => node_text(name, group, found),
        ExplainFormat::Json => node_json(&run.scene().path, name, group, found).to_string() + "\n",
    })
}

fn asked(args: &ExplainArgs, asked: Asked) -> Result<Run, Outcome> {
    let prepare = |run: &mut Run| run.sim.get_mut::<Explanations>().ask(asked);
    recorded(&args.pod.moment, &RunOptions::default(), prepare).map(|(run, _)| run)
}

/// The group that has, or had, a node of this name.
fn group_of<'r>(run: &'r Run, name: &str) -> Option<&'r NodeGroup> {
    let groups = run.sim.get::<NodeGroups>().0.iter().zip(&run.sim.get::<Fleet>().groups);
    let had = |(group, machines): &(&NodeGroup, &wavetank_engine::scene::node_groups::Machines)| {
        let number = name.strip_prefix(group.name.as_str()).and_then(|rest| rest.strip_prefix('-')?.parse::<u32>().ok());
        number.is_some_and(|number| number < machines.next && group.node_name(number) == name)
    };
    groups.into_iter().find(had).map(|(group, _)| group)
}
