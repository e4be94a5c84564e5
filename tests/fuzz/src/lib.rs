//! What the fuzz targets share.

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// A file that only this process has, and that is gone with it; in memory where the system has such a folder.
pub fn file() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let path = folder.join(format!("etl-fuzz-{}.csv", std::process::id()));
    let file = File::create(&path).expect("a file");
    std::fs::remove_file(&path).expect("its name");
    let descriptor = file.into_raw_fd();
    PathBuf::from(format!("/proc/self/fd/{descriptor}"))
}

/// A cell of a text column.
pub fn text(column: &ArrayRef, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned())
}
