//! Standard output of commands.
//!
//! Must not know: what is said on it.

use std::io::{self, ErrorKind, Write};

use crate::failure::Failure;

/// Writes all of `text`. A reader that went away has seen what it wanted; that nothing can be written any more, as on a
/// full disk, is a failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = unless_gone(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    written.map_err(|source| Failure::Output { what: "standard output".into(), source })
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_went_away_is_no_failure() {
        assert!(unless_gone(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_gone(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
