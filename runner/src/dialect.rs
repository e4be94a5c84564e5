//! How a CSV file is written: what source and split must agree on.

/// The bytes with a meaning in a CSV file. Records end at `\n`, `\r` or `\r\n` outside quotes, as in `csv-core`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// Between two cells.
    pub delimiter: u8,
    /// Around a cell that holds a delimiter, a quote or a line end. `None`: quotes have no meaning.
    pub quote: Option<u8>,
    /// In front of a quote or of itself inside a quoted cell; in front of anything else it is data. `None`: only a doubled
    /// quote stands for one.
    pub escape: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect { delimiter: b',', quote: Some(b'"'), escape: None }
    }
}
