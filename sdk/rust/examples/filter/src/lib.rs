//! Keeps the rows whose `id` is even, or odd: a filter returns an `Option`.

use etl_sdk::{Input, Reject, Unchanged};

#[derive(Input)]
struct Row {
    id: i64,
}

/// `options = { keep = "odd" }`
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Options {
    keep: Keep,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keep {
    #[default]
    Even,
    Odd,
}

#[etl_sdk::transform]
fn filter(row: Row, options: &Options) -> Result<Option<Unchanged>, Reject> {
    let wanted = match options.keep {
        Keep::Even => row.id % 2 == 0,
        Keep::Odd => row.id % 2 != 0,
    };
    Ok(wanted.then_some(Unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_ids_stay_unless_the_odd_ones_are_wanted() {
        let stays = |id, keep| filter(Row { id }, &Options { keep }).unwrap().is_some();
        for (id, even) in [(0, true), (1, false), (-1, false), (i64::MIN, true)] {
            assert_eq!((stays(id, Keep::Even), stays(id, Keep::Odd)), (even, !even));
        }
    }
}
