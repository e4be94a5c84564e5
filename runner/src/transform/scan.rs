//! What is in a module's bytes: kind, imports, exports, contract version. Parses, decides nothing about fitness.
//! Must not know: wasmtime.

use std::collections::BTreeMap;

use wasmparser::{ExternalKind, FuncType, KnownCustom, Parser, Payload, TypeRef, ValType};

use crate::untrusted;

/// What the marker function of a plain core module begins with; `0_1` follows.
pub(super) const MARKER: &str = "etl_transform_";

/// A version of the contract: the parts that must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Something that a module wants from outside.
#[derive(Debug)]
pub(super) struct Import {
    /// The module or interface, e.g. `env`, `wasi:cli/stdout@0.2.0`.
    pub(super) from: String,
    /// The item; empty for an import of a component, which is a whole interface.
    pub(super) name: String,
    /// A function's type, or what else it is.
    pub(super) ty: String,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) component: bool,
    pub(super) imports: Vec<Import>,
    /// Exported functions: name → type. A component's have none here.
    pub(super) functions: BTreeMap<String, String>,
    /// Other exports, e.g. `memory`.
    pub(super) others: Vec<String>,
    /// Whether a toolchain left the WIT world in the module.
    pub(super) metadata: bool,
    pub(super) version: Option<Version>,
    /// First and largest size of its own memory, in bytes.
    pub(super) memory: Option<(u64, Option<u64>)>,
    /// What built it: field, tool, version.
    pub(super) producers: Vec<(String, String, String)>,
    types: Vec<String>,
    function_types: Vec<u32>,
}

/// Says what the bytes are, if they are no WebAssembly.
fn sniff(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"\0asm") {
        return match bytes.get(4..8) {
            Some([1, 0, 0, 0] | [_, 0, 1, 0]) => Ok(()),
            Some(_) => Err("it is WebAssembly of a version that this runner does not know".into()),
            None => Err("it is truncated: WebAssembly's header has 8 bytes".into()),
        };
    }
    let text = start_of_text(&bytes[..bytes.len().min(4096)]);
    let code = text
        .and_then(|text| text.lines().map(str::trim_start).find(|l| !l.is_empty() && !l.starts_with(";;")));
    Err(match (text, code) {
        (Some(_), None) => "the file is empty".into(),
        (Some(_), Some(code)) if code.starts_with("(module") || code.starts_with("(component") => {
            "it is WebAssembly in its text form; assemble it first, e.g. `wat2wasm x.wat -o x.wasm`".into()
        }
        (Some(_), Some(_)) => "it is a text file; did you mean to compile it?".into(),
        (None, _) if bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ") => {
            "it is a native program or library; build it for a wasm32 target".into()
        }
        (None, _) => "it is not WebAssembly (a module starts with the bytes 00 61 73 6d)".into(),
    })
}

/// The bytes as text, if they are some: UTF-8 that may end inside a character, without control characters.
fn start_of_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&bytes[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let control = |c: char| c.is_control() && !c.is_whitespace();
    if text.contains(control) { None } else { Some(text) }
}

/// Reads a module's or a component's outer sections.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, String> {
    sniff(bytes)?;
    let mut scan = Scan { component: Parser::is_component(bytes), ..Scan::default() };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| damaged(&e))?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth == 0 => scan.section(payload).map_err(|e| damaged(&e))?,
            _ => {}
        }
    }
    scan.find_version()?;
    Ok(scan)
}

fn damaged(error: &wasmparser::BinaryReaderError) -> String {
    let message = untrusted::shown(error.message(), untrusted::MAX_MESSAGE_BYTES);
    if message.contains("unexpected end") {
        return format!("it is truncated: {message} at byte {}", error.offset());
    }
    format!("it is damaged: {message} at byte {}", error.offset())
}

