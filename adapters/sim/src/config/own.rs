//! What platforms on one's own machines need beside what every cloud has: an OpenFaaS gateway, a Knative ingress.

use std::fmt;

/// An OpenFaaS gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct FaasGateway {
    /// The namespace its functions are in.
    pub namespace: String,
    /// User and password of its `/system` paths. Without them these are open, as on a gateway without basic
    /// authentication.
    pub credentials: Option<(String, String)>,
}

/// A Knative ingress, and the Kubernetes API beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct KnativeIngress {
    /// The namespace its services are in.
    pub namespace: String,
    /// What stands behind a service's name and namespace in its host.
    pub domain: String,
    /// Calls that wait for one under way to end; without it ten for each that may be under way.
    pub queue_depth: Option<u32>,
    /// The bearer token that the Kubernetes API takes. Without one it lists nothing to anybody.
    pub api_token: Option<String>,
    /// Whether a call must be a `CloudEvent` in binary mode.
    pub cloudevents: bool,
}

impl FaasGateway {
    /// The namespace of a gateway that is installed as it comes.
    pub(crate) const NAMESPACE: &str = "openfaas-fn";
    /// The user it is installed with.
    pub(crate) const USER: &str = "admin";
}

impl KnativeIngress {
    /// The namespace of whoever names none.
    pub(crate) const NAMESPACE: &str = "default";
    /// The domain of an installation that was given none of its own.
    pub(crate) const DOMAIN: &str = "example.com";

    /// The service that a host names, if it is of this namespace.
    pub(crate) fn service<'h>(&self, host: &'h str) -> Option<&'h str> {
        let host = host.split(':').next()?;
        host.strip_suffix(&self.domain)?.strip_suffix('.')?.strip_suffix(&self.namespace)?.strip_suffix('.')
    }
}

/// Leaves the password out.
impl fmt::Debug for FaasGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        f.debug_struct("FaasGateway").field("namespace", &self.namespace).field("user", &user).finish_non_exhaustive()
    }
}

/// Leaves the token out.
impl fmt::Debug for KnativeIngress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, domain, queue_depth, api_token: _, cloudevents } = self;
        let mut shown = f.debug_struct("KnativeIngress");
        shown.field("namespace", namespace).field("domain", domain).field("queue_depth", queue_depth);
        shown.field("cloudevents", cloudevents).finish_non_exhaustive()
    }
}
