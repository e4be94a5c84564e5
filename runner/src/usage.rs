//! What this process used so far, as Linux tells it; nothing elsewhere.
//!
//! Must not know: what it was used for.

use std::fs;

/// Processor time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds on all processors, user and system.
    pub(crate) cpu_seconds: Option<f64>,
    /// The most memory that was resident at once.
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Usage {
    /// Of this process, until now.
    pub(crate) fn now() -> Usage {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Usage {
            cpu_seconds: cpu_seconds(&read("/proc/self/stat")),
            peak_memory_bytes: peak_memory_bytes(&read("/proc/self/status")),
        }
    }
}

/// Fields 14 and 15 of proc(5)'s `stat`, in ticks of 10 ms (`USER_HZ`, the same on every Linux platform that Rust
/// has a standard library for). The command's name in field 2 may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let (user, system) = (fields.get(11)?.parse::<u64>().ok()?, fields.get(12)?.parse::<u64>().ok()?);
    Some((user + system) as f64 / 100.0)
}

/// The line `VmHWM:  123 kB`.
fn peak_memory_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(peak_memory_bytes("Name: x\nVmHWM:\t  2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu_seconds(""), peak_memory_bytes("")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_memory() {
        assert!(Usage::now().peak_memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(Usage::now().cpu_seconds.is_some());
    }
}
