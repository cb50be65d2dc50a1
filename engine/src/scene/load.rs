//! Loads scenes and manifests: every mistake of a file at once, each with its place.

mod calls;
mod manifests;
mod node_groups;
mod rates;

use crate::hash::{FixedState, LookupMap};
use crate::scene::arrivals::{MEASURES, OUTCOMES};
use crate::scene::format::{Claim, DurationText, Expectation, LatencyChanges, Pool, ProgramDefaults, Step};
use crate::scene::kubelet_config::{Amount, KubeletConfig, KubeletText};
use crate::scene::model::{Action, Expected, How, Scene, SceneObject, ScriptEntry, StorageAssumed, Ties};
use crate::scene::network::NetworkSettings;
use crate::scene::objects::{ObjectLoader, beside};
use crate::scene::policies::{CheckPolicy, PolicyChoice, read_policies};
use crate::scene::pools::nodes_of;
use crate::scene::program::{ProgramText, Programs, image_matches};
use crate::scene::scheduler_config::plugins::PluginNames;
use crate::scene::scheduler_config::{self, SchedulerConfig};
use crate::scene::targets::{Known, Target};
use crate::scene::traces::{Brought, Trace, read_trace, rows};
use crate::simulation::latency::{Latency, LatencyTable};
use crate::source::{
    BrokenObject, Documents, Files, Format, Params, Problem, Problems, Severity, Sources, Span, Tree, TreeValue, decode, decode_each,
};
use crate::time::{SimDuration, SimTime, unix_seconds};

/// Longest run. Unit: seconds (ten years).
const DURATION_MAX: SimDuration = SimDuration::from_secs(10 * 365 * 86_400);
/// Most nodes and pods that one scene may ask for.
const NODES_MAX: u64 = 1_000_000;
/// Unix seconds of the epoch unless the scene says otherwise: 2026-01-01T00:00:00Z.
pub const EPOCH_UNIX_S: i64 = 1_767_225_600;

/// Fields of a scene and what they are, in the order in which people write them.
#[rustfmt::skip]
pub const FIELDS: &[(&str, &str)] = &[
    ("params", "Names with defaults, set with `--set NAME=VALUE`; a text that is exactly `\"${name}\"` takes the parameter's type."),
    ("seed", "Seed of all randomness."),
    ("duration", "Virtual time at which the run ends."),
    ("epoch", "The moment of time zero, `\"2026-01-01T00:00:00Z\"`."),
    ("latency", "`Ideal`, `Typical`, or `Typical(sandbox: \"1s\")` with some of its latencies changed."),
    ("ties", "Which of several nodes of equal score gets the pod: `Heap`, `LowestName` or `Random`."),
    ("scheduler", "A `KubeSchedulerConfiguration`: the path of its file, or written here."),
    ("kubelet", "The kubelets' configuration, in the words of `KubeletConfiguration`."),
    ("policies", "Scheduling policies beside kube-scheduler's plugins."),
    ("nodes", "Pools of equal nodes."),
    ("node_groups", "Groups of nodes that the cluster autoscaler makes larger and smaller."),
    ("cluster_autoscaler", "How the cluster autoscaler goes about it."),
    ("objects", "Kubernetes objects of time zero, `Include(\"path\")`, `Repeat(n, object)`."),
    ("programs", "What containers do, by pattern of their images."),
    ("program_defaults", "What containers do that no program describes."),
    ("network", "kube-proxy, the network plug-in, the cloud's load balancers."),
    ("traffic", "Requests that arrive."),
    ("metrics", "What custom and external metrics APIs tell."),
    ("traces", "Pods from files."),
    ("script", "`At(time, step)` and `Every(period, step)`: what happens to the world."),
    ("expect", "What must hold."),
    ("measure_from", "`wavetank bench` measures from this time on."),
];

