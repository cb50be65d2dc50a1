//! Which plugins run at which extension point: what is written, merged with the defaults.
//!
//! Source: kubernetes v1.36, `pkg/scheduler/apis/config/v1/default_plugins.go`, `mergePluginSet`;
//! `pkg/scheduler/framework/runtime/framework.go`, `NewFramework`, `expandMultiPointPlugins`, `getValidScoreWeights`.

use std::collections::{BTreeMap, BTreeSet};

/// An extension point; `MultiPoint` stands for all that a plugin has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the original's")]
pub enum Point {
    PreFilter,
    Filter,
    PostFilter,
    Reserve,
    PreScore,
    Score,
    PreBind,
    Bind,
    PostBind,
    Permit,
    PreEnqueue,
    QueueSort,
    PlacementGenerate,
    PlacementScore,
    MultiPoint,
}

use Point::{Bind, Filter, MultiPoint, Permit, PlacementGenerate, PlacementScore, PostBind, PostFilter, PreBind, PreEnqueue};
use Point::{PreFilter, PreScore, QueueSort, Reserve, Score};

impl Point {
    /// All points, in the order in which the original looks at them, `multiPoint` last.
    pub const ALL: &[Point] = &[
        PreFilter,
        Filter,
        PostFilter,
        Reserve,
        PreScore,
        Score,
        PreBind,
        Bind,
        PostBind,
        Permit,
        PreEnqueue,
        QueueSort,
        PlacementGenerate,
        PlacementScore,
        MultiPoint,
    ];

    /// Its field in `plugins`.
    pub const fn field(self) -> &'static str {
        match self {
            PreFilter => "preFilter",
            Filter => "filter",
            PostFilter => "postFilter",
            Reserve => "reserve",
            PreScore => "preScore",
            Score => "score",
            PreBind => "preBind",
            Bind => "bind",
            PostBind => "postBind",
            Permit => "permit",
            PreEnqueue => "preEnqueue",
            QueueSort => "queueSort",
            PlacementGenerate => "placementGenerate",
            PlacementScore => "placementScore",
            MultiPoint => "multiPoint",
        }
    }

    /// The original's name of what a plugin must be to stand there.
    pub const fn interface(self) -> &'static str {
        match self {
            PreFilter => "PreFilterPlugin",
            Filter => "FilterPlugin",
            PostFilter => "PostFilterPlugin",
            Reserve => "ReservePlugin",
            PreScore => "PreScorePlugin",
            Score => "ScorePlugin",
            PreBind => "PreBindPlugin",
            Bind => "BindPlugin",
            PostBind => "PostBindPlugin",
            Permit => "PermitPlugin",
            PreEnqueue => "PreEnqueuePlugin",
            QueueSort => "QueueSortPlugin",
            PlacementGenerate => "PlacementGeneratePlugin",
            PlacementScore => "PlacementScorePlugin",
            // The first point that is expanded tells of a name that nobody knows.
            MultiPoint => "PreFilterPlugin",
        }
    }
}

/// The plugins of kube-scheduler with the points that they have, in the order of the default `multiPoint`.
const PLUGINS: &[(&str, i64, &[Point])] = &[
    ("SchedulingGates", 0, &[PreEnqueue]),
    ("PrioritySort", 0, &[QueueSort]),
    ("NodeUnschedulable", 0, &[Filter]),
    ("NodeName", 0, &[Filter]),
    ("TaintToleration", 3, &[Filter, PreScore, Score]),
    ("NodeAffinity", 2, &[PreFilter, Filter, PreScore, Score]),
    ("NodePorts", 0, &[PreFilter, Filter]),
    ("NodeResourcesFit", 1, &[PreFilter, Filter, PreScore, Score, PlacementScore]),
    ("VolumeRestrictions", 0, &[PreFilter, Filter]),
    ("NodeVolumeLimits", 0, &[PreFilter, Filter]),
    ("VolumeBinding", 0, &[PreFilter, Filter, Reserve, PreScore, Score, PreBind]),
    ("VolumeZone", 0, &[PreFilter, Filter]),
    ("PodTopologySpread", 2, &[PreFilter, Filter, PreScore, Score]),
    ("InterPodAffinity", 2, &[PreFilter, Filter, PreScore, Score]),
    ("DynamicResources", 2, &[PreFilter, Filter, PostFilter, Reserve, Score, PreBind, PreEnqueue]),
    ("DefaultPreemption", 0, &[PostFilter, PreEnqueue]),
    ("NodeResourcesBalancedAllocation", 1, &[PreScore, Score]),
    ("ImageLocality", 1, &[Score]),
    ("DefaultBinder", 0, &[Bind]),
    ("NodeDeclaredFeatures", 0, &[PreFilter, Filter]),
];

