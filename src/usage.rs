//! What a run costs on this machine: wall time, processor time, memory. The only place that reads a clock.

use std::time::{Duration, Instant};

/// A point in wall and processor time to measure from.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    started_at: Instant,
    cpu: Option<Duration>,
}

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "the run speed, which nothing in the simulated world sees")]
    pub fn start() -> Stopwatch {
        Stopwatch { started_at: Instant::now(), cpu: cpu_time() }
    }

    /// Wall time since the start.
    pub fn wall(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Processor time of all threads since the start. `None` where the system does not say.
    pub fn cpu(&self) -> Option<Duration> {
        Some(cpu_time()?.saturating_sub(self.cpu?))
    }
}

/// Processor time of this process so far, user and system. `None` where `/proc` is missing.
///
/// The scheduler's own figures are exact but leave out threads that have ended, the ticks count all in steps of 10 ms:
/// the larger of the two is taken.
fn cpu_time() -> Option<Duration> {
    cpu_time_of_live_threads().max(cpu_time_in_ticks())
}

fn cpu_time_of_live_threads() -> Option<Duration> {
    let mut total_ns = 0_u64;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let statistics = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        total_ns += statistics.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total_ns))
}

fn cpu_time_in_ticks() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Processor time of this process so far, to the nanosecond.
pub fn cpu_now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Begins to count [`peak_rss_bytes`] anew, where the system allows it.
pub fn reset_peak_rss() {
    // Without it the peak is that of the whole process so far, which is true as well.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Most memory this process has held so far. Unit: bytes. `None` where `/proc` is missing.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.trim();
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time_and_memory() {
        let watch = Stopwatch::start();
        let block = vec![1_u8; 8 << 20];
        let mut sum = 0_u64;
        while watch.wall() < Duration::from_millis(60) {
            sum += block.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }
        assert!(sum > 0);
        assert!(watch.cpu().unwrap() >= Duration::from_millis(10));
        assert!(peak_rss_bytes().unwrap() >= 8 << 20);
    }
}
