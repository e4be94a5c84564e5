//! libpq's environment variables, as a value: tests and embedders pass their own, nothing else in the stage
//! reads the process's environment.

use std::collections::BTreeMap;
use std::fmt;

/// The variables that matter to a connection: `PG*`, `HOME` (for `~/.pgpass`), `USER` and `LOGNAME`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn of_the_process() -> Environment {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Environment {
        let matters = |name: &str| name.starts_with("PG") || ["HOME", "USER", "LOGNAME"].contains(&name);
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment { variables: pairs.filter(|(name, _)| matters(name)).collect() }
    }
}

/// Names only: a value may be a password.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_variables_of_a_connection_are_kept_and_no_value_is_shown() {
        let environment: Environment =
            [("PGPASSWORD", "hush"), ("HOME", "/h"), ("SECRET", "x"), ("PGUSER", "")].into_iter().collect();
        assert_eq!(environment.get("PGPASSWORD"), Some("hush"));
        assert_eq!(environment.get("SECRET"), None);
        assert_eq!(environment.get("PGUSER"), None);
        assert!(!format!("{environment:?}").contains("hush"));
    }
}