/// Plugins of kube-scheduler behind feature gates that are off; they are not simulated.
const GATED: &[&str] = &["GangScheduling", "TopologyPlacementGenerator", "PodGroupPodsCount"];

/// Plugins that were taken out. Source: `validation.go`, `invalidPluginsByVersion`.
pub const REMOVED: &[&str] = &["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

/// What works at one point with what the same plugin noted at an earlier one; in the original every pod fails by an error without it.
/// NodeAffinity, VolumeZone, NodeResourcesFit and NodeResourcesBalancedAllocation make up for it where they are not listed.
const NEEDS: &[(&str, Point, Point)] = &[
    ("NodePorts", Filter, PreFilter),
    ("NodeResourcesFit", Filter, PreFilter),
    ("VolumeRestrictions", Filter, PreFilter),
    ("VolumeBinding", Filter, PreFilter),
    ("VolumeBinding", Reserve, PreFilter),
    ("VolumeBinding", PreBind, PreFilter),
    ("PodTopologySpread", Filter, PreFilter),
    ("InterPodAffinity", Filter, PreFilter),
    ("DynamicResources", Filter, PreFilter),
    ("DynamicResources", PostFilter, PreFilter),
    ("TaintToleration", Score, PreScore),
    ("PodTopologySpread", Score, PreScore),
    ("InterPodAffinity", Score, PreScore),
];

/// Names that a configuration may use.
#[derive(Debug, Clone, Default)]
pub struct PluginNames {
    /// Plugins beside those of kube-scheduler, with the points that they have.
    pub own: Vec<(String, Vec<Point>)>,
}

impl PluginNames {
    /// The points of a plugin; `None` when there is no plugin of that name. The one place that says which names there are.
    pub fn points_of(&self, name: &str) -> Option<&[Point]> {
        let own = self.own.iter().find(|plugin| plugin.0 == name).map(|plugin| plugin.1.as_slice());
        own.or_else(|| PLUGINS.iter().find(|plugin| plugin.0 == name).map(|plugin| plugin.2))
    }

    /// All names.
    pub fn all(&self) -> Vec<&str> {
        PLUGINS.iter().map(|plugin| plugin.0).chain(self.own.iter().map(|plugin| plugin.0.as_str())).collect()
    }

    /// What would be right in place of a name that is not known.
    pub fn advice(&self, name: &str) -> Option<String> {
        if GATED.contains(&name) {
            return Some("its feature gate is off by default, and it is not simulated".to_string());
        }
        crate::source::error::advice(name, &self.all()).or_else(|| Some(format!("plugins are {}", self.all().join(", "))))
    }
}

/// An entry of `enabled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enabled {
    /// `name`.
    pub name: String,
    /// `weight`; 0: not written.
    pub weight: i64,
    /// Path of the entry in the configuration; empty for a default.
    pub path: String,
}

/// What is written for a point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginSet {
    /// `enabled`.
    pub enabled: Vec<Enabled>,
    /// `disabled`, names alone; `*` means all.
    pub disabled: Vec<String>,
}

/// What is written in `plugins`, by point.
pub type Written = BTreeMap<Point, PluginSet>;

/// Plugins that run at each point, in their order, with their weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged(BTreeMap<Point, Vec<(String, i64)>>);

impl Merged {
    /// Plugins at a point, with their weights, which mean something for Score alone.
    pub fn at(&self, point: Point) -> &[(String, i64)] {
        self.0.get(&point).map_or(&[], Vec::as_slice)
    }

    fn has(&self, point: Point, name: &str) -> bool {
        self.at(point).iter().any(|plugin| plugin.0 == name)
    }
}

/// Something in `plugins` that the scheduler would not start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Path in the configuration, below the profile where no entry is to blame.
    pub path: String,
    /// What is wrong, in the words of the original.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

/// What runs by default.
pub fn defaults() -> Merged {
    merge(&Written::new(), "", "", &PluginNames::default()).expect("the defaults are sound")
}

