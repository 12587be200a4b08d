//! The variables by which a master tells a worker who it is and where to connect.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `DROVER_SOCKET` | path of the master's Unix socket; without it the worker is standalone |
//! | `DROVER_TOKEN` | the secret that says which worker this is |
//! | `DROVER_APP` | name of the app |
//! | `DROVER_SLOT` | place of the worker, from 0 |
//! | `DROVER_GENERATION` | rises with each reload |
//! | `DROVER_WORKER_ID` | unique for the life of the master |
//!
//! An empty variable counts as an absent one.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::error::EnvironmentError;

/// The variables of this process that Drover gave it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// `DROVER_SOCKET`.
    pub socket: Option<PathBuf>,
    /// `DROVER_TOKEN`. A secret: never print it.
    pub token: Option<String>,
    /// `DROVER_APP`.
    pub app: Option<String>,
    /// `DROVER_SLOT`.
    pub slot: Option<u32>,
    /// `DROVER_GENERATION`.
    pub generation: Option<u64>,
    /// `DROVER_WORKER_ID`.
    pub worker_id: Option<u64>,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] if a variable is there but unusable: whoever started the process is to blame.
    pub fn read() -> Result<Self, EnvironmentError> {
        Self::parse(|name| std::env::var_os(name))
    }

    /// Reads an environment through a lookup by name.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use drover_worker::environment::Environment;
    ///
    /// let environment = Environment::parse(|name| (name == "DROVER_SLOT").then(|| "3".into()))?;
    /// assert_eq!(environment.slot, Some(3));
    /// assert_eq!(environment.socket, None);
    /// # Ok::<(), drover_worker::EnvironmentError>(())
    /// ```
    pub fn parse(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let present = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let text = |variable: &'static str| {
            present(variable)
                .map(|value| value.into_string().map_err(|_| EnvironmentError::NotUnicode { variable }))
                .transpose()
        };
        Ok(Self {
            socket: present("DROVER_SOCKET").map(PathBuf::from),
            token: text("DROVER_TOKEN")?,
            app: text("DROVER_APP")?,
            slot: number("DROVER_SLOT", text("DROVER_SLOT")?)?,
            generation: number("DROVER_GENERATION", text("DROVER_GENERATION")?)?,
            worker_id: number("DROVER_WORKER_ID", text("DROVER_WORKER_ID")?)?,
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("socket", &self.socket)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("app", &self.app)
            .field("slot", &self.slot)
            .field("generation", &self.generation)
            .field("worker_id", &self.worker_id)
            .finish()
    }
}

fn number<N>(variable: &'static str, value: Option<String>) -> Result<Option<N>, EnvironmentError>
where
    N: std::str::FromStr<Err = std::num::ParseIntError>,
{
    let Some(value) = value else { return Ok(None) };
    value.parse().map(Some).map_err(|source| EnvironmentError::NotANumber { variable, value, source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        Environment::parse(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn every_variable_is_read() {
        let environment = parse(&[
            ("DROVER_SOCKET", "/run/drover/web.sock"),
            ("DROVER_TOKEN", "secret"),
            ("DROVER_APP", "web"),
            ("DROVER_SLOT", "3"),
            ("DROVER_GENERATION", "2"),
            ("DROVER_WORKER_ID", "18446744073709551615"),
        ])
        .unwrap();
        let expected = Environment {
            socket: Some("/run/drover/web.sock".into()),
            token: Some("secret".into()),
            app: Some("web".into()),
            slot: Some(3),
            generation: Some(2),
            worker_id: Some(u64::MAX),
        };
        assert_eq!(environment, expected);
    }

    #[test]
    fn absent_and_empty_variables_are_nothing() {
        assert_eq!(parse(&[]).unwrap(), Environment::default());
        assert_eq!(parse(&[("DROVER_SOCKET", ""), ("DROVER_SLOT", "")]).unwrap(), Environment::default());
    }

    #[test]
    fn an_unusable_number_is_named_with_its_variable() {
        for (variable, value) in
            [("DROVER_SLOT", "-1"), ("DROVER_GENERATION", "two"), ("DROVER_WORKER_ID", "1.5")]
        {
            let error = parse(&[(variable, value)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{variable} is {value:?}, which is not a whole number from 0")
            );
        }
    }

    #[test]
    fn a_token_that_is_no_text_is_refused_without_being_shown() {
        let error = Environment::parse(|name| {
            (name == "DROVER_TOKEN").then(|| OsString::from_vec(vec![b's', b'e', 0xff]))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "DROVER_TOKEN is not valid UTF-8");
    }

    #[test]
    fn the_token_is_never_printed() {
        let environment = parse(&[("DROVER_TOKEN", "hush")]).unwrap();
        assert!(!format!("{environment:?}").contains("hush"));
    }
}
