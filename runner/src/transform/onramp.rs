//! Turns whatever a toolchain made into a component, or says by name why it cannot be one.
//! Must not know: wasmtime. What a component's functions look like inside is checked in `module`, once it is compiled.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::scan::{Import, MARKER, Scan, Version};
use super::wasi;
use crate::untrusted;

/// The contract, as authors see it.
pub(super) const WIT: &str = include_str!("../../../sdk/wit/transform.wit");
/// The version that this runner speaks. Before 1.0 every minor version is another contract.
pub(super) const CONTRACT: Version = Version { major: 0, minor: 1 };

const HOST: &str = "etl:transform/host@";
const TYPES: &str = "etl:transform/types@";
/// How `scan` names the import of a type, which asks the host for nothing.
const TYPE: &str = "type";
const LOG: &str = "(i32 i32 i32) -> ()";

/// The exports of a plain core module: name, type, whether it must be there.
const EXPORTS: [(&str, &str, bool); 5] = [
    ("plan", "(i32 i32 i32 i32) -> (i32)", true),
    ("transform", "(i32 i32 i32) -> (i32)", true),
    ("cabi_realloc", "(i32 i32 i32 i32) -> (i32)", true),
    ("cabi_post_plan", "(i32) -> ()", false),
    ("cabi_post_transform", "(i32) -> ()", false),
];

/// The component in `bytes`, or made from the core module in `bytes`.
pub(super) fn to_component(bytes: &[u8], scan: &Scan) -> Result<Vec<u8>, String> {
    check_version(scan, bytes)?;
    for import in &scan.imports {
        check_import(scan, import)?;
    }
    if scan.component {
        for name in ["plan", "transform"] {
            if !scan.functions.contains_key(name) {
                return Err(missing(scan, name));
            }
        }
        return Ok(bytes.to_vec());
    }
    check_exports(scan)?;
    let problem = |error: &dyn std::fmt::Display| {
        let text = untrusted::shown(&format!("{error:#}"), untrusted::MAX_MESSAGE_BYTES);
        format!("it does not fit the contract: {text}")
    };
    let mut module = bytes.to_vec();
    if !scan.metadata {
        embed(&mut module, WIT, "transform").map_err(|e| problem(&e))?;
    }
    encode(&module, scan).map_err(|e| problem(&e))
}

/// Whether a core module was built for WASI preview 1.
pub(super) fn is_wasi(scan: &Scan) -> bool {
    !scan.component && scan.imports.iter().any(|i| i.from == wasi::PREVIEW1)
}

/// Puts a world's description into a core module, as wit-component wants it.
pub(super) fn embed(module: &mut Vec<u8>, wit: &str, world: &str) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("embedded.wit", wit).map_err(|e| format!("{e:#}"))?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|e| format!("{e:#}"))?;
    wit_component::embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|e| format!("{e:#}"))
}

fn encode(module: &[u8], scan: &Scan) -> Result<Vec<u8>, String> {
    let chain = |error: &dyn std::fmt::Display| format!("{error:#}");
    // wasmtime validates what it compiles; twice would double the time to load a large module from the cache.
    let mut encoder = ComponentEncoder::default();
    encoder.validate(false);
    encoder.module(module).map_err(|e| chain(&e))?;
    if is_wasi(scan) {
        encoder.adapter(wasi::PREVIEW1, &wasi::adapter()?).map_err(|e| chain(&e))?;
    }
    encoder.encode().map_err(|e| chain(&e))
}

/// wasmtime does not notice a module of another contract, so we look.
fn check_version(scan: &Scan, bytes: &[u8]) -> Result<(), String> {
    let version = match scan.version {
        Some(version) => Some(version),
        None if scan.metadata && !scan.component => version_in_metadata(bytes)?,
        None => None,
    };
    match version {
        Some(CONTRACT) => Ok(()),
        Some(other) => Err(format!(
            "it was built for etl:transform {other}, this runner speaks {CONTRACT}; rebuild it with the SDK of this release"
        )),
        None if scan.component => {
            let names = scan.imports.iter().map(|i| i.from.as_str());
            let names = names.chain(scan.functions.keys().map(String::as_str));
            Err(format!(
                "it is a component that does not use etl:transform {CONTRACT} (it has {})",
                untrusted::names(names)
            ))
        }
        None => Err(format!(
            "it does not say which contract it was built for: export a function `{MARKER}{}_{}`",
            CONTRACT.major, CONTRACT.minor
        )),
    }
}

/// The version in what wit-bindgen left in a core module.
fn version_in_metadata(bytes: &[u8]) -> Result<Option<Version>, String> {
    let (_, found) = wit_component::metadata::decode(bytes).map_err(|e| {
        format!("its component-type section cannot be read: {}", untrusted::name(&format!("{e:#}")))
    })?;
    let ours = |p: &&wit_parser::Package| p.name.namespace == "etl" && p.name.name == "transform";
    let package = found.resolve.packages.iter().map(|(_, p)| p).find(ours);
    let version = package.and_then(|p| p.name.version.as_ref());
    Ok(version.map(|v| Version { major: v.major, minor: v.minor }))
}

/// A module may import `log`; a core module also what WASI preview 1 has, which the adapter answers.
fn check_import(scan: &Scan, import: &Import) -> Result<(), String> {
    let Import { from, name, ty } = import;
    if scan.component {
        // A world that uses the contract's types imports each of them once more under its plain name.
        let ours = from.starts_with(HOST) || from.starts_with(TYPES) || ty == TYPE;
        let hint = if from.starts_with("wasi:") {
            "; build it without WASI (componentize-py: --stub-wasi; jco: --disable all; Rust: wasm32-unknown-unknown)"
        } else {
            ""
        };
        let refused =
            || format!("it imports `{}`; a transform may import only `log`{hint}", untrusted::name(from));
        return if ours { Ok(()) } else { Err(refused()) };
    }
    let shown = || format!("`{}` from `{}`", untrusted::name(name), untrusted::name(from));
    if from.starts_with(HOST) && name == "log" {
        let wrong = || format!("it imports {} as {ty}; the contract has {LOG}", shown());
        return if ty == LOG { Ok(()) } else { Err(wrong()) };
    }
    if from == wasi::PREVIEW1 {
        return match wasi::type_of(name) {
            Some(known) if known == *ty => Ok(()),
            Some(known) => Err(format!("it imports {} as {ty}; WASI preview 1 has {known}", shown())),
            None => Err(format!("it imports {}, which WASI preview 1 does not have", shown())),
        };
    }
    Err(format!(
        "it imports {} ({ty}); a transform may import only `log` (and WASI preview 1, which is stubbed)",
        shown()
    ))
}

fn missing(scan: &Scan, name: &str) -> String {
    let exports = scan.functions.keys().chain(&scan.others).map(String::as_str);
    format!("it exports no function `{name}`; it exports {}", untrusted::names(exports))
}

fn check_exports(scan: &Scan) -> Result<(), String> {
    for (name, wanted, needed) in EXPORTS {
        match scan.functions.get(name) {
            None if needed => return Err(missing(scan, name)),
            Some(found) if found != wanted => {
                let found = untrusted::shown(found, untrusted::MAX_MESSAGE_BYTES);
                return Err(format!("its export `{name}` is {found}; the contract wants {wanted}"));
            }
            _ => {}
        }
    }
    if !scan.others.iter().any(|n| n == "memory") {
        return Err("it exports no memory named `memory`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_file_has_the_version_that_the_runner_speaks() {
        assert!(WIT.starts_with(&format!("package etl:transform@{CONTRACT}.")));
    }
}