/// Merges what is written with the defaults. `profile` is its scheduler's name, `path` the path of its `plugins`.
///
/// # Errors
/// Everything that the scheduler would not start with.
pub fn merge(written: &Written, profile: &str, path: &str, names: &PluginNames) -> Result<Merged, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let nothing = PluginSet::default();
    let multi = merge_set(&default_multi_point(), written.get(&MultiPoint).unwrap_or(&nothing));
    for plugin in multi.enabled.iter().filter(|plugin| names.points_of(&plugin.name).is_none()) {
        mistakes.push(unknown(MultiPoint, plugin, names));
    }
    let mut merged = Merged::default();
    for &point in Point::ALL.iter().filter(|point| **point != MultiPoint) {
        let own = merge_set(&nothing, written.get(&point).unwrap_or(&nothing));
        check(point, &own, names, &mut mistakes);
        let list = expand(point, &own, &multi, names, &mut mistakes);
        merged.0.insert(point, list.into_iter().map(|plugin| (plugin.name, plugin.weight)).collect());
    }
    weigh(&mut merged, written, &multi);
    required(&merged, profile, path, &mut mistakes);
    if mistakes.is_empty() { Ok(merged) } else { Err(mistakes) }
}

fn default_multi_point() -> PluginSet {
    let plugin = |&(name, weight, _): &(&str, i64, &[Point])| Enabled { name: name.to_string(), weight, path: String::new() };
    PluginSet { enabled: PLUGINS.iter().map(plugin).collect(), disabled: Vec::new() }
}

/// Source: `mergePluginSet`.
fn merge_set(defaults: &PluginSet, custom: &PluginSet) -> PluginSet {
    let disabled: Vec<String> = custom.disabled.iter().chain(&defaults.disabled).cloned().collect();
    let off = |name: &str| disabled.iter().any(|disabled| disabled == name);
    let (mut enabled, mut replacing) = (Vec::new(), BTreeSet::new());
    if !off("*") {
        for plugin in defaults.enabled.iter().filter(|plugin| !off(&plugin.name)) {
            // The last of equal names replaces the default, and keeps its place.
            let custom = custom.enabled.iter().enumerate().rfind(|(_, custom)| custom.name == plugin.name);
            replacing.extend(custom.map(|(nth, _)| nth));
            enabled.push(custom.map_or(plugin, |(_, custom)| custom).clone());
        }
    }
    let added = custom.enabled.iter().enumerate().filter(|(nth, _)| !replacing.contains(nth));
    enabled.extend(added.map(|(_, plugin)| plugin.clone()));
    PluginSet { enabled, disabled }
}

fn unknown(point: Point, plugin: &Enabled, names: &PluginNames) -> Mistake {
    let what = format!("{} {:?} does not exist", point.interface(), plugin.name);
    Mistake { path: format!("{}.name", plugin.path), what, help: names.advice(&plugin.name) }
}

fn twice(point: Point, plugin: &Enabled) -> Mistake {
    let what = format!("plugin {:?} already registered as {:?}", plugin.name, point.interface());
    Mistake { path: format!("{}.name", plugin.path), what, help: None }
}

/// Source: `updatePluginList`.
fn check(point: Point, own: &PluginSet, names: &PluginNames, mistakes: &mut Vec<Mistake>) {
    for (nth, plugin) in own.enabled.iter().enumerate() {
        match names.points_of(&plugin.name) {
            None => mistakes.push(unknown(point, plugin, names)),
            Some(points) if !points.contains(&point) => {
                let what = format!("plugin {:?} does not extend {} plugin", plugin.name, point.interface());
                let fields: Vec<&str> = points.iter().map(|point| point.field()).collect();
                let help = Some(format!("it stands at {}", fields.join(", ")));
                mistakes.push(Mistake { path: format!("{}.name", plugin.path), what, help });
            }
            Some(_) if own.enabled[..nth].iter().any(|before| before.name == plugin.name) => mistakes.push(twice(point, plugin)),
            Some(_) => {}
        }
    }
}

