//! What a cloud that speaks Google's protocols needs beside what every cloud has.

/// A project in a region of Google Cloud.
#[derive(Clone, Debug)]
pub struct GoogleProject {
    /// The project's id.
    pub project: String,
    /// The region its services are in.
    pub region: String,
    /// Who may invoke. The metadata server speaks for the first.
    pub service_accounts: Vec<ServiceAccount>,
    /// Audiences that every service takes besides its own URL.
    pub custom_audiences: Vec<String>,
}

/// An identity that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its address.
    pub email: String,
    /// The public half (PEM, RSA) of its key, where it has one: what it signs with the other is exchanged for tokens.
    pub public_key: Option<String>,
}

impl GoogleProject {
    /// A project whose one account may invoke.
    pub(crate) fn new(project: &str, region: &str) -> Self {
        let email = format!("merit@{project}.iam.gserviceaccount.com");
        Self {
            project: project.to_owned(),
            region: region.to_owned(),
            service_accounts: vec![ServiceAccount { email, public_key: None }],
            custom_audiences: Vec::new(),
        }
    }
}
