//! How much memory there is: rings that do not fit end in an error, and not with a killed process.

use std::fs;
use std::path::Path;

/// What is free, and what limits it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) bytes: u64,
    pub(super) of: String,
}

/// Free memory of the machine, or of this process's cgroup or one above it, whichever is the least; `None` where the system
/// does not tell.
pub(super) fn free() -> Option<Free> {
    free_under(Path::new("/"))
}

/// As [`free`], with another root of the file system.
fn free_under(root: &Path) -> Option<Free> {
    let mut all: Vec<Free> = machine(root).into_iter().collect();
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            // Mounted there beside version 1, where both are in use.
            for base in ["sys/fs/cgroup", "sys/fs/cgroup/unified"] {
                all.extend(cgroups(&root.join(base), path, &V2));
            }
        } else if controllers.split(',').any(|c| c == "memory") {
            all.extend(cgroups(&root.join("sys/fs/cgroup/memory"), path, &V1));
        }
    }
    all.into_iter().min_by_key(|free| free.bytes)
}

fn machine(root: &Path) -> Option<Free> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kib: u64 = field(&info, "MemAvailable:")?;
    Some(Free { bytes: kib.saturating_mul(1024), of: "the machine's memory".to_owned() })
}

/// The names of a cgroup's files.
struct Names {
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: used by files that are cached, which gives way.
    cached: &'static str,
}

const V2: Names = Names { limit: "memory.max", used: "memory.current", cached: "inactive_file" };
const V1: Names =
    Names { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cached: "total_inactive_file" };

/// Of the cgroup `path` and all above it. In a container they may be invisible, but for the last.
fn cgroups<'a>(base: &'a Path, path: &'a str, names: &'a Names) -> impl Iterator<Item = Free> + 'a {
    let path = Path::new(if path.contains("..") { "" } else { path.trim_start_matches('/') });
    path.ancestors().filter_map(move |cgroup| {
        let number = |file| fs::read_to_string(base.join(cgroup).join(file)).ok()?.trim().parse::<u64>().ok();
        let (limit, used) = (number(names.limit)?, number(names.used)?);
        let stat = fs::read_to_string(base.join(cgroup).join("memory.stat")).unwrap_or_default();
        let cached = field(&stat, names.cached).unwrap_or(0);
        let of = format!("the memory limit of the cgroup /{}", cgroup.display());
        Some(Free { bytes: limit.saturating_sub(used.saturating_sub(cached)), of })
    })
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = Root(std::env::temp_dir().join(format!("ringscope-memory-{}-{name}", std::process::id())));
            for (path, text) in files {
                let path = root.0.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            root
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:   5000 kB\n");

    fn found(name: &str, files: &[(&str, &str)]) -> (u64, String) {
        let root = Root::new(name, &[&[MEMINFO], files].concat());
        let free = free_under(&root.0).unwrap();
        (free.bytes, free.of)
    }

    #[test]
    fn the_least_of_the_machine_and_all_cgroups_counts() {
        assert_eq!(found("none", &[]), (5_120_000, "the machine's memory".into()));
        // Version 2: the own cgroup has no limit, the one above has, less what is used and does not give way.
        let v2 = [
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "7\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a/memory.current", "300000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 100000\n"),
        ];
        assert_eq!(found("v2", &v2), (800_000, "the memory limit of the cgroup /a".into()));
        // Version 1 writes a huge number where there is no limit; more used than allowed leaves nothing.
        let v1 = [
            ("proc/self/cgroup", "9:cpu:/x\n4:memory,other:/c\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "5\n"),
            ("sys/fs/cgroup/memory/c/memory.limit_in_bytes", "4096\n"),
            ("sys/fs/cgroup/memory/c/memory.usage_in_bytes", "8192\n"),
        ];
        assert_eq!(found("v1", &v1), (0, "the memory limit of the cgroup /c".into()));
        // In a container the path is the host's, and only the container's own cgroup is there.
        let container = [
            ("proc/self/cgroup", "0::/docker/abc\n"),
            ("sys/fs/cgroup/memory.max", "2000000\n"),
            ("sys/fs/cgroup/memory.current", "500000\n"),
        ];
        assert_eq!(found("container", &container), (1_500_000, "the memory limit of the cgroup /".into()));
    }

    #[test]
    fn what_makes_no_sense_is_no_limit() {
        let odd = [
            ("proc/self/cgroup", "nonsense\n0::\n::\n0::/../up\n"),
            ("sys/fs/cgroup/memory.max", "many\n"),
            ("sys/fs/cgroup/memory.current", "-1\n"),
        ];
        assert_eq!(found("odd", &odd).0, 5_120_000);
        assert_eq!(free_under(Path::new("/nowhere")), None);
    }
}
