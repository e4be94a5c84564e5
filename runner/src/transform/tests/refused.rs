//! Files that are no modules, or not for this runner: refused by name before anything runs.

use super::*;

const SHARED: &str = r#"(memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
const MARKER: &str = r#"(func (export "etl_transform_0_1"))"#;
const PLAN: &str = r#"(func (export "plan") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
const TRANSFORM: &str = r#"(func (export "transform") (param i32 i32 i32) (result i32) (i32.const 0))"#;

fn refused(path: &Path) -> String {
    let (fields, _) = two_rows();
    let error = Chain::plan(&engine(), &[module(path.to_owned())], &fields).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text} does not name the file");
    text
}

fn core(fields: &str) -> String {
    let modules = Modules::new();
    refused(&modules.text("bad", &format!("(module {fields})")))
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    assert!(refused(Path::new("/nowhere/none.wasm")).starts_with("cannot read module /nowhere/none.wasm"));
    let modules = Modules::new();
    assert!(refused(modules.dir.path()).contains("it is a folder"));
}

#[test]
fn files_that_are_no_modules_are_described() {
    let modules = Modules::new();
    let whole = std::fs::read(modules.guest("honest-echo")).unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("text", b"fn main() {}", "it is a text file; did you mean to compile it?"),
        ("wat", b"(module)", "it is WebAssembly in its text form"),
        ("noise", b"\x01\x02\x03", "it is not WebAssembly"),
        ("empty", b"", "the file is empty"),
        ("cut", &whole[..whole.len() / 2], "it is truncated"),
    ];
    for (name, bytes, expected) in cases {
        let text = refused(&modules.bytes(name, bytes));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read_whole() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    assert!(refused(file.path()).contains("it is too large: more than 128 MiB"));
}

#[test]
fn a_missing_function_is_named_with_those_that_are_there() {
    let text = core(&format!("{SHARED} {MARKER} {PLAN}"));
    assert!(text.contains("exports no function `transform`; it exports `cabi_realloc`"), "{text}");
    let text = core(&format!("{MARKER} {PLAN} {TRANSFORM}"));
    assert!(text.contains("exports no function `cabi_realloc`"), "{text}");
}

#[test]
fn a_missing_memory_is_named() {
    let realloc = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
    let text = core(&format!("{realloc} {MARKER} {PLAN} {TRANSFORM}"));
    assert!(text.contains("exports no memory named `memory`"), "{text}");
}

