//! How the world of a report is asked about on the command line: the arguments that `why` and `explain` need to run the same one.

use crate::args::{RunArgs, WorldArgs};
use crate::commands::path_text;
use clap::ValueEnum;

/// The arguments, as a shell reads them.
pub(super) fn ask(args: &RunArgs, scene: &str) -> String {
    let mut words = Vec::new();
    let mut add = |name: &str, value: &str| words.push(format!("{name} {}", quoted(value)));
    match args.files.as_slice() {
        [] => add("--scene", scene),
        files => files.iter().for_each(|file| add("--scene", &path_text(file))),
    }
    let WorldArgs { nodes, node_size, seed, settings, latency, ties, scheduler_config, policies } = &args.world;
    let named = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_string());
    nodes.iter().for_each(|nodes| add("--nodes", &nodes.to_string()));
    if let Some(size) = node_size {
        let pairs: Vec<String> = size.0.iter().map(|(name, quantity)| format!("{name}={quantity}")).collect();
        add("--node-size", &pairs.join(","));
    }
    seed.iter().for_each(|seed| add("--seed", &seed.to_string()));
    settings.iter().for_each(|setting| add("--set", &format!("{}={}", setting.name, setting.value)));
    latency.and_then(|latency| named(latency.to_possible_value())).iter().for_each(|name| add("--latency", name));
    ties.and_then(|ties| named(ties.to_possible_value())).iter().for_each(|name| add("--ties", name));
    scheduler_config.iter().for_each(|path| add("--scheduler-config", &path_text(path)));
    policies.iter().for_each(|policy| add("--policy", &format!("{}={}", policy.name, policy.weight)));
    words.join(" ")
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let line =
            "--scene a.ron --scene b.yaml --nodes 3 --node-size cpu=2,memory=4Gi --seed 7 --set n=3 --latency typical --ties lowest-name";
        let words = format!("wavetank run {} {line}", "x.ron");
        let read = |words: &str| Cli::read(words.replace("--scene ", "").split_whitespace().map(str::to_string)).map(|cli| cli.command);
        let Ok(Command::Run(mut args)) = read(&words) else { panic!("{words}") };
        args.files.remove(0);
        assert_eq!(ask(&args, "a.ron"), line);
        assert_eq!(ask(&RunArgs::default(), "it's a.ron"), r"--scene 'it'\''s a.ron'");
    }
}