/// What the command line changes of a scene.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--set NAME=VALUE`, in order.
    pub set: Vec<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--until`.
    pub until: Option<SimDuration>,
    /// `--latency`.
    pub latency: Option<Latency>,
    /// `--ties`.
    pub ties: Option<Ties>,
    /// `--scheduler-config`: the path of a `KubeSchedulerConfiguration`.
    pub scheduler_config: Option<String>,
    /// Scheduler plugins that configurations may name beside those of kube-scheduler.
    pub plugin_names: PluginNames,
    /// `--policy`, in order; empty: as the scene says.
    pub policies: Vec<PolicyChoice>,
    /// Knows the names and arguments of policies; without it they are taken as they are.
    pub check_policy: Option<CheckPolicy>,
    /// `--nodes` and `--node-size`: a pool for manifests without nodes.
    pub pool: Option<Pool>,
}

/// A scene, with the texts that it came from and what was noticed on the way.
#[derive(Debug)]
pub struct Loaded {
    /// The scene; `None` when there were mistakes.
    pub scene: Option<Scene>,
    /// The texts, for printing places.
    pub sources: Sources,
    /// Mistakes and warnings.
    pub problems: Problems,
}

/// Loads a scene file (`.ron`), or manifests (files and directories), which run on the pool of the overrides.
pub fn load(files: &dyn Files, paths: &[String], overrides: &Overrides) -> Loaded {
    let mut loader = Loader { files, sources: Sources::default(), problems: Problems::default(), overrides, broken: Vec::new() };
    let scene = loader.load(paths);
    let Loader { sources, problems, .. } = loader;
    let scene = scene.filter(|_| !problems.has_errors());
    Loaded { scene, sources, problems }
}

/// The parameters that a scene declares, with their defaults as text. Mistakes are told by [`load`].
pub fn declared(files: &dyn Files, path: &str) -> std::collections::BTreeMap<String, String> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let tree = sources.read(files, path, None, &mut problems).and_then(|file| Documents::new(&sources, file, Format::Ron).next()?.ok());
    let params = tree.as_ref().and_then(|tree| tree.get("params")).map(|declared| Params::declare(declared, &mut problems));
    params.unwrap_or_default().texts()
}

struct Loader<'a> {
    files: &'a dyn Files,
    sources: Sources,
    problems: Problems,
    overrides: &'a Overrides,
    broken: Vec<BrokenObject>,
}

impl Loader<'_> {
    fn load(&mut self, paths: &[String]) -> Option<Scene> {
        self.check_policies();
        let scene_file = paths.iter().find(|path| Format::of_path(path) == Some(Format::Ron));
        match scene_file {
            Some(path) if paths.len() == 1 => self.scene_file(path),
            Some(path) => {
                let span = self.argument(path);
                self.problems.error(span, "a scene runs alone: name one scene file, or manifests only");
                None
            }
            None => self.manifests(paths),
        }
    }

    /// Policies that the command line names.
    fn check_policies(&mut self) {
        let overrides = self.overrides;
        for (nth, choice) in overrides.policies.iter().enumerate() {
            let wrong = match overrides.check_policy.map(|check| check(&choice.name, &choice.args)) {
                Some(Err(what)) => what,
                _ if overrides.policies[..nth].iter().any(|known| known.name == choice.name) => format!("{} is there twice", choice.name),
                _ => continue,
            };
            let file = self.sources.add_argument("--policy", &choice.name);
            self.problems.error(Span::new(file, 0, choice.name.len()), wrong);
        }
    }

    fn argument(&mut self, text: &str) -> Span {
        let file = self.sources.add_argument("FILE", text);
        Span::new(file, 0, text.len())
    }

    fn manifests(&mut self, paths: &[String]) -> Option<Scene> {
        for set in &self.overrides.set {
            let span = self.argument(set);
            self.problems.error(span, "manifests have no parameters; --set works on scenes");
        }
        let mut objects = ObjectLoader::new(self.files);
        let mut list = Vec::new();
        for path in paths {
            objects.include(&mut self.sources, path.trim_end_matches('/'), None, &mut self.problems, &mut list);
        }
        let mut scene = self.empty(paths.first()?);
        let scheduler_lacks = self.scheduler(None, "", &mut scene);
        if !list.iter().any(|object| object.kind() == "Node")
            && let Some(pool) = &self.overrides.pool.clone()
        {
            let span = self.argument("--nodes");
            scene.objects = nodes_of(pool, span, &mut self.problems);
        }
        scene.objects.extend(list);
        scene.storage_assumed = objects.not_simulated.storage_assumed();
        scene.not_simulated = with(objects.not_simulated.list(), scheduler_lacks);
        self.check_objects(&scene.objects);
        self.finish(scene)
    }

    fn empty(&self, path: &str) -> Scene {
        Scene {
            path: path.to_string(),
            seed: self.overrides.seed.unwrap_or(1),
            duration: self.overrides.until.unwrap_or(SimDuration::from_secs(300)),
            epoch_unix_s: EPOCH_UNIX_S,
            latency: self.overrides.latency.clone().unwrap_or_default(),
            ties: self.overrides.ties.unwrap_or_default(),
            scheduler: SchedulerConfig::default(),
            kubelet: KubeletConfig::default(),
            policies: self.overrides.policies.clone(),
            objects: Vec::new(),
            manifests: Vec::new(),
            programs: Programs::default(),
            network: NetworkSettings::default(),
            node_groups: Default::default(),
            autoscaler: Default::default(),
            traffic: Vec::new(),
            calls: Vec::new(),
            metrics: Vec::new(),
            traces: Vec::new(),
            script: Vec::new(),
            expectations: Vec::new(),
            not_simulated: Vec::new(),
            measure_from: SimTime::ZERO,
            params: Default::default(),
            storage_assumed: StorageAssumed(true),
        }
    }

    fn scene_file(&mut self, path: &str) -> Option<Scene> {
        let file = self.sources.read(self.files, path, None, &mut self.problems)?;
        let mut documents = Documents::new(&self.sources, file, Format::Ron);
        let mut tree = match documents.next() {
            Some(Ok(tree)) => tree,
            Some(Err(problem)) => {
                self.problems.push(Severity::Error, problem);
                return None;
            }
            None => {
                self.problems.push(
                    Severity::Error,
                    Problem::new(Span::new(file, 0, 0), "the file is empty")
                        .with_help("`wavetank new` writes a scene to begin with; scenes/README.md shows the format"),
                );
                return None;
            }
        };
        self.check_fields(&tree)?;
        let params = tree.get("params").map(|declared| Params::declare(declared, &mut self.problems)).unwrap_or_default();
        let params = self.params(params, &mut tree);
        let mut scene = self.empty(path);
        scene.params = params.texts();
        self.settings(&tree, &mut scene);
        let scheduler_lacks = self.scheduler(tree.get("scheduler"), path, &mut scene);
        let mut objects = ObjectLoader::new(self.files);
        self.nodes(&tree, path, &mut objects, &mut scene);
        self.node_groups(&tree, &mut scene);
        for item in self.list(&tree, "objects") {
            objects.item(&mut self.sources, &item, path, &mut self.problems, &mut scene.objects);
        }
        self.traces(&tree, path, &mut objects, &mut scene);
        self.broken.extend_from_slice(objects.broken());
        scene.network = self.field(&tree, "network").unwrap_or_default();
        objects.not_simulated.network(&scene.network);
        self.traffic(&tree, path, &mut scene);
        self.metrics(&tree, path, &mut scene);
        for item in self.list(&tree, "script") {
            self.script_entry(&item, path, &mut objects, &mut scene);
        }
        scene.script.sort_by_key(|entry| entry.at);
        self.programs(&tree, &mut scene);
        self.expectations(&tree, &mut scene);
        scene.storage_assumed = objects.not_simulated.storage_assumed();
        scene.not_simulated = with(objects.not_simulated.list(), scheduler_lacks);
        self.check_objects(&scene.objects);
        self.finish(scene)
    }

    /// Reads the nodes of traces, and what their pods' files promise.
    fn traces(&mut self, tree: &Tree, path: &str, objects: &mut ObjectLoader, scene: &mut Scene) {
        for item in self.list(tree, "traces") {
            let mut brought = Brought::default();
            let trace = read_trace(self.files, &mut self.sources, &item, path, objects, &mut self.problems, &mut brought);
            scene.traces.extend(trace);
            scene.objects.extend(brought.nodes);
            scene.script.extend(brought.joining);
        }
    }

    fn check_fields(&mut self, tree: &Tree) -> Option<()> {
        let named = match &tree.value {
            TreeValue::Named(named) => named.name == "Scene",
            TreeValue::Map(_) => true,
            _ => false,
        };
        if !named {
            let help = "a scene file holds Scene(nodes: [...], objects: [...], ...)";
            self.problems.push(Severity::Error, Problem::new(tree.span, "this is no scene").with_help(help));
            return None;
        }
        let fields: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        for entry in tree.entries().iter().filter(|entry| !fields.contains(&entry.key.text.as_str())) {
            let mut problem = Problem::new(entry.key.span, format!("a scene has no field {:?}", entry.key.text));
            problem.help = crate::source::error::advice(&entry.key.text, &fields);
            self.problems.push(Severity::Error, problem);
        }
        Some(())
    }

    fn params(&mut self, mut params: Params, tree: &mut Tree) -> Params {
        for set in &self.overrides.set {
            params.set(set, &mut self.sources, &mut self.problems);
        }
        params.substitute(tree, &mut self.problems);
        params
    }

    fn list(&mut self, tree: &Tree, field: &str) -> Vec<Tree> {
        match tree.get(field) {
            None => Vec::new(),
            Some(list) => match &list.value {
                TreeValue::Seq(items) => items.clone(),
                _ => {
                    self.problems.error(list.span, format!("{field}: expected a list"));
                    Vec::new()
                }
            },
        }
    }

    fn field<T: serde::de::DeserializeOwned>(&mut self, tree: &Tree, field: &str) -> Option<T> {
        tree.get(field).and_then(|value| decode(value, field, &mut self.problems))
    }

    fn settings(&mut self, tree: &Tree, scene: &mut Scene) {
        if let (Some(seed), None) = (self.field::<u64>(tree, "seed"), self.overrides.seed) {
            scene.seed = seed;
        }
        if let (Some(duration), None) = (self.field::<DurationText>(tree, "duration"), self.overrides.until) {
            scene.duration = duration.0;
        }
        if scene.duration > DURATION_MAX {
            let span = tree.get("duration").map_or(tree.span, |d| d.span);
            self.problems.error(span, "duration: a run lasts at most ten years");
        }
        if let Some(from) = self.field::<DurationText>(tree, "measure_from") {
            scene.measure_from = SimTime(from.0.0);
            if from.0 > scene.duration && self.overrides.until.is_none() {
                let what = format!("measure_from: {} is after the end of the run at {}", from.0, scene.duration);
                self.problems.error(tree.span_of(&["measure_from"]), what);
            }
        }
        if let Some(given) = tree.get("kubelet") {
            let fields = match &given.value {
                TreeValue::Named(named) if named.name == "KubeletConfiguration" => &named.args,
                _ => given,
            };
            match decode::<KubeletText>(fields, "kubelet", &mut self.problems).map(|text| KubeletConfig::of(&text)) {
                Some(Ok(config)) => scene.kubelet = config,
                Some(Err(wrong)) => self.problems.error(given.span, format!("kubelet: {wrong}")),
                None => {}
            }
        }
        if let (Some(ties), None) = (self.field::<Ties>(tree, "ties"), self.overrides.ties) {
            scene.ties = ties;
        }
        let listed = self.list(tree, "policies");
        let listed = read_policies(&listed, self.overrides.check_policy, &mut self.problems);
        if self.overrides.policies.is_empty() {
            scene.policies = listed;
        }
        if let Some(epoch) = self.field::<String>(tree, "epoch") {
            match unix_seconds(&epoch) {
                Some(unix) => scene.epoch_unix_s = unix,
                None => self
                    .problems
                    .error(tree.span_of(&["epoch"]), format!("epoch: found {epoch:?}, expected a time such as \"2026-01-01T00:00:00Z\"")),
            }
        }
        if let (Some(latency), None) = (tree.get("latency"), &self.overrides.latency)
            && let Some(latency) = self.latency(latency)
        {
            scene.latency = latency;
        }
    }

    /// The scheduler's configuration: the file of the command line, or what the scene says, which is a path or the configuration itself.
    /// Returns what of it is not simulated.
    fn scheduler(&mut self, tree: Option<&Tree>, base: &str, scene: &mut Scene) -> Vec<String> {
        let overrides = self.overrides;
        let beside = tree.and_then(|tree| Some((tree.as_str()?, tree.span))).map(|(path, span)| {
            let path = if self.sources.is_argument(span.file) { path.to_string() } else { beside(base, path) };
            (path, span)
        });
        let mut reader = scheduler_config::Reader {
            files: self.files,
            sources: &mut self.sources,
            problems: &mut self.problems,
            names: &overrides.plugin_names,
            not_simulated: Vec::new(),
        };
        let read = match (&overrides.scheduler_config, beside, tree) {
            (Some(path), ..) => reader.file(path, None),
            (None, Some((path, span)), _) => reader.file(&path, Some(span)),
            (None, None, Some(tree)) => reader.tree(tree),
            (None, None, None) => None,
        };
        let lacks = reader.not_simulated;
        if let Some(config) = read {
            scene.scheduler = config;
        }
        lacks
    }

    /// `Ideal`, `Typical`, or `Typical(...)` with some latencies changed.
    fn latency(&mut self, tree: &Tree) -> Option<Latency> {
        let (name, args) = match &tree.value {
            TreeValue::Named(named) => (named.name.as_str(), Some(&named.args)),
            TreeValue::String(text) => (text.as_str(), None),
            _ => ("", None),
        };
        match name {
            "Ideal" => Some(Latency::Ideal),
            "Typical" => {
                let given = args.filter(|args| !args.entries().is_empty());
                let changes = given.map_or(Some(LatencyChanges::default()), |args| decode(args, "latency", &mut self.problems))?;
                Some(resolve_latency(&changes))
            }
            _ => {
                let help = "write Ideal, Typical, or Typical(sandbox: \"1s\", ...)";
                self.problems.push(Severity::Error, Problem::new(tree.span, "this is no latency profile").with_help(help));
                None
            }
        }
    }

    fn nodes(&mut self, tree: &Tree, path: &str, objects: &mut ObjectLoader, scene: &mut Scene) {
        let mut total = 0;
        for item in self.list(tree, "nodes") {
            let Some((tree, manifests)) = pool_tree(&item, &mut self.problems).map(manifests::split) else { continue };
            let Some(mut pool) = decode::<Pool>(&tree, "nodes", &mut self.problems) else { continue };
            total += u64::from(pool.count);
            if total > NODES_MAX {
                self.problems.error(item.span, format!("nodes: {total} nodes are too many; the limit is {NODES_MAX}"));
                return;
            }
            let nodes = nodes_of(&pool, item.span, &mut self.problems);
            pool.static_pods = manifests.map_or(Vec::new(), |list| self.static_pods(&list, path, objects));
            let on = |node: &SceneObject| pool.static_pods.iter().map(|pod| (node.name().to_string(), pod.clone())).collect::<Vec<_>>();
            scene.manifests.extend(nodes.iter().flat_map(on));
            scene.objects.extend(nodes);
        }
    }

    fn programs(&mut self, tree: &Tree, scene: &mut Scene) {
        let defaults: ProgramDefaults = self.field(tree, "program_defaults").unwrap_or_default();
        scene.programs.set_defaults(defaults.init_runs_for.map(|d| d.0), defaults.job_runs_for.map(|d| d.0));
        let Some(programs) = tree.get("programs") else { return };
        let images = images_of_scene(scene);
        for entry in programs.entries() {
            let path = format!("programs[{:?}]", entry.key.text);
            if let Some(program) = decode::<ProgramText>(&entry.value, &path, &mut self.problems) {
                self.calls(&entry.key.text, &program, &entry.value, scene);
                self.queue(&program, &entry.value);
                let read_later = scene.traces.iter().any(Trace::brings_any_image);
                if !read_later && !images.iter().any(|image| image_matches(&entry.key.text, image)) {
                    self.problems.warning(entry.key.span, format!("no container's image matches the program {:?}", entry.key.text));
                }
                scene.programs.add(&entry.key.text, program);
            }
        }
        self.order_calls(programs.span, scene);
    }

    fn script_entry(&mut self, item: &Tree, path: &str, objects: &mut ObjectLoader, scene: &mut Scene) {
        let parts = match &item.value {
            TreeValue::Named(named) => match &named.args.value {
                TreeValue::Seq(args) if named.name == "At" && args.len() == 2 => Some((vec![&args[0]], &args[1], None)),
                TreeValue::Seq(args) if named.name == "Every" && args.len() == 2 => Some((vec![&args[0]], &args[1], Some(()))),
                _ => None,
            },
            _ => None,
        };
        let Some((times, step, every)) = parts else {
            let help = "write At(\"30s\", Scale(\"deployment/web\", 3)) or Every(\"1m\", Delete(\"pod/web-*\"))";
            self.problems.push(Severity::Error, Problem::new(item.span, "this is no entry of a script").with_help(help));
            return;
        };
        let Some(time) = decode::<DurationText>(times[0], "script", &mut self.problems) else { return };
        let Some(action) = self.action(step, path, objects, scene) else { return };
        let end = SimTime(scene.duration.0);
        let first = SimTime(time.0.0);
        if first > end && self.overrides.until.is_none() {
            self.problems.error(times[0].span, format!("{} is after the end of the run at {}", time.0, scene.duration));
            return;
        }
        let mut at = first;
        let mut count = 0;
        while at <= end {
            scene.script.push(ScriptEntry { at, action: action.clone(), span: item.span });
            count += 1;
            if every.is_none() || time.0 == SimDuration::ZERO || count > 1_000_000 {
                break;
            }
            at += time.0;
        }
        if every.is_some() && time.0 == SimDuration::ZERO {
            self.problems.error(times[0].span, "the period of Every must be longer than nothing");
        }
    }

    fn action(&mut self, step: &Tree, path: &str, objects: &mut ObjectLoader, scene: &Scene) -> Option<Action> {
        if let TreeValue::Named(named) = &step.value {
            let args = match &named.args.value {
                TreeValue::Seq(args) => args.as_slice(),
                _ => &[],
            };
            match named.name.as_str() {
                "Apply" => {
                    let mut list = Vec::new();
                    for item in args {
                        match &item.value {
                            TreeValue::Seq(items) => {
                                items.iter().for_each(|item| objects.item(&mut self.sources, item, path, &mut self.problems, &mut list))
                            }
                            _ => objects.item(&mut self.sources, item, path, &mut self.problems, &mut list),
                        }
                    }
                    if args.is_empty() {
                        self.problems.error(step.span, "Apply takes objects: Apply(Deployment(...)) or Apply([...])");
                    }
                    return Some(Action::Apply(list));
                }
                "Patch" => {
                    let [target, patch] = args else {
                        self.problems.error(
                            step.span,
                            "Patch takes a target and the fields to merge: Patch(\"deployment/web\", {\"spec\": {\"replicas\": 3}})",
                        );
                        return None;
                    };
                    let target: String = decode(target, "script", &mut self.problems)?;
                    return Some(Action::Patch(target, crate::scene::tree_json::json_of(patch)));
                }
                "AddManifest" => return self.add_manifest(step, args, path, objects),
                _ => {}
            }
        }
        let decoded = decode::<Step>(step, "script", &mut self.problems)?;
        if let Step::FillDisk(_, amount) | Step::FillInodes(_, amount) = &decoded
            && Amount::parse(amount).is_none()
        {
            self.problems.error(step.span, format!("found the amount {amount:?}, expected a quantity such as \"20Gi\", or \"95%\""));
        }
        if let Step::AddNodes(pool) = &decoded {
            return Some(Action::Apply(nodes_of(pool, step.span, &mut self.problems)));
        }
        let _ = scene;
        Some(Action::Step(decoded))
    }

    fn expectations(&mut self, tree: &Tree, scene: &mut Scene) {
        let Some(list) = tree.get("expect") else { return };
        let end = SimTime(scene.duration.0);
        for spanned in decode_each::<Expectation>(list, "expect", &mut self.problems) {
            let (from, until, how, claim) = match spanned.value {
                Expectation::At(at, claim) => (SimTime(at.0.0), SimTime(at.0.0), How::AtEnd, claim),
                Expectation::Within(until, claim) => (SimTime::ZERO, SimTime(until.0.0), How::Once, claim),
                Expectation::Between(from, until, claim) => (SimTime(from.0.0), SimTime(until.0.0), How::Throughout, claim),
                Expectation::From(from, claim) => (SimTime(from.0.0), end, How::Throughout, claim),
                Expectation::Always(claim) => (SimTime::ZERO, end, How::Throughout, claim),
                Expectation::Never(claim) => (SimTime::ZERO, end, How::Never, claim),
            };
            if until > end && self.overrides.until.is_none() {
                self.problems
                    .error(spanned.span, format!("{} is after the end of the run at {}", until.since(SimTime::ZERO), scene.duration));
                continue;
            }
            let text = self.sources.excerpt(spanned.span).split_whitespace().collect::<Vec<_>>().join(" ");
            scene.expectations.push(Expected { from, until, how, claim, text, span: spanned.span });
        }
    }

    /// The objects that the scene defines, those left out for their mistakes included.
    fn known(&self, scene: &Scene) -> Known {
        let mut known = Known::of(&scene.objects);
        known.add(&manifests::mirrors(scene.manifests.iter().map(|(node, pod)| (node, pod))));
        known.add_broken(&self.broken);
        known.add_groups(scene.node_groups.0.iter().map(|group| group.name.as_str()));
        if !scene.traces.is_empty() {
            known.any_pod();
        }
        known
    }

    /// Claims about connections and requests: who connects, and in which words it ends.
    fn check_network_claim(&mut self, expected: &Expected, scene: &Scene, known: &Known) {
        let (word, words): (&str, &[&str]) = match &expected.claim {
            Claim::Reaches(from, _, word) => {
                if from.starts_with("pod/") || from.starts_with("po/") {
                    known.check_pod(from, expected.span, &mut self.problems);
                }
                (word, CONNECTIONS)
            }
            Claim::Requests(to, word, _) | Claim::LatencyAtMost(to, word, _) | Claim::LatencyAtLeast(to, word, _) => {
                if !scene.traffic.iter().any(|traffic| traffic.to == *to) && !scene.calls.iter().any(|call| call.to == *to) {
                    let mut problem = Problem::new(expected.span, format!("{to:?}: no traffic of the scene goes there"));
                    let targets: Vec<&str> = scene.traffic.iter().map(|traffic| traffic.to.as_str()).collect();
                    problem.help = crate::source::error::advice(to, &targets);
                    self.problems.push(Severity::Error, problem);
                }
                (word, if matches!(expected.claim, Claim::Requests(..)) { &OUTCOMES } else { &MEASURES })
            }
            _ => return,
        };
        if !words.contains(&word) {
            let what = if words == MEASURES { "measure of latency" } else { "outcome" };
            let mut problem = Problem::new(expected.span, format!("{word:?} is no {what}"));
            problem.help = crate::source::error::advice(word, words).or_else(|| Some(format!("one of {}", words.join(", "))));
            self.problems.push(Severity::Error, problem);
        }
    }

    /// Two objects with one key.
    fn check_objects(&mut self, objects: &[SceneObject]) {
        let mut seen: LookupMap<(&str, &str, &str), &SceneObject> = LookupMap::with_capacity_and_hasher(objects.len(), FixedState);
        for object in objects.iter().filter(|object| !object.name().is_empty()) {
            let key = (object.kind(), object.namespace().unwrap_or("default"), object.name());
            let first = *seen.entry(key).or_insert(object);
            if !std::ptr::eq(first, object) {
                let place = self.sources.locate(first.span);
                let what = format!("{} {:?} is there twice; the first is at line {}", key.0, key.2, place.line);
                self.problems.error(object.span, what);
            }
        }
    }

    /// Script steps and expectations name objects that can exist.
    fn finish(&mut self, scene: Scene) -> Option<Scene> {
        if scene.script.is_empty() && scene.expectations.is_empty() {
            return Some(scene);
        }
        let mut known = self.known(&scene);
        for entry in &scene.script {
            if let Action::Step(Step::RollingUpdate { target, options, .. }) = &entry.action {
                known.add_successor(target, options.name.as_deref());
            }
            match &entry.action {
                Action::Apply(objects) => known.add(objects),
                Action::AddManifest(node, pod) => known.add(&manifests::mirrors(std::iter::once((node, pod)))),
                Action::Step(_) | Action::Patch(..) => {}
            }
        }
        for entry in &scene.script {
            match &entry.action {
                Action::Step(step) => {
                    for target in Target::of_step(step) {
                        known.check(&target, entry.span, &mut self.problems);
                    }
                }
                Action::Patch(target, _) => known.check(target, entry.span, &mut self.problems),
                Action::AddManifest(node, _) => known.check(&format!("node/{node}"), entry.span, &mut self.problems),
                Action::Apply(_) => {}
            }
        }
        for expected in &scene.expectations {
            if let Claim::Phase(_, phase) = &expected.claim
                && !PHASES.contains(&phase.as_str())
            {
                let mut problem = Problem::new(expected.span, format!("{phase:?} is no phase"));
                problem.help = crate::source::error::advice(phase, PHASES);
                self.problems.push(Severity::Error, problem);
            }
            self.check_network_claim(expected, &scene, &known);
            if let Some(target) = target_of_claim(&expected.claim) {
                let gone = matches!(expected.claim, Claim::Gone(_)) || expected.how == How::Never;
                known.check_kind(target, expected.span, &mut self.problems);
                if !gone {
                    known.check(target, expected.span, &mut self.problems);
                }
            }
        }
        Some(scene)
    }
}

/// Both lists as one, sorted.
fn with(mut list: Vec<String>, more: Vec<String>) -> Vec<String> {
    list.extend(more);
    list.sort();
    list
}

/// What a client sees who connects.
const CONNECTIONS: &[&str] = &["connected", "refused", "timed out", "NXDOMAIN", "no address", "404", "503"];

/// Phases of pods, namespaces and claims.
const PHASES: &[&str] = &["Pending", "Running", "Succeeded", "Failed", "Unknown", "Active", "Terminating", "Bound", "Lost"];

fn target_of_claim(claim: &Claim) -> Option<&str> {
    match claim {
        Claim::Ready(target, _)
        | Claim::ReadyAtLeast(target, _)
        | Claim::ReadyAtMost(target, _)
        | Claim::Replicas(target, _)
        | Claim::Restarts(target, _)
        | Claim::RestartsAtLeast(target, _)
        | Claim::Exists(target)
        | Claim::Gone(target)
        | Claim::Phase(target, _)
        | Claim::Condition(target, ..)
        | Claim::OnNode(target, _) => Some(target),
        Claim::Pods(..) | Claim::Reaches(..) | Claim::Requests(..) | Claim::LatencyAtMost(..) | Claim::LatencyAtLeast(..) => None,
    }
}

fn pool_tree<'t>(item: &'t Tree, problems: &mut Problems) -> Option<&'t Tree> {
    match &item.value {
        TreeValue::Named(named) if named.name == "Pool" => Some(&named.args),
        TreeValue::Map(_) => Some(item),
        _ => {
            let help = "write Pool(name: \"small\", count: 3, allocatable: {\"cpu\": \"4\", \"memory\": \"8Gi\"})";
            problems.push(Severity::Error, Problem::new(item.span, "this is no node pool").with_help(help));
            None
        }
    }
}

/// The profile `Typical` with some latencies changed.
fn resolve_latency(changes: &LatencyChanges) -> Latency {
    let mut table = LatencyTable::TYPICAL;
    let set = |field: &mut SimDuration, change: Option<DurationText>| {
        if let Some(change) = change {
            *field = change.0;
        }
    };
    set(&mut table.api_write, changes.api_write);
    set(&mut table.watch, changes.watch);
    set(&mut table.scheduling_attempt, changes.scheduling_attempt);
    set(&mut table.binding, changes.binding);
    set(&mut table.kubelet_sync, changes.kubelet_sync);
    set(&mut table.sandbox, changes.sandbox);
    set(&mut table.container_start, changes.container_start);
    set(&mut table.provisioning, changes.provisioning);
    set(&mut table.pull, changes.pull);
    table.pull_bytes_per_s = changes.pull_bytes_per_s.unwrap_or(table.pull_bytes_per_s).max(1);
    Latency::Typical(table)
}

/// Images that containers of the scene have or will have by its script.
fn images_of_scene(scene: &Scene) -> Vec<String> {
    let mut images: Vec<String> = scene.objects.iter().flat_map(|object| images_of(&object.body)).collect();
    images.extend(scene.manifests.iter().flat_map(|(_, pod)| images_of(&pod.body)));
    images.extend(scene.traces.iter().map(|_| rows::IMAGE.to_string()));
    for entry in &scene.script {
        match &entry.action {
            Action::Apply(objects) => images.extend(objects.iter().flat_map(|object| images_of(&object.body))),
            Action::Patch(_, patch) => images.extend(images_of(patch)),
            Action::AddManifest(_, pod) => images.extend(images_of(&pod.body)),
            Action::Step(Step::SetImage(_, image)) => images.push(image.clone()),
            Action::Step(_) => {}
        }
    }
    images
}

/// Images of all containers of an object's pod spec or template.
fn images_of(body: &serde_json::Value) -> Vec<String> {
    let pod_specs = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let lists = pod_specs.iter().flat_map(|spec| ["initContainers", "containers"].map(|list| format!("{spec}/{list}")));
    let containers = lists.filter_map(|list| body.pointer(&list)?.as_array()).flatten();
    containers.filter_map(|container| container.get("image")?.as_str()).map(str::to_string).collect()
}
