//! A CSV file, read in any pieces and from anywhere, is what a second parser makes of it at once. The first eight
//! bytes say how it is read.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};

static FILE: LazyLock<PathBuf> = LazyLock::new(etl_fuzz::file);

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((how, content)) = data.split_first_chunk() else { return Corpus::Reject };
    etl::source::fuzz::csv(&FILE, *how, content);
    Corpus::Keep
});
