//! The key `preset` of venues behind HTTP, and what only OpenFaaS and Knative need.

use http::Uri;

use super::secret::Secret;
use super::url;
use crate::reader::{Kind, Section};
use crate::server::one_of;

/// A platform behind HTTP that is known by name.
#[derive(Clone, Debug)]
pub enum Preset {
    /// An OpenFaaS gateway: targets are functions' names.
    OpenFaas(OpenFaas),
    /// A Knative ingress: targets are services' names.
    Knative(Knative),
}

/// What an OpenFaaS gateway needs.
#[derive(Clone, Debug)]
pub struct OpenFaas {
    /// User and password of its `/system` paths, for discovery.
    pub gateway: Option<(Secret, Secret)>,
    /// The namespace whose functions are listed; the gateway's default one when absent.
    pub namespace: Option<String>,
}

/// What a Knative ingress needs.
#[derive(Clone, Debug)]
pub struct Knative {
    /// The namespace of services that name none.
    pub namespace: String,
    /// What stands behind a service's name and namespace in its host.
    pub domain: String,
    /// Type and source of the CloudEvents that calls are sent as, if they are.
    pub events: Option<(String, String)>,
    /// The Kubernetes API and its token, for discovery.
    pub api: Option<(Uri, Option<Secret>)>,
}

#[derive(Clone, Copy)]
enum Word {
    OpenFaas,
    Knative,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Preset> {
    let words = [("openfaas", Word::OpenFaas), ("knative", Word::Knative)];
    match section.given("preset", &[Kind::String], |text| one_of(text, &words))? {
        Word::OpenFaas => Some(Preset::OpenFaas(OpenFaas {
            namespace: section.given("namespace", &[Kind::String], label),
            gateway: section.child("gateway").and_then(|section| {
                let mut section = section.secret();
                let env = section.reader.env;
                let user = section.required("user", &[Kind::String], |text| Secret::read(text, env));
                let password = section.required("password", &[Kind::String], |text| Secret::read(text, env));
                user.zip(password)
            }),
        })),
        Word::Knative => {
            let namespace = section.given("namespace", &[Kind::String], label);
            let domain = section.required("domain", &[Kind::String], domain);
            let events = section.child("cloudevents").and_then(|mut section| {
                let kind = section.required("type", &[Kind::String], attribute);
                kind.zip(section.required("source", &[Kind::String], attribute))
            });
            let api = section.child("api").and_then(|section| {
                let mut section = section.secret();
                let env = section.reader.env;
                let url = section.required("url", &[Kind::String], url);
                let token = section.given("token", &[Kind::String], |text| Secret::read(text, env));
                url.map(|url| (url, token))
            });
            let namespace = namespace.unwrap_or_else(|| section.fall_back("namespace", "default".to_owned()));
            Some(Preset::Knative(Knative { namespace, domain: domain?, events, api }))
        }
    }
}

/// A label of a host name, as Kubernetes names its namespaces.
fn label(text: &str) -> Result<String, String> {
    let good = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be 1 to 63 of a-z, 0-9 and `-`, got `{text}`"))
}

fn domain(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
    good.then(|| text.to_owned()).ok_or_else(|| format!("must be a domain such as example.com, got `{text}`"))
}

/// An attribute of a CloudEvent, as a header carries it unchanged.
fn attribute(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'%');
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("must have visible ASCII characters but `\"` and `%`, got `{text}`"))
}
