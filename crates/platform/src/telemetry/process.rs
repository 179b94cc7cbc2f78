//! What the operating system says of this process, under the names that all Prometheus clients use
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). Read when
//! somebody asks; absent where there is no `/proc`.

use std::fs;

/// Clock ticks a second in what Linux tells, on every architecture (`USER_HZ`,
/// <https://man7.org/linux/man-pages/man5/proc.5.html>).
const TICKS: f64 = 100.0;

/// Reads and records all of them.
pub(super) fn observe() {
    if let Some(stat) = read("/proc/self/stat").as_deref().and_then(stat) {
        metrics::gauge!("process_cpu_seconds_total").set(stat.cpu_seconds);
        let boot = read("/proc/stat").as_deref().and_then(|text| after(text, "btime "));
        if let Some(boot) = boot {
            metrics::gauge!("process_start_time_seconds").set(boot + stat.started_seconds);
        }
    }
    if let Some(status) = read("/proc/self/status") {
        for (line, name) in
            [("VmRSS:", "process_resident_memory_bytes"), ("VmSize:", "process_virtual_memory_bytes")]
        {
            if let Some(kibibytes) = after(&status, line) {
                metrics::gauge!(name).set(kibibytes * 1_024.0);
            }
        }
        if let Some(threads) = after(&status, "Threads:") {
            metrics::gauge!("process_threads").set(threads);
        }
    }
    if let Some(most) = read("/proc/self/limits").as_deref().and_then(|text| after(text, "Max open files")) {
        metrics::gauge!("process_max_fds").set(most);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Less the one that is open for this.
        metrics::gauge!("process_open_fds").set(open.count().saturating_sub(1) as f64);
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// After the machine's.
    started_seconds: f64,
}

/// Fields 14, 15 and 22 of `/proc/[pid]/stat`. The second, the name, may have anything in it, but is
/// in parentheses.
fn stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Stat { cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS, started_seconds: ticks(22)? / TICKS })
}

/// The number after `name` at the beginning of a line.
fn after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_trap() {
        let text = "4242 (a) b (c) S 1 4242 4242 0 -1 4194304 500 0 0 0 250 50 0 0 20 0 9 0 12345 1 2";
        assert_eq!(stat(text), Some(Stat { cpu_seconds: 3.0, started_seconds: 123.45 }));
        assert_eq!(stat("nonsense"), None);
    }

    #[test]
    fn numbers_are_found_by_the_name_of_their_line() {
        let text = "Name:\tmarquee\nVmRSS:\t    2048 kB\nMax open files            1024       4096  files\n";
        assert_eq!(after(text, "VmRSS:"), Some(2_048.0));
        assert_eq!(after(text, "Max open files"), Some(1_024.0));
        assert_eq!(after(text, "Threads:"), None);
    }
}
