//! Where a venue's credentials come from, as an SDK provider.
//!
//! Nothing is fetched here; a profile's files are read.

use aws_config::BehaviorVersion;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_lambda::config::Region;

use crate::config::{AssumeRole, CredentialsFrom, LambdaConfig};

/// Names the keys in the SDK's own logs.
const PROVIDER_NAME: &str = "merit";

/// The session's name in the audit log of the role's account.
const SESSION_NAME: &str = "merit";

/// The provider a configuration asks for.
pub(crate) async fn of(config: &LambdaConfig) -> SharedCredentialsProvider {
    let region = Region::new(config.region.clone());
    let base = match &config.credentials {
        CredentialsFrom::Keys { access_key_id, secret_access_key, session_token } => {
            let token = session_token.clone();
            SharedCredentialsProvider::new(Credentials::new(
                access_key_id,
                secret_access_key,
                token,
                None,
                PROVIDER_NAME,
            ))
        }
        CredentialsFrom::Default { profile } => {
            let chain = DefaultCredentialsChain::builder().region(region.clone());
            let chain = match profile {
                Some(profile) => chain.profile_name(profile),
                None => chain,
            };
            SharedCredentialsProvider::new(chain.build().await)
        }
    };
    match &config.assume_role {
        Some(role) => SharedCredentialsProvider::new(assumed(role, region, base).await),
        None => base,
    }
}

async fn assumed(role: &AssumeRole, region: Region, base: SharedCredentialsProvider) -> AssumeRoleProvider {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone()).no_credentials();
    if let Some(url) = &role.sts_endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let sdk = loader.load().await;
    let provider =
        AssumeRoleProvider::builder(&role.role_arn).configure(&sdk).region(region).session_name(SESSION_NAME);
    let provider = match &role.external_id {
        Some(id) => provider.external_id(id),
        None => provider,
    };
    provider.build_from_provider(base).await
}
