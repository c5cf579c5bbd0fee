//! Replacing a file as a whole: who reads it sees all of the old one or all of the new one, whatever happens to the writer.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Puts `bytes` in the place of what is under `path`: into a file beside it, to the disk, under its name.
pub(super) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    is_replaceable(path)?;
    let mut temporary = Temporary::create(path)?;
    temporary.file.write_all(bytes)?;
    set_mode(&temporary.file, mode)?;
    temporary.file.sync_all()?;
    temporary.rename(path)?;
    sync_folder(path)
}

/// A link would be replaced and not what it leads to, and of a device there would be nothing left.
fn is_replaceable(path: &Path) -> io::Result<()> {
    let kind = match path.symlink_metadata() {
        Ok(metadata) => metadata.file_type(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    match kind {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_symlink() => {
            let to = std::fs::read_link(path)?;
            Err(io::Error::other(format!("it is a symbolic link, which is not replaced: name {} itself", to.display())))
        }
        kind if kind.is_dir() => Err(io::Error::other("it is a folder: add the name of a file")),
        _ => Err(io::Error::other("it is no regular file, and would be replaced by one: choose another name")),
    }
}

/// The folder in which `path` is.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes what was renamed in the folder of `path` survive the machine's end.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder(path))?.sync_all() {
        // Some file systems have nothing to synchronize there.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Sets permissions whatever the process's mask says.
#[cfg(unix)]
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Returns whether nobody else has locked the file. The lock ends with the process, however that ends.
#[cfg(unix)]
pub(super) fn lock(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        // Some network file systems have no locks.
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK | rustix::io::Errno::NOSYS) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

#[cfg(not(unix))]
pub(super) fn lock(_: &File) -> io::Result<bool> {
    Ok(true)
}

/// Returns whether `file` is what is under `path`, and not something that was renamed or deleted since it was opened.
#[cfg(unix)]
pub(super) fn is_under(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
pub(super) fn is_under(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

pub(super) fn is_somebody_elses() -> io::Error {
    io::Error::new(
        ErrorKind::ResourceBusy,
        "another process, or another destination, writes it: give each a file of its own",
    )
}

/// The file that is to replace another; dropped before it does, it is deleted. It is locked: one that nobody has locked is left
/// over from a process that was killed.
///
/// Its name begins with a dot and does not end with `.prom`, so that nobody takes it for what it is to become.
struct Temporary {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl Temporary {
    fn create(of: &Path) -> io::Result<Temporary> {
        let mut name = OsString::from(".");
        name.push(of.file_name().unwrap_or_default());
        name.push(".tmp");
        let path = of.with_file_name(name);
        // Somebody may clear it away between these steps, or make it.
        for _ in 0..8 {
            clear(&path)?;
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) if lock(&file)? && is_under(&file, &path)? => {
                    return Ok(Temporary { file, path, is_renamed: false });
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(is_somebody_elses())
    }

    fn rename(&mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Deletes what a killed process left there.
fn clear(path: &Path) -> io::Result<()> {
    let is_file = match path.symlink_metadata() {
        Ok(metadata) => metadata.is_file(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    // One that cannot be opened is another user's; whether it can be deleted is up to the folder.
    let left = if is_file { File::open(path).ok() } else { None };
    if let Some(left) = &left {
        if !lock(left)? {
            return Err(is_somebody_elses());
        }
        if !is_under(left, path)? {
            return Ok(());
        }
    }
    // Under the lock: nobody else deletes it, and so nobody has made another one.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