/// Plugins of a point: those of `multiPoint` that are named there too first, in the order written there; then the others of
/// `multiPoint`; then the others of the point. Source: `expandMultiPointPlugins`.
fn expand(point: Point, own: &PluginSet, multi: &PluginSet, names: &PluginNames, mistakes: &mut Vec<Mistake>) -> Vec<Enabled> {
    let off = |name: &str| own.disabled.iter().any(|disabled| disabled == name);
    if off("*") {
        return own.enabled.clone();
    }
    let mut from_multi: Vec<Enabled> = Vec::new();
    let mut named_twice = BTreeSet::new();
    for plugin in &multi.enabled {
        if !names.points_of(&plugin.name).is_some_and(|points| points.contains(&point)) || off(&plugin.name) {
            continue;
        }
        if own.enabled.iter().any(|own| own.name == plugin.name) {
            named_twice.insert(plugin.name.as_str());
        } else if from_multi.iter().any(|before| before.name == plugin.name) {
            mistakes.push(twice(point, plugin));
        } else {
            from_multi.push(plugin.clone());
        }
    }
    let (overriding, others): (Vec<Enabled>, Vec<Enabled>) =
        own.enabled.iter().cloned().partition(|plugin| named_twice.contains(plugin.name.as_str()));
    overriding.into_iter().chain(from_multi).chain(others).collect()
}

/// The weight written for Score counts, then that of `multiPoint`; none is 1. Source: `getValidScoreWeights`.
fn weigh(merged: &mut Merged, written: &Written, multi: &PluginSet) {
    let own = written.get(&Score).map_or(&[][..], |set| set.enabled.as_slice());
    for (name, weight) in merged.0.entry(Score).or_default() {
        let found = own.iter().chain(&multi.enabled).find(|plugin| plugin.name == *name).map_or(0, |plugin| plugin.weight);
        *weight = if found == 0 { 1 } else { found };
    }
}

