//! How much memory there is: of the machine, and of the control group that this process runs in.

use std::path::{Path, PathBuf};

/// The memory of this machine, as far as it says.
pub(crate) fn machine_bytes() -> Option<u64> {
    let text = fs_err::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}

/// The memory that this process and its children may have together, as far as the system says.
fn available_bytes() -> Option<u64> {
    let groups = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group_bytes(Path::new("/sys/fs/cgroup"), &groups);
    [machine_bytes(), group].into_iter().flatten().min()
}

/// The memory that models get if nobody says: 60 % of what there is. With what [`job_bytes`] gives, 15 % are left for
/// requests, their answers and proofs. 0, which bounds nothing, where the system does not tell.
pub(crate) fn model_bytes() -> u64 {
    available_bytes().map_or(0, |bytes| bytes / 5 * 3)
}

/// The memory that jobs get if nobody says: a quarter of what there is.
pub(crate) fn job_bytes() -> Option<u64> {
    available_bytes().map(|bytes| bytes / 4)
}

/// The least limit of the groups that a process is in; `groups` is what the kernel says of them.
fn group_bytes(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        // A number, the controllers (none in version 2) and the path.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            limit_above(root.to_owned(), path, "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            limit_above(root.join("memory"), path, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    limits.min()
}

/// The least limit from the mounted root down to the group: each binds all below it. In a container the path may be one of
/// the machine that is not there; the root is then the container's own group.
fn limit_above(root: PathBuf, path: &str, file: &str) -> Option<u64> {
    let mut directory = root;
    let mut least = limit_in(&directory, file);
    for part in path.split('/').filter(|part| !part.is_empty() && *part != "..") {
        directory.push(part);
        least = [least, limit_in(&directory, file)].into_iter().flatten().min();
    }
    least
}

/// `None` for none: version 2 writes `max`, version 1 a number beyond all memory.
fn limit_in(directory: &Path, file: &str) -> Option<u64> {
    fs_err::read_to_string(directory.join(file)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        root
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], groups: &str, expected: Option<u64>) {
        assert_eq!(group_bytes(tree(files).path(), groups), expected, "{groups:?}");
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let files = [("a/memory.max", "500\n"), ("a/b/memory.max", "max\n"), ("a/b/c/memory.max", "700\n")];
        check(&files, "0::/a/b/c\n", Some(500));
        check(&files, "0::/a/b\n", Some(500));
        check(&files, "0::/\n", None);
        check(&files, "0::/elsewhere\n", None);
        check(&files, "", None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        check(&[("memory.max", "300")], "0::/\n", Some(300));
        check(&[("memory.max", "300")], "0::/machine/of/the/host\n", Some(300));
    }

    #[test]
    fn the_first_version_has_a_directory_for_memory() {
        let files = [
            ("memory/x/memory.limit_in_bytes", "400\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
        ];
        check(&files, "5:cpu,cpuacct:/x\n4:memory:/x\n0::/x\n", Some(400));
        check(&files, "5:cpu:/x\n", None);
    }

    #[test]
    fn models_and_jobs_together_get_less_than_there_is() {
        let Some(available) = available_bytes() else { return };
        assert!(machine_bytes().is_none_or(|machine| available <= machine));
        let (models, jobs) = (model_bytes(), job_bytes().unwrap());
        assert!(models > jobs && jobs > 0 && models + jobs <= available / 100 * 86);
    }
}
