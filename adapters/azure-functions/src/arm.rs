//! The parts of Azure Resource Manager's answers that are read: apps, their functions, and pages of both.
//!
//! Source: learn.microsoft.com/rest/api/appservice/web-apps (2023-12-01), read 2026-11-21.

use std::collections::BTreeMap;

use http::Uri;
use merit_units::MemoryMb;
use merit_venue::Discovered;
use serde::Deserialize;

/// The version of the interface that is asked for.
pub(crate) const API_VERSION: &str = "2023-12-01";

/// The tag that names a function of Merit, as Azure's portal likes it, and as Merit has it. A tag of an app with
/// several functions says which it is about: `merit-function.resize`.
const FUNCTION_TAG: &str = "merit-function";
const MERIT_TAG: &str = "merit:function";

/// An app.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct App {
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    properties: AppProperties,
    /// Asked for apart, and told of the Premium plan only.
    #[serde(skip)]
    plan: Option<Plan>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AppProperties {
    state: Option<String>,
    sku: Option<String>,
    server_farm_id: Option<String>,
    function_app_config: Option<FunctionAppConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FunctionAppConfig {
    scale_and_concurrency: Option<Scale>,
}

/// Only the Flex plan has it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Scale {
    maximum_instance_count: Option<u32>,
    #[serde(rename = "instanceMemoryMB")]
    instance_memory_mb: Option<u64>,
    always_ready: Vec<AlwaysReady>,
    triggers: Option<Triggers>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Triggers {
    http: Option<HttpTrigger>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpTrigger {
    per_instance_concurrency: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AlwaysReady {
    instance_count: u32,
}

/// The plan of an app: the size of its instances, and how many it has at least.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Plan {
    #[serde(default)]
    sku: Sku,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sku {
    name: String,
    capacity: Option<u32>,
}

impl Plan {
    /// The memory of its instances.
    ///
    /// Source: learn.microsoft.com/azure/azure-functions/functions-premium-plan, read 2026-11-22.
    fn memory(&self) -> Option<MemoryMb> {
        let megabytes = match self.sku.name.as_str() {
            "EP1" => 3_584,
            "EP2" => 7_168,
            "EP3" => 14_336,
            _ => return None,
        };
        MemoryMb::try_new(megabytes).ok()
    }
}

/// A page of functions.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Functions {
    value: Vec<Function>,
    next_link: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    properties: FunctionProperties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionProperties {
    name: String,
    invoke_url_template: Option<String>,
    #[serde(rename = "isDisabled")]
    is_disabled: bool,
}

/// An app's own answer.
///
/// # Errors
/// When it is none.
pub(crate) fn app(body: &[u8]) -> Result<App, String> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

/// A plan's own answer.
///
/// # Errors
/// When it is none.
pub(crate) fn plan(body: &[u8]) -> Result<Plan, String> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

/// A page of an app's functions.
///
/// # Errors
/// When it is none.
pub(crate) fn functions(body: &[u8]) -> Result<Functions, String> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> String {
    format!("that is no answer of Resource Manager ({error}): check `arm_url`, and that no proxy answers in its place")
}

impl App {
    /// Whether it takes calls.
    pub(crate) fn runs(&self) -> bool {
        self.properties.state.as_deref().is_none_or(|state| state == "Running")
    }

    /// The path of its plan, when that is a Premium one, whose instances have the size that is billed.
    pub(crate) fn premium_plan(&self) -> Option<&str> {
        let premium = self.properties.sku.as_deref() == Some("ElasticPremium");
        self.properties.server_farm_id.as_deref().filter(|path| premium && path.starts_with('/'))
    }

    pub(crate) fn with_plan(self, plan: Plan) -> Self {
        Self { plan: Some(plan), ..self }
    }
}

impl Functions {
    /// The address of the next page, if there is one.
    pub(crate) fn next(&self) -> Option<Result<Uri, String>> {
        let link = self.next_link.as_deref().filter(|link| !link.is_empty())?;
        Some(link.parse().map_err(|_| "the next page's address is no URL".to_owned()))
    }

    /// Those with an HTTP trigger that are not switched off, as Merit has them.
    pub(crate) fn found<'f>(&'f self, app: &'f App) -> impl Iterator<Item = Discovered> + 'f {
        let scale =
            app.properties.function_app_config.as_ref().and_then(|config| config.scale_and_concurrency.as_ref());
        let plan = app.plan.as_ref();
        let memory = scale.and_then(|scale| MemoryMb::try_new(scale.instance_memory_mb?).ok());
        let memory = memory.or_else(|| plan?.memory());
        let together = scale.and_then(|scale| scale.triggers.as_ref()?.http.as_ref()?.per_instance_concurrency);
        let ready = scale.map(|scale| scale.always_ready.iter().map(|one| one.instance_count).sum());
        let ready: Option<u32> = ready.or_else(|| plan?.sku.capacity);
        let called = self.value.iter().map(|function| &function.properties);
        called.filter(|function| !function.is_disabled && !function.name.is_empty()).filter_map(move |function| {
            let target = function.invoke_url_template.as_deref().filter(|url| url.starts_with("http"))?;
            Some(Discovered {
                name: function.name.clone(),
                target: target.to_owned(),
                memory,
                tags: tags(app, &function.name),
                reserved: scale.and_then(|scale| scale.maximum_instance_count),
                instance_concurrency: together,
                provisioned: ready.filter(|ready| *ready > 0),
                ..Discovered::default()
            })
        })
    }
}

fn tags(app: &App, function: &str) -> BTreeMap<String, String> {
    let mut tags = app.tags.clone().unwrap_or_default();
    let own = tags.get(&format!("{FUNCTION_TAG}.{function}")).or_else(|| tags.get(FUNCTION_TAG)).cloned();
    if let Some(named) = own {
        tags.entry(MERIT_TAG.to_owned()).or_insert(named);
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = r#"{"id":"/subscriptions/s/.../orders","tags":{"merit-function.resize":"thumbnail","team":"search"},
        "properties":{"state":"Running","defaultHostName":"orders.azurewebsites.net","functionAppConfig":
        {"scaleAndConcurrency":{"maximumInstanceCount":100,"instanceMemoryMB":2048,"alwaysReady":[{"name":"http","instanceCount":2}],
        "triggers":{"http":{"perInstanceConcurrency":16}}}}}}"#;
    const PAGE: &str = r#"{"value":[
        {"name":"orders/resize","properties":{"name":"resize","invoke_url_template":"https://orders.azurewebsites.net/api/resize","isDisabled":false}},
        {"name":"orders/off","properties":{"name":"off","invoke_url_template":"https://orders.azurewebsites.net/api/off","isDisabled":true}},
        {"name":"orders/queue","properties":{"name":"queue","invoke_url_template":null}}],
        "nextLink":"https://management.azure.com/next?page=2"}"#;

    #[test]
    fn functions_with_a_trigger_that_can_be_called_are_found() {
        let (app, page) = (app(APP.as_bytes()).expect("an app"), functions(PAGE.as_bytes()).expect("a page"));
        let found: Vec<Discovered> = page.found(&app).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].target.as_str()),
            ("resize", "https://orders.azurewebsites.net/api/resize")
        );
        assert_eq!(
            (found[0].memory.map(|mb| mb.megabytes()), found[0].reserved, found[0].provisioned),
            (Some(2048), Some(100), Some(2))
        );
        assert_eq!(found[0].instance_concurrency, Some(16));
        assert_eq!((found[0].tags["merit:function"].as_str(), found[0].tags["team"].as_str()), ("thumbnail", "search"));
        assert_eq!(page.next().expect("another").expect("a URL").host(), Some("management.azure.com"));
        assert!(app.runs());
    }

    #[test]
    fn what_is_no_answer_says_so() {
        assert!(app(b"<html>").is_err_and(|why| why.contains("check `arm_url`")));
        assert!(functions(br#"{"value":7}"#).is_err());
        let empty = functions(b"{}").expect("nothing");
        assert_eq!((empty.found(&App::default()).count(), empty.next().is_none()), (0, true));
        assert!(!app(br#"{"properties":{"state":"Stopped"}}"#).expect("an app").runs());
        assert!(plan(b"<html>").is_err() && plan(b"{}").expect("nothing").memory().is_none());
    }
}
