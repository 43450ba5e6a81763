//! Keys of a cloud's API: `[venues.NAME.credentials]`, or the variables that the provider's own tools read.

use super::secret::Secret;
use crate::reader::{Kind, Section};

/// A key pair, with the token of temporary ones.
#[derive(Clone, Debug)]
pub struct CloudKeys {
    /// Its id, which is no secret but is not shown either.
    pub id: Secret,
    /// Its secret.
    pub secret: Secret,
    /// The token of temporary keys.
    pub token: Option<Secret>,
}

/// What the parts are called: in the file, and in the environment.
pub(super) struct Names {
    pub(super) id: (&'static str, &'static str),
    pub(super) secret: (&'static str, &'static str),
    pub(super) token: (&'static str, &'static str),
}

/// The keys of the section's `credentials`, or those of the environment; `None` when there are neither, or when they are
/// mistaken, which is told.
pub(super) fn read(section: &mut Section<'_, '_>, names: &Names) -> Option<CloudKeys> {
    if let Some(credentials) = section.child("credentials") {
        let mut credentials = credentials.secret();
        let env = credentials.reader.env;
        let value = |text: &str| Secret::read(text, env);
        let id = credentials.required(names.id.0, &[Kind::String], value);
        let secret = credentials.required(names.secret.0, &[Kind::String], value);
        let token = credentials.given(names.token.0, &[Kind::String], value);
        return Some(CloudKeys { id: id?, secret: secret?, token });
    }
    let env = section.reader.env;
    let given = |name| env.get(name).and_then(|text| Secret::read(text, env).ok());
    Some(CloudKeys { id: given(names.id.1)?, secret: given(names.secret.1)?, token: given(names.token.1) })
}
