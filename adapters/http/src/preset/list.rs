//! What is deployed at an OpenFaaS gateway, or at a Knative ingress as the Kubernetes API tells it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, header};
use merit_transport::{Answer, Route, Transport, excerpt};
use merit_units::MemoryMb;
use merit_venue::{Discovered, ErrorKind, VenueError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Preset, server};

/// Bytes that a list may have: thousands of services with all that Kubernetes says of them.
const LIST_BYTES: usize = 32 << 20;

/// The label that names the function of Merit; Kubernetes allows no colon in one.
const LABEL: &str = "merit-function";
/// The tag it stands for.
const TAG: &str = "merit:function";

pub(super) async fn discover(
    preset: &Preset,
    base: &str,
    transport: &Transport,
    ends: Instant,
) -> Result<Option<Vec<Discovered>>, VenueError> {
    let mut found: Vec<Discovered> = match preset {
        Preset::OpenFaas(own) => {
            let authorization = own
                .gateway
                .as_ref()
                .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
            let query = own.namespace.as_ref().map_or_else(String::new, |namespace| format!("?namespace={namespace}"));
            let path = format!("/system/functions{query}");
            let listed: Vec<FaasFunction> = get(base, &path, authorization, transport, ends).await?;
            listed.into_iter().map(FaasFunction::found).collect()
        }
        Preset::Knative(own) => {
            let Some((url, token)) = &own.api else { return Ok(None) };
            let authorization = token.as_ref().map(|token| format!("Bearer {token}"));
            let path = format!("/apis/serving.knative.dev/v1/namespaces/{}/services", own.namespace);
            let listed: Services = get(url, &path, authorization, transport, ends).await?;
            listed.items.into_iter().map(|service| service.found(&own.namespace)).collect()
        }
    };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(found))
}

async fn get<T: DeserializeOwned>(
    url: &str,
    path: &str,
    authorization: Option<String>,
    transport: &Transport,
    ends: Instant,
) -> Result<T, VenueError> {
    let mistaken = |why: String| VenueError::not_started(ErrorKind::Misconfigured, why);
    let (origin, base) = server(url).map_err(mistaken)?;
    let path = PathAndQuery::try_from(format!("{base}{path}")).map_err(|error| mistaken(error.to_string()))?;
    let route = Route::new(&Arc::new(origin), path);
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(text) = authorization {
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| mistaken("credentials no header can hold".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let _place = transport.admit(&route, ends).await?;
    let build = |_| route.request(Method::GET, headers.clone(), Bytes::new());
    let Answer { head, body, .. } = transport.send(&route, ends, build).await?;
    if !head.status.is_success() {
        let kind = match head.status.as_u16() {
            401 | 403 => ErrorKind::BadCredentials,
            404 => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        let said = body.excerpt().await.map_or_else(String::new, |said| excerpt(&head.headers, &said));
        let message = format!("`{}` answered {}{said}", route.shown(), head.status);
        return Err(VenueError::not_started(kind, message));
    }
    let malformed = |why: String| {
        VenueError::not_started(
            ErrorKind::MalformedReply,
            format!("`{}` is not a list of functions: {why}", route.shown()),
        )
    };
    let read = body.whole(LIST_BYTES, ends).await;
    let (text, _) = read.map_err(|_| malformed(format!("it was cut off, late, or larger than {LIST_BYTES} bytes")))?;
    serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))
}

#[derive(Deserialize)]
struct FaasFunction {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    image: String,
    labels: Option<BTreeMap<String, String>>,
    limits: Option<Resources>,
}

/// Amounts as Kubernetes writes them.
#[derive(Default, Deserialize)]
struct Resources {
    memory: Option<String>,
    cpu: Option<String>,
}

impl FaasFunction {
    fn found(self) -> Discovered {
        let limits = self.limits.unwrap_or_default();
        let target =
            if self.namespace.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.namespace) };
        Discovered {
            target,
            name: self.name,
            memory: limits.memory.as_deref().and_then(megabytes),
            vcpu_milli: limits.cpu.as_deref().and_then(milli),
            tags: tags(self.labels.unwrap_or_default()),
            digest: digest(&self.image),
            ..Discovered::default()
        }
    }
}

#[derive(Deserialize)]
struct Services {
    items: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    template: Template,
}

#[derive(Default, Deserialize)]
struct Template {
    #[serde(default)]
    spec: PodSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    containers: Vec<Container>,
    timeout_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    image: String,
    resources: Limits,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limits {
    limits: Option<Resources>,
}

impl Service {
    fn found(self, default: &str) -> Discovered {
        let Metadata { name, namespace, labels } = self.metadata;
        let pod = self.spec.template.spec;
        let container = pod.containers.into_iter().next().unwrap_or_default();
        let limits = container.resources.limits.unwrap_or_default();
        let elsewhere = namespace.filter(|namespace| namespace != default);
        Discovered {
            target: elsewhere.map_or_else(|| name.clone(), |namespace| format!("{name}.{namespace}")),
            name,
            memory: limits.memory.as_deref().and_then(megabytes),
            vcpu_milli: limits.cpu.as_deref().and_then(milli),
            timeout: pod.timeout_seconds.map(Duration::from_secs),
            tags: tags(labels.unwrap_or_default()),
            digest: digest(&container.image),
            ..Discovered::default()
        }
    }
}

fn tags(mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(function) = labels.get(LABEL).cloned() {
        labels.insert(TAG.to_owned(), function);
    }
    labels
}

/// The digest an image is pinned to.
fn digest(image: &str) -> Option<String> {
    image.split_once('@').map(|(_, digest)| digest.to_owned()).filter(|digest| !digest.is_empty())
}

/// Megabytes of an amount such as `128Mi`, `1Gi` or `134217728`, rounded up.
fn megabytes(text: &str) -> Option<MemoryMb> {
    const UNITS: [(&str, u64); 7] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("", 1),
    ];
    let (digits, unit) = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))?;
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    MemoryMb::try_new(bytes.div_ceil(1 << 20)).ok()
}

/// Thousandths of a vCPU of an amount such as `500m`, `1` or `0.5`.
fn milli(text: &str) -> Option<u32> {
    if let Some(milli) = text.strip_suffix('m') {
        return milli.parse().ok().filter(|milli| *milli > 0);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let milli = whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(fraction.parse().ok()?)?;
    Some(milli).filter(|milli| *milli > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        let mb = |text| megabytes(text).map(|memory| memory.megabytes());
        for (text, expected) in [("128Mi", 128), ("1Gi", 1024), ("134217728", 128), ("100M", 96), ("1Ki", 1)] {
            assert_eq!(mb(text), Some(expected), "{text}");
        }
        assert_eq!((mb("lots"), mb("-1Mi"), mb("0")), (None, None, None));
        for (text, expected) in [("100m", 100), ("1", 1000), ("0.5", 500), ("2.25", 2250)] {
            assert_eq!(milli(text), Some(expected), "{text}");
        }
        assert_eq!((milli("0"), milli("x"), milli("")), (None, None, None));
        assert_eq!(digest("ghcr.io/a/b:1@sha256:12").as_deref(), Some("sha256:12"));
        assert_eq!(digest("ghcr.io/a/b:1"), None);
    }
}
