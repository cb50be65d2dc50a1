//! What a person sees of a test run: one line for each scene, the difference under a failed one, a summary line.

use super::scenes::name;
use super::{Tested, Verdict};
use std::time::Duration;

/// The lines of one scene: `PASS [   0.012s] scenes/rollout/rolling_update`, and why it failed when it did.
pub fn line(tested: &Tested) -> String {
    let mut text = format!("{:>12} [{}] {}\n", word(&tested.verdict), seconds(tested.took), name(&tested.scene));
    if let Some(why) = why(&tested.verdict) {
        for line in why.lines() {
            text.push_str(format!("             {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Blessed => "BLESS",
        Verdict::Differs(_) | Verdict::NoGolden(_) | Verdict::Failed(_) => "FAIL",
    }
}

/// Why a scene failed; `None` when it did not.
pub(super) fn why(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Pass | Verdict::Blessed => None,
        Verdict::Differs(difference) => Some(difference.to_string()),
        Verdict::NoGolden(golden) => Some(format!("no golden journal at {}; --bless writes it", golden.display())),
        Verdict::Failed(why) => Some(why.clone()),
    }
}

/// The summary line, and the names of failed scenes once more below it.
pub fn totals(tested: &[Tested], took: Duration) -> String {
    let count = |wanted: fn(&Verdict) -> bool| tested.iter().filter(|tested| wanted(&tested.verdict)).count();
    let (passed, blessed) = (count(|verdict| *verdict == Verdict::Pass), count(|verdict| *verdict == Verdict::Blessed));
    let failed = count(|verdict| !verdict.passed());
    let blessed = if blessed == 0 { String::new() } else { format!("{blessed} blessed, ") };
    let tests = if tested.len() == 1 { "test" } else { "tests" };
    let mut text = format!(
        "------------\n{:>12} [{}] {} {tests} run: {passed} passed, {blessed}{failed} failed\n",
        "Summary",
        seconds(took),
        tested.len()
    );
    for failed in tested.iter().filter(|tested| !tested.verdict.passed()) {
        text.push_str(&format!("{:>12} [{}] {}\n", word(&failed.verdict), seconds(failed.took), name(&failed.scene)));
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{:>8.3}s", time.as_secs_f64())
}