/// What no scheduler can do without.
fn required(merged: &Merged, profile: &str, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut mistake = |point: Point, what: String, help: Option<String>| {
        mistakes.push(Mistake { path: format!("{path}.{}", point.field()), what, help });
    };
    let sorts = merged.at(QueueSort).len();
    if sorts != 1 {
        let what = format!("only one queue sort plugin required for profile with scheduler name {profile:?}, but got {sorts}");
        mistake(QueueSort, what, Some("enable PrioritySort".to_string()));
    }
    if merged.at(Bind).is_empty() {
        let what = format!("at least one bind plugin is needed for profile with scheduler name {profile:?}");
        mistake(Bind, what, Some("enable DefaultBinder".to_string()));
    }
    if merged.at(PlacementGenerate).len() > 1 {
        let what = format!("at most one placement generate plugin is allowed for profile with scheduler name {profile:?}");
        mistake(PlacementGenerate, what, None);
    }
    for &(name, point, needed) in NEEDS.iter().filter(|need| merged.has(need.1, need.0) && !merged.has(need.2, need.0)) {
        let what =
            format!("{name} runs at {} with what it notes at {}, where it is off: every pod would fail", point.field(), needed.field());
        mistake(needed, what, Some(format!("disable it at {} too, or at multiPoint", point.field())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `point: +Name +Name=weight -Name -*` for each point, with `;` between.
    fn written(text: &str) -> Written {
        let mut written = Written::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (field, plugins) = part.split_once(':').expect("a point and its plugins");
            let point = Point::ALL.iter().find(|point| point.field() == field.trim()).expect("a point");
            let set = written.entry(*point).or_default();
            for plugin in plugins.split_whitespace() {
                match plugin.split_at(1) {
                    ("-", name) => set.disabled.push(name.to_string()),
                    (_, name) => {
                        let (name, weight) = name.split_once('=').unwrap_or((name, "0"));
                        let path = format!("{field}.enabled[{}]", set.enabled.len());
                        set.enabled.push(Enabled { name: name.to_string(), weight: weight.parse().expect("a weight"), path });
                    }
                }
            }
        }
        written
    }

    fn own() -> PluginNames {
        PluginNames { own: vec![("Mine".to_string(), vec![Filter, Score])] }
    }

    fn shown(merged: &Merged, point: Point) -> String {
        let one = |(name, weight): &(String, i64)| if point == Score { format!("{name}={weight}") } else { name.clone() };
        merged.at(point).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    const SCORES: &str = "TaintToleration=3 NodeAffinity=2 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 \
                          DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=1";

    #[test]
    fn merge_plugin_set_and_expand_multi_point() {
        let filters = "NodeUnschedulable NodeName TaintToleration NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions \
                       NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures";
        let table: &[(&str, Point, &str)] = &[
            ("", Score, SCORES),
            ("", Filter, filters),
            ("", PostFilter, "DynamicResources DefaultPreemption"),
            ("", PreEnqueue, "SchedulingGates DynamicResources DefaultPreemption"),
            ("", Reserve, "VolumeBinding DynamicResources"),
            // Off at one point, or everywhere.
            ("postFilter: -DefaultPreemption", PostFilter, "DynamicResources"),
            ("postFilter: -DefaultPreemption", PreEnqueue, "SchedulingGates DynamicResources DefaultPreemption"),
            ("postFilter: -*", PostFilter, ""),
            ("multiPoint: -DefaultPreemption", PreEnqueue, "SchedulingGates DynamicResources"),
            // All off, some on again: the order is that written.
            ("score: -* +ImageLocality +NodeResourcesFit=5", Score, "ImageLocality=1 NodeResourcesFit=5"),
            ("multiPoint: -* +PrioritySort +DefaultBinder +NodeName", Filter, "NodeName"),
            ("multiPoint: -* +PrioritySort +DefaultBinder +ImageLocality=7", Score, "ImageLocality=7"),
            // Named at the point: first there, with its weight there.
            (
                "score: +ImageLocality=9",
                Score,
                "ImageLocality=9 TaintToleration=3 NodeAffinity=2 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 \
                 DynamicResources=2 NodeResourcesBalancedAllocation=1",
            ),
            (
                "score: -ImageLocality +ImageLocality=9",
                Score,
                "TaintToleration=3 NodeAffinity=2 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 \
                 DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=9",
            ),
            // Named at multiPoint: it keeps its place, and loses its weight when none is written.
            (
                "multiPoint: +NodeAffinity=40 +TaintToleration",
                Score,
                "TaintToleration=1 NodeAffinity=40 NodeResourcesFit=1 VolumeBinding=1 PodTopologySpread=2 InterPodAffinity=2 \
                 DynamicResources=2 NodeResourcesBalancedAllocation=1 ImageLocality=1",
            ),
            // One of one's own comes last, and first when it is named at the point too.
            ("multiPoint: -* +PrioritySort +DefaultBinder +NodeName +Mine=4", Filter, "NodeName Mine"),
            ("filter: -* +Mine +NodeName", Filter, "Mine NodeName"),
            ("multiPoint: +Mine=4; score: -*", Score, ""),
            ("multiPoint: -* +PrioritySort +DefaultBinder +NodeName +Mine; filter: +Mine", Filter, "Mine NodeName"),
            ("multiPoint: -* +PrioritySort +DefaultBinder +NodeName; filter: +Mine", Filter, "NodeName Mine"),
        ];
        for (text, point, want) in table {
            let merged = merge(&written(text), "s", "plugins", &own()).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"));
            assert_eq!(shown(&merged, *point), *want, "{text} at {point:?}");
        }
    }

    #[test]
    fn what_the_scheduler_does_not_start_with() {
        let table = [
            ("filter: +NodeNmae", "filter.enabled[0].name: FilterPlugin \"NodeNmae\" does not exist; did you mean \"NodeName\"?"),
            ("score: +NodeName", "score.enabled[0].name: plugin \"NodeName\" does not extend ScorePlugin plugin; it stands at filter"),
            ("filter: +NodeName +NodeName", "filter.enabled[1].name: plugin \"NodeName\" already registered as \"FilterPlugin\""),
            (
                "queueSort: -*",
                "plugins.queueSort: only one queue sort plugin required for profile with scheduler name \"s\", but got 0; enable PrioritySort",
            ),
            (
                "bind: -DefaultBinder",
                "plugins.bind: at least one bind plugin is needed for profile with scheduler name \"s\"; enable DefaultBinder",
            ),
            (
                "preFilter: -NodePorts",
                "plugins.preFilter: NodePorts runs at filter with what it notes at preFilter, where it is off: every pod would fail; \
                 disable it at filter too, or at multiPoint",
            ),
            ("preFilter: -NodeAffinity -VolumeZone", ""),
            ("preFilter: -NodePorts; filter: -NodePorts", ""),
        ];
        for (text, want) in table {
            let mistakes = merge(&written(text), "s", "plugins", &PluginNames::default()).err().unwrap_or_default();
            let help = |mistake: &Mistake| mistake.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
            let said: Vec<String> = mistakes.iter().map(|m| format!("{}: {}{}", m.path, m.what, help(m))).collect();
            assert_eq!(said.join(" | "), want, "{text}");
        }
    }
}
