//! Which operation of the Lambda API a method and path are.
//!
//! Operations Merit speaks have a variant each; the others are known by name, so that whoever asks for
//! one is told which one it is that is not here. Paths are those of the service model (botocore 1.44.5,
//! `lambda/2015-03-31/service-2.json`, read 2026-11-21); a slash at the end is taken, as AWS takes it.
//!
//! Known limitation: names are given for the operations of the API's first versions that tools use;
//! newer ones are [`Operation::Other`] without a name.

use std::borrow::Cow;

use http::Method;

/// An operation, with the parts of its path as they came: percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "a field is the part of the path that says which function")]
pub enum Operation<'p> {
    /// Calls a function.
    Invoke { function: &'p str },
    /// Calls a function whose reply comes in pieces.
    InvokeWithResponseStream { function: &'p str },
    /// Queues a call; the forerunner of Invoke with the type `Event`.
    InvokeAsync { function: &'p str },
    /// A function's configuration, code location, tags and reserved concurrency.
    GetFunction { function: &'p str },
    /// A function's configuration alone.
    GetFunctionConfiguration { function: &'p str },
    /// All functions, in pages.
    ListFunctions,
    /// The tags of a function by its ARN.
    ListTags { resource: &'p str },
    /// The calls at once that are reserved for a function.
    GetFunctionConcurrency { function: &'p str },
    /// The instances that are kept warm for a version or alias; with `List=ALL` in the query it is
    /// ListProvisionedConcurrencyConfigs.
    GetProvisionedConcurrencyConfig { function: &'p str },
    /// A function's aliases, in pages.
    ListAliases { function: &'p str },
    /// A function's versions, in pages.
    ListVersionsByFunction { function: &'p str },
    /// Limits and usage of an account in a region.
    GetAccountSettings,
    /// Another operation of the Lambda API, by name where it is known.
    Other { name: Option<&'static str> },
    /// Not a path of the Lambda API.
    NotLambda,
}

impl<'p> Operation<'p> {
    /// What `method` and `path` ask for. The path begins with `/` and has no query.
    #[must_use]
    pub fn of(method: &Method, path: &'p str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let version = segments.next().unwrap_or_default();
        if !is_version(version) {
            return Self::NotLambda;
        }
        let rest: [Option<&'p str>; 5] = std::array::from_fn(|_| segments.next());
        let spoken = match (method.as_str(), version, rest) {
            ("POST", "2015-03-31", [Some("functions"), Some(function), Some("invocations"), None, _]) => {
                Self::Invoke { function }
            }
            (
                "POST",
                "2021-11-15",
                [Some("functions"), Some(function), Some("response-streaming-invocations"), None, _],
            ) => Self::InvokeWithResponseStream { function },
            ("POST", "2014-11-13", [Some("functions"), Some(function), Some("invoke-async"), None, _]) => {
                Self::InvokeAsync { function }
            }
            ("GET", _, rest) => Self::read(version, rest),
            _ => Self::NotLambda,
        };
        match spoken {
            Self::NotLambda => Self::Other { name: name(method.as_str(), version, &rest) },
            spoken => spoken,
        }
    }

    fn read(version: &str, rest: [Option<&'p str>; 5]) -> Self {
        match (version, rest) {
            ("2015-03-31", [Some("functions"), None, ..]) => Self::ListFunctions,
            ("2015-03-31", [Some("functions"), Some(function), None, ..]) => Self::GetFunction { function },
            ("2015-03-31", [Some("functions"), Some(function), Some("configuration"), None, _]) => {
                Self::GetFunctionConfiguration { function }
            }
            ("2015-03-31", [Some("functions"), Some(function), Some("aliases"), None, _]) => {
                Self::ListAliases { function }
            }
            ("2015-03-31", [Some("functions"), Some(function), Some("versions"), None, _]) => {
                Self::ListVersionsByFunction { function }
            }
            ("2017-03-31", [Some("tags"), Some(resource), None, ..]) => Self::ListTags { resource },
            ("2019-09-30", [Some("functions"), Some(function), Some("concurrency"), None, _]) => {
                Self::GetFunctionConcurrency { function }
            }
            ("2019-09-30", [Some("functions"), Some(function), Some("provisioned-concurrency"), None, _]) => {
                Self::GetProvisionedConcurrencyConfig { function }
            }
            ("2016-08-19", [Some("account-settings"), None, ..]) => Self::GetAccountSettings,
            _ => Self::NotLambda,
        }
    }

    /// AWS's name for it; `None` where it has none that is known here.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Invoke { .. } => "Invoke",
            Self::InvokeWithResponseStream { .. } => "InvokeWithResponseStream",
            Self::InvokeAsync { .. } => "InvokeAsync",
            Self::GetFunction { .. } => "GetFunction",
            Self::GetFunctionConfiguration { .. } => "GetFunctionConfiguration",
            Self::ListFunctions => "ListFunctions",
            Self::ListTags { .. } => "ListTags",
            Self::GetFunctionConcurrency { .. } => "GetFunctionConcurrency",
            Self::GetProvisionedConcurrencyConfig { .. } => "GetProvisionedConcurrencyConfig",
            Self::ListAliases { .. } => "ListAliases",
            Self::ListVersionsByFunction { .. } => "ListVersionsByFunction",
            Self::GetAccountSettings => "GetAccountSettings",
            Self::Other { name } => return *name,
            Self::NotLambda => return None,
        })
    }
}

/// The first value of a query's parameter, decoded; `None` where there is none.
#[must_use]
pub fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The API's versions are dates, and nothing else begins with one.
fn is_version(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// The operations that are not spoken: method, version, and the path with `*` for what varies.
const OTHERS: &[(&str, &str, &[&str], &str)] = &[
    ("POST", "2015-03-31", &["functions"], "CreateFunction"),
    ("DELETE", "2015-03-31", &["functions", "*"], "DeleteFunction"),
    ("PUT", "2015-03-31", &["functions", "*", "code"], "UpdateFunctionCode"),
    ("PUT", "2015-03-31", &["functions", "*", "configuration"], "UpdateFunctionConfiguration"),
    ("POST", "2015-03-31", &["functions", "*", "versions"], "PublishVersion"),
    ("POST", "2015-03-31", &["functions", "*", "aliases"], "CreateAlias"),
    ("GET", "2015-03-31", &["functions", "*", "aliases", "*"], "GetAlias"),
    ("PUT", "2015-03-31", &["functions", "*", "aliases", "*"], "UpdateAlias"),
    ("DELETE", "2015-03-31", &["functions", "*", "aliases", "*"], "DeleteAlias"),
    ("GET", "2015-03-31", &["functions", "*", "policy"], "GetPolicy"),
    ("POST", "2015-03-31", &["functions", "*", "policy"], "AddPermission"),
    ("DELETE", "2015-03-31", &["functions", "*", "policy", "*"], "RemovePermission"),
    ("GET", "2015-03-31", &["event-source-mappings"], "ListEventSourceMappings"),
    ("POST", "2015-03-31", &["event-source-mappings"], "CreateEventSourceMapping"),
    ("GET", "2015-03-31", &["event-source-mappings", "*"], "GetEventSourceMapping"),
    ("PUT", "2015-03-31", &["event-source-mappings", "*"], "UpdateEventSourceMapping"),
    ("DELETE", "2015-03-31", &["event-source-mappings", "*"], "DeleteEventSourceMapping"),
    ("POST", "2017-03-31", &["tags", "*"], "TagResource"),
    ("DELETE", "2017-03-31", &["tags", "*"], "UntagResource"),
    ("PUT", "2017-10-31", &["functions", "*", "concurrency"], "PutFunctionConcurrency"),
    ("DELETE", "2017-10-31", &["functions", "*", "concurrency"], "DeleteFunctionConcurrency"),
    ("GET", "2018-10-31", &["layers"], "ListLayers"),
    ("GET", "2018-10-31", &["layers", "*", "versions"], "ListLayerVersions"),
    ("POST", "2018-10-31", &["layers", "*", "versions"], "PublishLayerVersion"),
    ("GET", "2018-10-31", &["layers", "*", "versions", "*"], "GetLayerVersion"),
    ("DELETE", "2018-10-31", &["layers", "*", "versions", "*"], "DeleteLayerVersion"),
    ("GET", "2019-09-25", &["functions", "*", "event-invoke-config"], "GetFunctionEventInvokeConfig"),
    ("PUT", "2019-09-25", &["functions", "*", "event-invoke-config"], "PutFunctionEventInvokeConfig"),
    ("POST", "2019-09-25", &["functions", "*", "event-invoke-config"], "UpdateFunctionEventInvokeConfig"),
    ("DELETE", "2019-09-25", &["functions", "*", "event-invoke-config"], "DeleteFunctionEventInvokeConfig"),
    ("GET", "2019-09-25", &["functions", "*", "event-invoke-config", "list"], "ListFunctionEventInvokeConfigs"),
    ("PUT", "2019-09-30", &["functions", "*", "provisioned-concurrency"], "PutProvisionedConcurrencyConfig"),
    ("DELETE", "2019-09-30", &["functions", "*", "provisioned-concurrency"], "DeleteProvisionedConcurrencyConfig"),
    ("GET", "2020-04-22", &["code-signing-configs"], "ListCodeSigningConfigs"),
    ("GET", "2020-06-30", &["functions", "*", "code-signing-config"], "GetFunctionCodeSigningConfig"),
    ("PUT", "2020-06-30", &["functions", "*", "code-signing-config"], "PutFunctionCodeSigningConfig"),
    ("GET", "2021-07-20", &["functions", "*", "runtime-management-config"], "GetRuntimeManagementConfig"),
    ("PUT", "2021-07-20", &["functions", "*", "runtime-management-config"], "PutRuntimeManagementConfig"),
    ("GET", "2021-10-31", &["functions", "*", "url"], "GetFunctionUrlConfig"),
    ("POST", "2021-10-31", &["functions", "*", "url"], "CreateFunctionUrlConfig"),
    ("PUT", "2021-10-31", &["functions", "*", "url"], "UpdateFunctionUrlConfig"),
    ("DELETE", "2021-10-31", &["functions", "*", "url"], "DeleteFunctionUrlConfig"),
    ("GET", "2021-10-31", &["functions", "*", "urls"], "ListFunctionUrlConfigs"),
    ("GET", "2024-08-31", &["functions", "*", "recursion-config"], "GetFunctionRecursionConfig"),
    ("PUT", "2024-08-31", &["functions", "*", "recursion-config"], "PutFunctionRecursionConfig"),
];

fn name(method: &str, version: &str, rest: &[Option<&str>; 5]) -> Option<&'static str> {
    let fits = |path: &[&str]| {
        let same =
            |(pattern, segment): (&&str, &Option<&str>)| segment.is_some_and(|s| *pattern == "*" || *pattern == s);
        path.iter().zip(rest).all(same) && rest.get(path.len()).is_none_or(Option::is_none)
    };
    OTHERS.iter().find(|other| other.0 == method && other.1 == version && fits(other.2)).map(|other| other.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'p>(method: &str, path: &'p str) -> Operation<'p> {
        Operation::of(&method.parse().expect("a method"), path)
    }

    #[test]
    fn the_operations_merit_speaks() {
        let function = "f%3Aprod";
        for (method, path, operation) in [
            ("POST", "/2015-03-31/functions/f%3Aprod/invocations", Operation::Invoke { function }),
            (
                "POST",
                "/2021-11-15/functions/f%3Aprod/response-streaming-invocations",
                Operation::InvokeWithResponseStream { function },
            ),
            ("POST", "/2014-11-13/functions/f%3Aprod/invoke-async/", Operation::InvokeAsync { function }),
            ("GET", "/2015-03-31/functions/f%3Aprod", Operation::GetFunction { function }),
            ("GET", "/2015-03-31/functions/f%3Aprod/configuration", Operation::GetFunctionConfiguration { function }),
            ("GET", "/2015-03-31/functions", Operation::ListFunctions),
            ("GET", "/2015-03-31/functions/", Operation::ListFunctions),
            ("GET", "/2017-03-31/tags/f%3Aprod", Operation::ListTags { resource: function }),
            ("GET", "/2019-09-30/functions/f%3Aprod/concurrency", Operation::GetFunctionConcurrency { function }),
            (
                "GET",
                "/2019-09-30/functions/f%3Aprod/provisioned-concurrency",
                Operation::GetProvisionedConcurrencyConfig { function },
            ),
            ("GET", "/2015-03-31/functions/f%3Aprod/aliases", Operation::ListAliases { function }),
            ("GET", "/2015-03-31/functions/f%3Aprod/versions", Operation::ListVersionsByFunction { function }),
            ("GET", "/2016-08-19/account-settings/", Operation::GetAccountSettings),
        ] {
            assert_eq!(of(method, path), operation, "{method} {path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter(Some("a=1&Qualifier=%24LATEST&Qualifier=2"), "Qualifier").as_deref(), Some("$LATEST"));
        assert_eq!(parameter(Some("Marker"), "Marker").as_deref(), Some(""));
        assert_eq!(parameter(Some("marker=x"), "Marker"), None);
        assert_eq!(parameter(None, "Marker"), None);
    }

    #[test]
    fn others_by_name() {
        for (method, path, name) in [
            ("POST", "/2015-03-31/functions", Some("CreateFunction")),
            ("DELETE", "/2015-03-31/functions/f", Some("DeleteFunction")),
            ("GET", "/2015-03-31/functions/f/aliases/a", Some("GetAlias")),
            ("GET", "/2015-03-31/functions/f/invocations", None),
            ("POST", "/2015-03-31/functions/f/invocations/more", None),
            ("GET", "/2015-03-31/functions/f/aliases/a/b", None),
            ("GET", "/2030-01-01/wonders", None),
        ] {
            assert_eq!(of(method, path), Operation::Other { name }, "{method} {path}");
            assert_eq!(of(method, path).name(), name);
        }
    }

    #[test]
    fn and_what_is_none() {
        for path in
            ["", "/", "//", "/v1/functions/f", "/2015-03-3x/functions", "/functions/2015-03-31", "/2015-03-311/"]
        {
            assert_eq!(of("GET", path), Operation::NotLambda, "{path}");
        }
    }
}