impl Scan {
    fn section(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    self.types.push(function_type(&ty?));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.function_types.push(ty?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    let bytes = |pages: u64| pages.saturating_mul(64 << 10);
                    self.memory.get_or_insert((bytes(memory.initial), memory.maximum.map(bytes)));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        let index = self.function_types.get(export.index as usize).copied();
                        self.functions.insert(export.name.into(), self.type_at(index));
                    } else {
                        self.others.push(export.name.into());
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    let ty = format!("{:?}", import.ty.kind()).to_lowercase();
                    self.imports.push(Import { from: import.name.name.into(), name: String::new(), ty });
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    let name: String = export.name.name.into();
                    match export.kind {
                        wasmparser::ComponentExternalKind::Func => {
                            self.functions.insert(name, String::new());
                        }
                        _ => self.others.push(name),
                    }
                }
            }
            Payload::CustomSection(section) => self.custom(&section)?,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>) {
        let ty = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.function_types.push(index);
                self.type_at(Some(index))
            }
            TypeRef::Table(_) => "a table".into(),
            TypeRef::Memory(_) => "a memory".into(),
            TypeRef::Global(_) => "a global".into(),
            TypeRef::Tag(_) => "a tag".into(),
        };
        self.imports.push(Import { from: import.module.into(), name: import.name.into(), ty });
    }

    fn custom(&mut self, section: &wasmparser::CustomSectionReader<'_>) -> wasmparser::Result<()> {
        self.metadata |= section.name().starts_with("component-type");
        if let KnownCustom::Producers(fields) = section.as_known() {
            for field in fields.into_iter().take(10) {
                let field = field?;
                for value in field.values.into_iter().take(20) {
                    let value = value?;
                    let [field, tool, version] = [field.name, value.name, value.version].map(untrusted::name);
                    self.producers.push((field, tool, version));
                }
            }
        }
        Ok(())
    }

    fn type_at(&self, index: Option<u32>) -> String {
        let ty = index.and_then(|index| self.types.get(index as usize));
        ty.cloned().unwrap_or_else(|| "of an unknown type".into())
    }

    /// The contract's version as imports, exports or a marker function say it.
    fn find_version(&mut self) -> Result<(), String> {
        let names = self.imports.iter().map(|i| i.from.as_str());
        let names = names.chain(self.functions.keys().map(String::as_str));
        let names = names.chain(self.others.iter().map(String::as_str));
        for name in names {
            let Some(version) = version_in(name) else { continue };
            let version = version.ok_or_else(|| {
                format!(
                    "it names a version of etl:transform that cannot be read: `{}`",
                    untrusted::name(name)
                )
            })?;
            if self.version.is_some_and(|other| other != version) {
                return Err(format!(
                    "it mixes etl:transform {} and {version}",
                    self.version.unwrap_or(version)
                ));
            }
            self.version = Some(version);
        }
        Ok(())
    }
}

/// The version in `etl:transform/types@0.1.0` or `etl_transform_0_1`: none, unreadable, or which.
fn version_in(name: &str) -> Option<Option<Version>> {
    if let Some(rest) = name.strip_prefix(MARKER) {
        let (major, minor) = rest.split_once('_')?;
        return Some(version(major, minor));
    }
    let (_, number) = name.strip_prefix("etl:transform/")?.split_once('@')?;
    let mut parts = number.split('.');
    Some(version(parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
}

fn version(major: &str, minor: &str) -> Option<Version> {
    Some(Version { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

fn function_type(ty: &FuncType) -> String {
    let names = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("({}) -> ({})", names(ty.params()), names(ty.results()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wasm_is_said() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "the file is empty"),
            (b"\n  \n", "the file is empty"),
            (b"fn main() {}", "a text file; did you mean to compile it?"),
            ("// ünïcode".as_bytes(), "a text file; did you mean to compile it?"),
            (b" ;; a module\n(module)", "text form; assemble it"),
            (b"\x7fELF\x02\x01\x01\0", "a native program"),
            (b"\x89PNG\r\n\x1a\n\0", "not WebAssembly"),
            (b"\0asm", "truncated"),
            (b"\0asm\x07\0\0\0", "a version that this runner does not know"),
        ];
        for (bytes, expected) in cases {
            let error = scan(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_truncation_of_a_module_is_an_error_or_a_smaller_module() {
        let wat = r#"(module (func (export "plan") (param i32) (result i32) (i32.const 0)) (memory (export "m") 1 3))"#;
        let bytes = wat::parse_str(wat).unwrap();
        let scanned = scan(&bytes).unwrap();
        assert_eq!(scanned.functions["plan"], "(i32) -> (i32)");
        assert_eq!(scanned.memory, Some((65536, Some(3 * 65536))));
        let refused = (1..bytes.len()).filter(|end| scan(&bytes[..*end]).is_err()).count();
        assert!(refused > bytes.len() / 2, "{refused} of {}", bytes.len());
    }

    #[test]
    fn the_version_is_found_in_imports_and_markers() {
        let of = |wat: &str| scan(&wat::parse_str(wat).unwrap());
        let marked = of(r#"(module (func (export "etl_transform_0_2")))"#).unwrap();
        assert_eq!(marked.version, Some(Version { major: 0, minor: 2 }));
        let importing =
            of(r#"(module (import "etl:transform/host@0.1.7" "log" (func (param i32 i32 i32))))"#).unwrap();
        assert_eq!(importing.version, Some(Version { major: 0, minor: 1 }));
        let both = of(
            r#"(module (import "etl:transform/host@0.1.0" "log" (func)) (func (export "etl_transform_0_2")))"#,
        );
        assert!(both.unwrap_err().contains("mixes etl:transform 0.1 and 0.2"));
        assert_eq!(of("(module)").unwrap().version, None);
    }
}
