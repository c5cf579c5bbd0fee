//! What the operating system limits, and what to do when a limit is reached.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns what to do about `error`, to stand behind its text; empty where nothing helps.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => ": this process has no file descriptor left: raise the limit (ulimit -n)",
        Some(Errno::NFILE) => ": the system has no file descriptor left: close files, or raise fs.file-max",
        Some(Errno::AGAIN) => {
            ": no more threads are allowed: end other ones, or raise the limit (ulimit -u, or pids.max of the container)"
        }
        Some(Errno::NOMEM) => ": there is not enough memory: end other programs, or use fewer --kernels and --blocks",
        Some(Errno::ACCESS | Errno::PERM) => ": allow it with chmod, or run as its owner",
        _ => "",
    }
}

/// Returns whether a file could not be opened only because too many others are open.
pub fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::MFILE | Errno::NFILE))
}

/// Raises the limit of open files as far as this process may, and returns it.
pub fn raise_open_files() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where it is refused, what there is has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let now = getrlimit(Resource::Nofile).current.or(current);
    now.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_own_remedy() {
        let of = |errno: Errno| remedy(&io::Error::from(errno));
        assert!(of(Errno::MFILE).contains("ulimit -n") && of(Errno::NFILE).contains("fs.file-max"));
        assert!(of(Errno::AGAIN).contains("ulimit -u") && of(Errno::NOMEM).contains("memory"));
        assert_eq!(remedy(&io::Error::other("else")), "");
        assert!(is_out_of_files(&Errno::MFILE.into()) && !is_out_of_files(&Errno::AGAIN.into()));
    }

    #[test]
    fn the_limit_of_open_files_is_the_highest_allowed() {
        let raised = raise_open_files();
        assert!(getrlimit(Resource::Nofile).maximum.is_none_or(|most| raised as u64 == most), "{raised}");
    }
}
