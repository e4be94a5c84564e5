//! A row's key as the server sends it: cells of `[i32 length][bytes]`, -1 for null, the partition key first. Read
//! back from the ledger it is somebody's text, so everything is checked. Must not know types: a cell is bytes.

use scylla::routing::partitioner::{Murmur3Partitioner, Partitioner, PartitionerHasher};

use crate::position::Position;

/// What is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Bytes are missing.
    #[error("the key's bytes end within a cell")]
    Short,
    /// There are more cells, or something else.
    #[error("the key has {0} bytes behind its last cell")]
    Long(usize),
    /// A length below -1, or one that no key's cell has.
    #[error("a cell of the key is said to have {0} bytes")]
    Length(i32),
    /// Without it there is no row.
    #[error("a column of the partition key is null")]
    NullPartition,
    /// A row has all clustering columns, a partition of static columns only has none.
    #[error("some clustering columns are null, and some are not")]
    PartlyNull,
    /// The token is not the one that is said.
    #[error("the token of the partition key is {token}, not {said}")]
    Token {
        /// Of the key.
        token: i64,
        /// As it is stored.
        said: i64,
    },
    /// The token is in another split, or before rows that came.
    #[error("token {token} is not behind {start} and up to {end}, where it can be")]
    Outside {
        /// Of the key.
        token: i64,
        /// What is left of the split is behind this token.
        start: i64,
        /// The split's last token.
        end: i64,
    },
}

/// The tokens that the rows of a split may have. They come in order, so they never go back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    /// The least one that may come next.
    least: i64,
    end: i64,
}

impl Tokens {
    /// Behind `from` up to `end`; a position in a file has none.
    pub(super) fn new(from: &Position, end: i64) -> Tokens {
        let least = match from {
            Position::File { .. } => i64::MIN,
            Position::Token(start) => start.saturating_add(1),
            Position::Key { token, .. } => *token,
        };
        Tokens { least, end }
    }

    /// A row has come.
    pub(super) fn take(&mut self, token: i64) -> Result<(), BadKey> {
        if token < self.least || token > self.end {
            return Err(BadKey::Outside { token, start: self.least.saturating_sub(1), end: self.end });
        }
        self.least = token;
        Ok(())
    }
}

/// A row's key, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The columns of the partition key, none of them null.
    pub partition: Vec<&'a [u8]>,
    /// The clustering columns. None if they are null: the row stands for a partition without rows, of which only
    /// static columns are there. A table without clustering columns has an empty list.
    pub clustering: Option<Vec<&'a [u8]>>,
}

impl<'a> Key<'a> {
    /// Takes the cells of a key apart that has so many columns.
    pub fn parse(cells: &'a [u8], partition: usize, clustering: usize) -> Result<Key<'a>, BadKey> {
        let mut rest = cells;
        let mut next = |_| {
            let (cell, behind) = first_cell(rest)?;
            rest = behind;
            Ok(cell)
        };
        let partition: Vec<_> = (0..partition).map(&mut next).collect::<Result<_, _>>()?;
        let clustering: Vec<_> = (0..clustering).map(&mut next).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(BadKey::Long(rest.len()));
        }
        let partition: Option<Vec<_>> = partition.into_iter().collect();
        let all_null = !clustering.is_empty() && clustering.iter().all(Option::is_none);
        let clustering: Option<Vec<_>> = clustering.into_iter().collect();
        if clustering.is_none() && !all_null {
            return Err(BadKey::PartlyNull);
        }
        Ok(Key { partition: partition.ok_or(BadKey::NullPartition)?, clustering })
    }

    /// Where on the ring it is.
    pub fn token(&self) -> i64 {
        let mut hasher = Murmur3Partitioner.build_hasher();
        self.each_part(|part| hasher.write(part));
        hasher.finish().value()
    }

    /// The partition key as servers store it. Keys with one token are in the order of these bytes, unsigned.
    pub fn stored(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.each_part(|part| bytes.extend_from_slice(part));
        bytes
    }

    /// A single column is stored as it is, several each with its length before and a zero byte behind it.
    fn each_part(&self, mut part: impl FnMut(&[u8])) {
        if let [only] = self.partition[..] {
            return part(only);
        }
        for cell in &self.partition {
            // No cell is longer: `first_cell` sees to it.
            let len = u16::try_from(cell.len()).unwrap_or(u16::MAX);
            part(&len.to_be_bytes());
            part(cell);
            part(&[0]);
        }
    }
}

/// The token of the partition key whose cells these are, so many columns, and nothing else.
pub fn token(cells: &[u8], columns: usize) -> Result<i64, BadKey> {
    if columns != 1 {
        return Ok(Key::parse(cells, columns, 0)?.token());
    }
    // The usual case, without a list of cells.
    let (cell, rest) = first_cell(cells)?;
    if !rest.is_empty() {
        return Err(BadKey::Long(rest.len()));
    }
    let mut hasher = Murmur3Partitioner.build_hasher();
    hasher.write(cell.ok_or(BadKey::NullPartition)?);
    Ok(hasher.finish().value())
}

/// The cells in the form that [`Key::parse`] takes.
pub fn encode<'a>(cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        let len = cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap_or(i32::MAX));
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(cell.unwrap_or_default());
    }
    bytes
}

