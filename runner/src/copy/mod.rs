//! Stage `copy`: everything that speaks to the target. A stream loads splits, one after the other, as bounded
//! chunks; each chunk is committed together with its ledger row.
//!
//! Must not know: where rows come from and what happened to them before they became CSV bytes.

pub mod error;
pub mod message;

/// PostgreSQL and what speaks like it (placeholder).
pub mod postgres {
    use std::time::Duration;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::units::Span;

    /// Where and how to connect (placeholder).
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// Where to connect, in libpq's form.
        pub url: String,
        /// The longest that connecting may take.
        pub connect_timeout: Span,
        /// Where the ledger's tables are.
        pub schema: String,
    }

    impl Default for Settings {
        fn default() -> Self {
            Settings {
                url: String::new(),
                connect_timeout: Span(Duration::from_secs(10)),
                schema: "etl".into(),
            }
        }
    }
}

/// Files (placeholder).
pub mod files {
    use std::path::PathBuf;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// Where files go (placeholder).
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// The folder that the files are written to; `-` writes to standard output.
        pub dir: PathBuf,
    }
}
