//! Every dependency has a licence that `deny.toml` allows, and comes from the registry. Works without a network.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The entries of `licenses.allow` in `deny.toml`.
fn allowed() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml");
    let list =
        text.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("an allow list");
    list.split(',')
        .map(|name| name.trim().trim_matches('"').to_string())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether an SPDX expression (also the old form with `/`) can be met with allowed licences alone.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    // AND binds tighter than OR; where brackets say otherwise, reading them away is the stricter reading here.
    expression.split(" OR ").any(|option| {
        option.split(" AND ").all(|name| {
            allowed
                .iter()
                .any(|allowed| allowed == name.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
        })
    })
}

/// Those of both workspaces: the runner's and the fuzz targets'.
fn packages() -> Vec<Value> {
    ["Cargo.toml", "fuzz/Cargo.toml"].into_iter().flat_map(packages_of).collect()
}

fn packages_of(manifest: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path", manifest])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    let packages = packages();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_met(package["license"].as_str().unwrap_or("none"), &allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml:\n  {}", refused.join("\n  "));
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let foreign: Vec<String> = packages()
        .iter()
        .filter_map(|package| package["source"].as_str())
        .filter(|source| !source.starts_with("registry+"))
        .map(String::from)
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn an_expression_is_met_by_one_of_its_options_and_all_parts_of_it() {
    let allowed = ["MIT".to_string(), "ISC".to_string()];
    for met in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND ISC"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "none", "MITX"] {
        assert!(!is_met(refused, &allowed), "{refused}");
    }
}