/// The first cell, and what is behind it. A key's cell has at most 65,535 bytes.
fn first_cell(cells: &[u8]) -> Result<(Option<&[u8]>, &[u8]), BadKey> {
    let (len, rest) = cells.split_first_chunk().ok_or(BadKey::Short)?;
    let len = i32::from_be_bytes(*len);
    if len == -1 {
        return Ok((None, rest));
    }
    let bytes = u16::try_from(len).map_err(|_| BadKey::Length(len))?;
    let (cell, rest) = rest.split_at_checked(usize::from(bytes)).ok_or(BadKey::Short)?;
    Ok((Some(cell), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(partition: &[&[u8]]) -> i64 {
        Key { partition: partition.to_vec(), clustering: Some(Vec::new()) }.token()
    }

    #[test]
    fn tokens_are_those_that_servers_compute() {
        // As published with drivers and servers.
        assert_eq!(token(&[b"test"]), -6017608668500074083);
        assert_eq!(token(&[b"xd"]), 4507812186440344727);
        assert_eq!(token(&["kremówki".as_bytes()]), 4354931215268080151);
        assert_eq!(token(&[&1_i32.to_be_bytes()]), -4069959284402364209);
        assert_eq!(token(&[&2_i32.to_be_bytes()]), -3248873570005575792);
    }

    #[test]
    fn a_token_needs_no_more_than_the_cells() {
        for cells in [vec![&b"test"[..]], vec![b"ab", b"c"]] {
            let bytes = encode(cells.iter().map(|cell| Some(*cell)));
            assert_eq!(super::token(&bytes, cells.len()), Ok(token(&cells)));
            assert!(super::token(&bytes, cells.len() + 1).is_err());
            assert!(super::token(&[&bytes[..], &[0]].concat(), cells.len()).is_err());
        }
    }

    #[test]
    fn a_key_of_several_columns_is_hashed_as_it_is_stored() {
        let cells = encode([Some(&b"ab"[..]), Some(b""), Some(b"c")]);
        let key = Key::parse(&cells, 3, 0).unwrap();
        assert_eq!(key.stored(), b"\0\x02ab\0\0\0\0\0\x01c\0");
        assert_eq!(key.token(), token(&[&key.stored()]));
    }

    #[test]
    fn a_partition_of_static_columns_only_has_null_clustering_columns() {
        let cells = encode([Some(&b"p"[..]), None, None]);
        assert_eq!(Key::parse(&cells, 1, 2).unwrap().clustering, None);
        assert_eq!(Key::parse(&encode([Some(&b"p"[..])]), 1, 0).unwrap().clustering, Some(Vec::new()));
    }

    #[test]
    fn what_is_no_key_is_refused_by_what_is_wrong_with_it() {
        let good = encode([Some(&b"key"[..]), Some(b"")]);
        assert_eq!(Key::parse(&good[..10], 1, 1), Err(BadKey::Short));
        assert_eq!(Key::parse(&good[..6], 1, 1), Err(BadKey::Short));
        assert_eq!(Key::parse(&good, 1, 0), Err(BadKey::Long(4)));
        assert_eq!(Key::parse(&good, 1, 2), Err(BadKey::Short));
        assert_eq!(Key::parse(&encode([None]), 1, 0), Err(BadKey::NullPartition));
        assert_eq!(Key::parse(&encode([Some(&b"p"[..]), None, Some(b"c")]), 1, 2), Err(BadKey::PartlyNull));
        assert_eq!(Key::parse(&(-2_i32).to_be_bytes(), 1, 0), Err(BadKey::Length(-2)));
        assert_eq!(Key::parse(&encode([Some(&[0; 65_536][..])]), 1, 0), Err(BadKey::Length(65_536)));
        assert!(Key::parse(&encode([Some(&[0; 65_535][..])]), 1, 0).is_ok());
    }

    proptest! {
        #[test]
        fn a_key_is_read_back_from_its_cells(cells in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6), clustering in 0..5_usize) {
            let partition = cells.len().saturating_sub(clustering).max(1);
            let bytes = encode(cells.iter().map(|cell| Some(&cell[..])));
            let key = Key::parse(&bytes, partition, cells.len() - partition).unwrap();
            let read: Vec<_> = key.partition.iter().chain(key.clustering.iter().flatten()).copied().collect();
            prop_assert_eq!(read, cells.iter().map(|cell| &cell[..]).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_a_key_or_refused(bytes in prop::collection::vec(prop_oneof![3 => 0..3_u8, 1 => any::<u8>()], 0..40), partition in 1..4_usize, clustering in 0..4_usize) {
            if let Ok(key) = Key::parse(&bytes, partition, clustering) {
                let partition = key.partition.iter().copied().map(Some);
                let clustering = key.clustering.map_or(vec![None; clustering], |cells| cells.into_iter().map(Some).collect());
                prop_assert_eq!(encode(partition.chain(clustering)), bytes);
            }
        }
    }

    #[test]
    fn tokens_of_a_split_never_go_back_and_never_leave_it() {
        let mut tokens = Tokens::new(&Position::Token(5), 9);
        assert_eq!(tokens.take(5), Err(BadKey::Outside { token: 5, start: 5, end: 9 }));
        assert!(tokens.take(7).is_ok() && tokens.take(7).is_ok());
        assert_eq!(tokens.take(6), Err(BadKey::Outside { token: 6, start: 6, end: 9 }));
        assert!(tokens.take(9).is_ok() && tokens.take(10).is_err());
        let mut tokens = Tokens::new(&Position::Key { token: 5, cells: [].into() }, i64::MAX);
        assert!(tokens.take(4).is_err() && tokens.take(5).is_ok() && tokens.take(i64::MAX).is_ok());
        let mut ring = Tokens::new(&Position::Token(i64::MIN), i64::MAX);
        assert!(ring.take(i64::MIN + 1).is_ok());
    }
}