#[test]
fn a_wrong_signature_is_shown_beside_the_right_one() {
    let wrong = r#"(func (export "transform") (param i64) (result f32) (f32.const 0))"#;
    let text = core(&format!("{SHARED} {MARKER} {PLAN} {wrong}"));
    let expected = "its export `transform` is (i64) -> (f32); the contract wants (i32 i32 i32) -> (i32)";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_foreign_import_is_named_with_its_module() {
    let text =
        core(&format!(r#"(import "env" "now" (func (result i64))) {SHARED} {MARKER} {PLAN} {TRANSFORM}"#));
    assert!(text.contains("it imports `now` from `env` (() -> (i64))"), "{text}");
    let text = core(&format!(r#"(import "env" "memory" (memory 1)) {MARKER} {PLAN} {TRANSFORM}"#));
    assert!(text.contains("`memory` from `env` (a memory)"), "{text}");
}

#[test]
fn a_wasi_function_that_does_not_exist_is_named() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_teleport" (func (param i32) (result i32)))"#;
    let text = core(&format!("{import} {SHARED} {MARKER} {PLAN} {TRANSFORM}"));
    assert!(
        text.contains("`fd_teleport` from `wasi_snapshot_preview1`, which WASI preview 1 does not have"),
        "{text}"
    );
    let import = r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32)))"#;
    let text = core(&format!("{import} {SHARED} {MARKER} {PLAN} {TRANSFORM}"));
    assert!(text.contains("as (i64) -> (i32); WASI preview 1 has (i32) -> (i32)"), "{text}");
}

#[test]
fn another_contract_is_refused_with_both_versions() {
    let text = core(&format!(r#"{SHARED} {PLAN} {TRANSFORM} (func (export "etl_transform_0_2"))"#));
    assert!(text.contains("built for etl:transform 0.2, this runner speaks 0.1"), "{text}");
    let import = r#"(import "etl:transform/host@1.0.0" "log" (func (param i32 i32 i32)))"#;
    let text = core(&format!("{import} {SHARED} {PLAN} {TRANSFORM}"));
    assert!(text.contains("built for etl:transform 1.0, this runner speaks 0.1"), "{text}");
}

#[test]
fn the_version_that_a_toolchain_left_in_a_module_is_read() {
    let modules = Modules::new();
    let unmarked = std::fs::read_to_string(Path::new(GUESTS).join("base.wat")).unwrap().replace(MARKER, "");
    let built_for = |version: &str| {
        let mut bytes = wat::parse_str(format!("(module {unmarked} {PLAN} {TRANSFORM})")).unwrap();
        onramp::embed(&mut bytes, &onramp::WIT.replace("@0.1.0", version), "transform").unwrap();
        inspect(&engine(), &modules.bytes("built", &bytes)).unwrap()
    };
    let ours = built_for("@0.1.3");
    assert_eq!((ours.problem, ours.contract.as_deref()), (None, Some("0.1")));
    let other = built_for("@0.2.0").problem.unwrap();
    assert!(other.contains("built for etl:transform 0.2, this runner speaks 0.1"), "{other}");
}

#[test]
fn a_module_that_says_no_version_is_told_how() {
    let text = core(&format!("{SHARED} {PLAN} {TRANSFORM}"));
    assert!(text.contains("export a function `etl_transform_0_1`"), "{text}");
}

#[test]
fn names_from_a_module_are_escaped() {
    let text = core(&format!(r#"(import "env" "\1b[31m" (func)) {SHARED} {MARKER} {PLAN} {TRANSFORM}"#));
    assert!(text.contains("`\\u{1b}[31m` from `env`"), "{text}");
}

/// A component whose exports are lifted from functions that trap.
fn component(imports: &str, plan: &str, transform: &str) -> String {
    format!(
        r#"(component {imports}
            (core module $m (memory (export "memory") 1)
              (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
              (func (export "none")) (func (export "one") (result i32) unreachable))
            (core instance $i (instantiate $m))
            {plan} {transform})"#
    )
}

const IMPORTS_TYPES: &str =
    r#"(import "etl:transform/types@0.1.0" (instance (export "x" (type (sub resource)))))"#;

#[test]
fn a_component_that_wants_wasi_is_refused_by_name() {
    let modules = Modules::new();
    let imports = format!(
        r#"{IMPORTS_TYPES} (import "wasi:cli/environment@0.2.0"
            (instance (export "get" (func (result u32)))))"#
    );
    let path = modules.text("c", &component(&imports, "", ""));
    let text = refused(&path);
    assert!(
        text.contains("it imports `wasi:cli/environment@0.2.0`; a transform may import only `log`"),
        "{text}"
    );
    assert!(text.contains("--stub-wasi"), "{text}");
}

#[test]
fn a_component_without_the_contract_is_refused_with_what_it_has() {
    let modules = Modules::new();
    let lifted = r#"(func (export "run") (canon lift (core func $i "none")))"#;
    let text = refused(&modules.text("c", &component("", lifted, "")));
    assert!(text.contains("does not use etl:transform 0.1 (it has `run`)"), "{text}");
}

#[test]
fn a_component_of_another_contract_is_refused_with_both_versions() {
    let modules = Modules::new();
    let imports = IMPORTS_TYPES.replace("0.1.0", "0.3.1");
    let text = refused(&modules.text("c", &component(&imports, "", "")));
    assert!(text.contains("built for etl:transform 0.3, this runner speaks 0.1"), "{text}");
}

#[test]
fn a_component_with_a_wrong_function_is_shown_both_types() {
    let modules = Modules::new();
    let lifted =
        |name: &str| format!(r#"(func (export "{name}") (result u32) (canon lift (core func $i "one")))"#);
    let imports = IMPORTS_TYPES;
    let text = refused(&modules.text("c", &component(imports, &lifted("plan"), &lifted("transform"))));
    let expected = "its export `plan` is func() -> u32; the contract wants func(input: list<field>, options: list<setting>)";
    assert!(text.contains(expected), "{text}");
    let text = refused(&modules.text("d", &component(imports, &lifted("plan"), "")));
    assert!(text.contains("exports no function `transform`; it exports `plan`"), "{text}");
}

#[test]
fn a_module_that_is_not_valid_inside_is_refused() {
    let modules = Modules::new();
    let bad = format!(r#"(module {SHARED} {MARKER} {PLAN} {TRANSFORM} (func (result i32) (i64.const 1)))"#);
    let text = refused(&modules.text("bad", &bad));
    assert!(text.contains("type mismatch"), "{text}");
}

#[test]
fn inspection_tells_what_a_module_has_and_what_is_wrong_with_it() {
    let modules = Modules::new();
    let engine = engine();
    let good = inspect(&engine, &modules.guest("honest-echo")).unwrap();
    assert_eq!((good.kind, good.problem, good.contract.as_deref()), (Kind::CoreModule, None, Some("0.1")));
    assert_eq!(good.memory_bytes, Some(65536));
    assert!(good.exports.contains(&"plan (i32 i32 i32 i32) -> (i32)".to_owned()), "{:?}", good.exports);
    assert_eq!(good.sha256.len(), 64);
    let wasi = inspect(&engine, &modules.guest("honest-wasi")).unwrap();
    assert_eq!((wasi.kind, wasi.problem), (Kind::Wasi, None));
    let bad = inspect(&engine, &modules.text("bad", &format!("(module {MARKER})"))).unwrap();
    assert!(bad.problem.unwrap().contains("exports no function `plan`"));
    assert!(inspect(&engine, &modules.bytes("text", b"hello")).is_err());
}
