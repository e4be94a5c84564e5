//! The names that a run without a recipe gets: of its load in the ledger, and of the files that it makes.
//!
//! Must not know: what a recipe may be called.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The name of the load: the same target table and the same source are the same load. `from` is a path that starts at
/// `folder`, or without one the name of a cluster's table, which is the same wherever the command is given.
pub(crate) fn name_of(into: &str, from: &str, folder: Option<&PathBuf>) -> String {
    const MAX_READABLE: usize = 80;
    let source = match folder {
        Some(folder) if from != "-" => whole(&folder.join(from)),
        _ => PathBuf::from(from),
    };
    let mut hash = Sha256::new();
    hash.update(into.as_bytes());
    hash.update([0]);
    hash.update(source.as_os_str().as_encoded_bytes());
    let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", clean(into).chars().take(MAX_READABLE).collect::<String>())
}

/// A glob and a file that is not there yet have no canonical path.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or(path.into())
}

/// With only what a name may hold.
fn clean(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    text.trim_start_matches('.').chars().map(allowed).collect()
}

/// The name of the files that a run without `--into` makes: the source's, without its endings.
pub(crate) fn name_of_files(from: &str) -> String {
    let name = Path::new(from).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = [".gz", ".zst", ".csv"]
        .iter()
        .fold(name.as_ref(), |name, end| name.strip_suffix(end).unwrap_or(name));
    if name == "-" { "stdin".into() } else { clean(name) }
}

#[cfg(test)]
mod tests {
    use crate::recipe::{Flags, Recipe};

    #[test]
    fn a_clusters_table_is_the_same_load_from_every_folder_and_a_file_is_another_one() {
        let name = |folder: &str, hosts: &[&str]| {
            let hosts = hosts.iter().map(|hosts| ("ETL_SOURCE__CASSANDRA__HOSTS".into(), hosts.into()));
            let (from, into) = (Some("ks.t".into()), Some("t".into()));
            let flags = Flags { folder: folder.into(), from, into, ..Flags::default() };
            Recipe::from_flags(hosts, &flags).unwrap().name
        };
        assert_eq!(name("/a", &["['h']"]), name("/b", &["['h']"]));
        assert_ne!(name("/a", &[]), name("/b", &[]));
        assert_ne!(name("/a", &[]), name("/a", &["['h']"]));
    }
}
