//! Stage `source`.

/// CSV files (placeholder).
pub mod csv {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::units::ByteSize;

    /// How the files are written (placeholder).
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        /// The byte between two cells.
        pub delimiter: char,
        /// Words that mean NULL when they are not quoted, besides the empty cell.
        pub null: Vec<String>,
        /// The longest record.
        pub max_row_bytes: ByteSize,
    }

    impl Default for Settings {
        fn default() -> Self {
            Settings { delimiter: ',', null: Vec::new(), max_row_bytes: ByteSize(16 << 20) }
        }
    }
}
