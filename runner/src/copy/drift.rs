//! What a run was made from, part by part, and what differs. Must not know what the parts mean, nor where they are
//! kept.

use sha2::{Digest, Sha256};

use crate::copy::error::Error;
use crate::copy::state::RunKey;

/// A setting that shapes rows, e.g. `transforms[1].module flights.wasm` and `sha256 12ab…`. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// Which setting.
    pub name: String,
    /// Its value, readable.
    pub value: String,
}

impl Part {
    /// A column of the target that rows fill, with its type.
    pub fn column(name: &str, shape: String) -> Part {
        Part { name: format!("{COLUMN}{name}`"), value: shape }
    }
}

const COLUMN: &str = "column `";

/// The parts that a load which began with `before` is compared with: ledgers of format 1 took no note of columns.
pub(in crate::copy) fn compared(before: &[Part], now: &[Part]) -> Vec<Part> {
    let is_column = |part: &&Part| part.name.starts_with(COLUMN);
    let knows_columns = before.iter().any(|part| is_column(&part));
    now.iter().filter(|part| knows_columns || !is_column(part)).cloned().collect()
}

/// Over lengths and texts, so that no two lists of parts look alike.
pub(in crate::copy) fn hash(parts: &[Part]) -> String {
    let mut hasher = Sha256::new();
    for text in parts.iter().flat_map(|part| [&part.name, &part.value]) {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A sentence for each part that is not the same.
pub(in crate::copy) fn differing(before: &[Part], now: &[Part]) -> Vec<String> {
    let find = |parts: &[Part], name: &str| {
        parts.iter().find(|part| part.name == name).map(|part| shortened(&part.value))
    };
    let mut lines = Vec::new();
    for part in before {
        let (name, old) = (&part.name, shortened(&part.value));
        match now.iter().find(|other| other.name == *name) {
            None => lines.push(format!("{name} removed (was {old})")),
            Some(other) if other.value != part.value => {
                lines.push(format!("{name} changed ({old} → {})", shortened(&other.value)));
            }
            Some(_) => {}
        }
    }
    for part in now.iter().filter(|part| find(before, &part.name).is_none()) {
        lines.push(format!("{} added ({})", part.name, shortened(&part.value)));
    }
    if lines.is_empty() {
        lines.push("the order of the settings changed".into());
    }
    lines
}

/// Refuses to continue a run with settings other than it was started with.
pub(in crate::copy) fn refuse_drift(key: &RunKey, before: &[Part], now: &[Part]) -> Result<(), Error> {
    if before == now { Ok(()) } else { no_differences(key, &differing(before, now)) }
}

/// An error unless there are none.
pub(in crate::copy) fn no_differences(key: &RunKey, differences: &[String]) -> Result<(), Error> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Drift(format!(
        "run `{}` into {} cannot continue, it was started with something else:\n  {}\n\
         go back to what it was, or load everything again with --fresh",
        key.name,
        key.target,
        differences.join("\n  ")
    )))
}

/// A value for a message.
fn shortened(value: &str) -> String {
    const MOST: usize = 100;
    if value.chars().count() <= MOST {
        value.into()
    } else {
        value.chars().take(MOST).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(list: &[(&str, &str)]) -> Vec<Part> {
        list.iter().map(|(name, value)| Part { name: (*name).into(), value: (*value).into() }).collect()
    }

    #[test]
    fn columns_are_compared_where_they_were_taken_note_of() {
        let part = |name: &str| Part { name: name.into(), value: "x".into() };
        let now = [part("types"), Part::column("id", "int4".into())];
        assert_eq!(compared(&[part("types")], &now), now[..1]);
        assert_eq!(compared(&[part("types"), Part::column("other", "text".into())], &now), now);
        assert_eq!(compared(&[], &now[..1]), now[..1]);
    }

    #[test]
    fn each_differing_part_is_named() {
        let before = parts(&[("dialect", "a"), ("types", "b"), ("module", "sha256 1")]);
        let now = parts(&[("dialect", "a"), ("module", "sha256 2"), ("where", "x")]);
        assert_eq!(
            differing(&before, &now),
            ["types removed (was b)", "module changed (sha256 1 → sha256 2)", "where added (x)"]
        );
        assert!(differing(&before, &before[..2].iter().rev().cloned().collect::<Vec<_>>()).len() == 1);
    }

    #[test]
    fn no_two_lists_of_parts_have_the_same_hash() {
        assert_ne!(hash(&parts(&[("ab", "c")])), hash(&parts(&[("a", "bc")])));
        assert_ne!(hash(&parts(&[("a", "b"), ("c", "d")])), hash(&parts(&[("c", "d"), ("a", "b")])));
        assert_eq!(hash(&parts(&[("a", "b")])), hash(&parts(&[("a", "b")])));
        assert_eq!(hash(&[]).len(), 64);
    }

    #[test]
    fn a_long_value_is_cut_in_messages() {
        assert_eq!(shortened(&"ä".repeat(101)).chars().count(), 101);
        assert!(shortened(&"ä".repeat(101)).ends_with('…'));
        assert_eq!(shortened("ä"), "ä");
    }
}
