//! A `KubeSchedulerConfiguration` (kubescheduler.config.k8s.io/v1), checked and complete: what the scheduler is started with.
//!
//! Reading order: [`plugins`] (which plugin may stand where, and how what is written merges with the defaults), `read` (from a file
//! or a scene, with every mistake at its place). The values are checked by [`crate::api::validation::validate_scheduler_config`].
//!
//! What is accepted and changes nothing: `parallelism` (the simulator looks at nodes one by one and is deterministic), leader election,
//! client connection, profiling and `delayCacheUntilActive`. Extenders are HTTP servers beside the scheduler: they are named as not
//! simulated.
//!
//! Source: kubernetes v1.36, `pkg/scheduler/apis/config/v1/defaults.go`.

pub mod plugins;
mod read;

pub(crate) use read::Reader;

use crate::source::{Files, MemoryFiles, Problems, Sources};
use crate::time::SimDuration;
use plugins::{Merged, PluginNames, Point};
use serde_json::Value;

/// `schedulerName` of pods that name no scheduler, and of the only profile when it has no name.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The scheduler's configuration. ECS resource.
#[derive(Debug, Clone, PartialEq, bevy_ecs::resource::Resource)]
pub struct SchedulerConfig {
    /// `podInitialBackoffSeconds`.
    pub backoff_first: SimDuration,
    /// `podMaxBackoffSeconds`.
    pub backoff_max: SimDuration,
    /// Profiles, in the order written; at least one, each with a name of its own.
    pub profiles: Vec<SchedulerProfile>,
}

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerProfile {
    /// `schedulerName`: pods of that name are scheduled by it.
    pub scheduler_name: String,
    /// `percentageOfNodesToScore` of the profile, or of the configuration; 0: by the number of nodes.
    pub percentage_of_nodes_to_score: u32,
    /// Plugins that run at each extension point, in their order.
    pub plugins: Merged,
    /// `pluginConfig`: names of plugins and their arguments, checked, without the defaults.
    pub args: Vec<(String, Value)>,
}

impl SchedulerProfile {
    /// The profile that runs when nothing is configured.
    pub fn new(scheduler_name: &str) -> SchedulerProfile {
        SchedulerProfile {
            scheduler_name: scheduler_name.to_string(),
            percentage_of_nodes_to_score: 0,
            plugins: plugins::defaults(),
            args: Vec::new(),
        }
    }

    /// Names of the plugins that run at a point, in their order.
    pub fn at(&self, point: Point) -> impl Iterator<Item = &str> {
        self.plugins.at(point).iter().map(|(name, _)| name.as_str())
    }
}

impl SchedulerConfig {
    /// Reads a configuration from a text in YAML or JSON.
    ///
    /// # Errors
    /// Every mistake, with its place in `path`.
    pub fn from_text(path: &str, text: &str, names: &PluginNames) -> Result<SchedulerConfig, Vec<String>> {
        let files = MemoryFiles::default().with(path, text);
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let (files, not_simulated) = (&files as &dyn Files, Vec::new());
        let read = Reader { files, sources: &mut sources, problems: &mut problems, names, not_simulated }.file(path, None);
        read.ok_or_else(|| problems.errors(&sources).iter().map(ToString::to_string).collect())
    }
}

impl Default for SchedulerConfig {
    /// What kube-scheduler runs with when it is given no file.
    fn default() -> SchedulerConfig {
        SchedulerConfig {
            backoff_first: SimDuration::from_secs(1),
            backoff_max: SimDuration::from_secs(10),
            profiles: vec![SchedulerProfile::new(DEFAULT_SCHEDULER)],
        }
    }
}
