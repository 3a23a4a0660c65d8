//! The machine that a figure was measured on: without it, a figure says nothing.

use serde::Serialize;

/// What a reader must know of the machine.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The processor's own name for itself.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The mean number of runnable processes in the minute before: above zero, others were at work too.
    pub load_average_before: String,
    /// When the measurement began, UTC.
    pub date: String,
}

impl Machine {
    /// Reads `/proc`; what cannot be read is `unknown`.
    pub fn read() -> Self {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = field(&file("/proc/meminfo"), "MemTotal");
        let kibibytes: u64 = memory.trim_end_matches("kB").trim().parse().unwrap_or_default();
        let load = file("/proc/loadavg");
        Self {
            cpu: field(&file("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kibibytes / 1024,
            kernel: or_unknown(file("/proc/sys/kernel/osrelease").trim()),
            load_average_before: or_unknown(load.split(' ').next().unwrap_or_default()),
            date: format!("{:.0}", jiff::Timestamp::now()),
        }
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next();
    or_unknown(value.unwrap_or_default())
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_the_first_value_of_its_name() {
        let text = "processor\t: 0\nmodel name\t: A: CPU\nmodel name\t: B\n";
        assert_eq!(field(text, "model name"), "A: CPU");
        assert_eq!(field(text, "model"), "unknown");
    }
}
