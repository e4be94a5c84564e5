//! The adapter for WASI preview 1: a core module of ours that needs nothing from the machine. `adapter.wat` has the
//! functions that answer; this file those that say "no", and how it is assembled.
//! Must not know: wasmtime.

use super::onramp;

/// The import module of WASI preview 1.
pub(super) const PREVIEW1: &str = "wasi_snapshot_preview1";
/// The interface through which the adapter prints.
pub(super) const STDIO: &str = "etl:wasi/stdio@0.1.0";

const WIT: &str = "package etl:wasi@0.1.0;
    interface stdio { print: func(fd: u32, bytes: list<u8>); }
    world adapter { import stdio; }";

/// Functions in `adapter.wat`; all but `proc_exit` answer an errno.
const ANSWERING: [(&str, &str); 12] = [
    ("args_get", "i32 i32"),
    ("args_sizes_get", "i32 i32"),
    ("clock_res_get", "i32 i32"),
    ("clock_time_get", "i32 i64 i32"),
    ("environ_get", "i32 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("poll_oneoff", "i32 i32 i32 i32"),
    ("proc_exit", "i32"),
    ("random_get", "i32 i32"),
    ("sched_yield", ""),
];

/// Functions that say `badf` (of a file descriptor) or `nosys`.
const REFUSING: [(&str, &str); 34] = [
    ("fd_advise", "i32 i64 i64 i32"),
    ("fd_allocate", "i32 i64 i64"),
    ("fd_close", "i32"),
    ("fd_datasync", "i32"),
    ("fd_fdstat_set_flags", "i32 i32"),
    ("fd_fdstat_set_rights", "i32 i64 i64"),
    ("fd_filestat_get", "i32 i32"),
    ("fd_filestat_set_size", "i32 i64"),
    ("fd_filestat_set_times", "i32 i64 i64 i32"),
    ("fd_pread", "i32 i32 i32 i64 i32"),
    ("fd_prestat_dir_name", "i32 i32 i32"),
    ("fd_prestat_get", "i32 i32"),
    ("fd_pwrite", "i32 i32 i32 i64 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_renumber", "i32 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_sync", "i32"),
    ("fd_tell", "i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32"),
    ("path_remove_directory", "i32 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("proc_raise", "i32"),
    ("sock_accept", "i32 i32 i32"),
    ("sock_recv", "i32 i32 i32 i32 i32 i32"),
    ("sock_send", "i32 i32 i32 i32 i32"),
    ("sock_shutdown", "i32 i32"),
];
const BADF: u32 = 8;
const NOSYS: u32 = 52;

/// The type of a preview 1 function, if there is one of that name.
pub(super) fn type_of(name: &str) -> Option<String> {
    let (_, params) = ANSWERING.iter().chain(&REFUSING).find(|(known, _)| *known == name)?;
    let result = if name == "proc_exit" { "" } else { "i32" };
    Some(format!("({params}) -> ({result})"))
}

/// The adapter, ready for `ComponentEncoder::adapter`.
pub(super) fn adapter() -> Result<Vec<u8>, String> {
    let mut wat = format!("(module\n{}", include_str!("adapter.wat"));
    for (name, params) in REFUSING {
        let errno = if name.starts_with("fd_") { BADF } else { NOSYS };
        wat += &format!("(func (export \"{name}\") (param {params}) (result i32) (i32.const {errno}))\n");
    }
    wat += ")";
    let mut module = wat::parse_str(&wat).map_err(|e| e.to_string())?;
    onramp::embed(&mut module, WIT, "adapter")?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn the_adapter_exports_every_function_of_preview_1_with_its_type() {
        let scanned = scan(&adapter().unwrap()).unwrap();
        assert_eq!(scanned.functions.len(), ANSWERING.len() + REFUSING.len());
        for (name, ty) in &scanned.functions {
            assert_eq!(Some(ty), type_of(name).as_ref(), "{name}");
        }
    }

    #[test]
    fn the_adapter_imports_the_guests_memory_and_a_way_to_print() {
        let scanned = scan(&adapter().unwrap()).unwrap();
        let imports: Vec<_> = scanned.imports.iter().map(|i| (i.from.as_str(), i.name.as_str())).collect();
        assert_eq!(imports, [("env", "memory"), (STDIO, "print")]);
    }
}
