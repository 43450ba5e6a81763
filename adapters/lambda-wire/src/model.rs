//! The JSON of the operations that list and describe, as much of it as consoles, tools and Merit's own
//! discovery read.
//!
//! Names and optionality are those of the service model (botocore 1.44.5,
//! `lambda/2015-03-31/service-2.json`, read 2026-11-21). Unknown members are passed over when reading.
//!
//! Known limitation: members that nobody here reads are not kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A function, or one version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionConfiguration {
    /// Its name.
    pub function_name: String,
    /// Its ARN, with the qualifier it was asked for by.
    pub function_arn: String,
    /// What runs it, such as `python3.13`; absent for images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The role it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where in its code it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The size of its code, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_size: Option<u64>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// After how many seconds a call is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Its memory, in MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_size: Option<u32>,
    /// When it was changed, such as `2026-11-21T10:00:00.000+0000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The hash of its code, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_sha256: Option<String>,
    /// `$LATEST` or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Changes with every change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
    /// `Active` when it can be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it can't be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// `Successful` when the last change is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status: Option<String>,
    /// `Zip` or `Image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_type: Option<String>,
    /// `x86_64` or `arm64`, one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Its `/tmp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
}

/// Disk of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EphemeralStorage {
    /// In MB, from 512.
    pub size: u32,
}

/// The answer of GetFunction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetFunctionResponse {
    /// What it is.
    pub configuration: FunctionConfiguration,
    /// Where its code is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<FunctionCodeLocation>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What is reserved for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
}

/// Where a function's code is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionCodeLocation {
    /// `S3` or `ECR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_type: Option<String>,
    /// A link that is good for ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// The answer of ListFunctions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListFunctionsResponse {
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    /// At most 50.
    pub functions: Vec<FunctionConfiguration>,
}

/// The answer of ListVersionsByFunction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListVersionsByFunctionResponse {
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    /// At most 50.
    pub versions: Vec<FunctionConfiguration>,
}

/// An alias: a name for a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AliasConfiguration {
    /// The function's ARN with the alias as qualifier.
    pub alias_arn: String,
    /// The alias.
    pub name: String,
    /// The version it stands for.
    pub function_version: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The answer of ListAliases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListAliasesResponse {
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    /// At most 50.
    pub aliases: Vec<AliasConfiguration>,
}

/// The answer of ListTags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListTagsResponse {
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// The answer of GetFunctionConcurrency, and a part of GetFunction's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Concurrency {
    /// Calls at once that are reserved for the function and are its limit; absent when none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_concurrent_executions: Option<u32>,
}

/// The answer of GetProvisionedConcurrencyConfig.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProvisionedConcurrencyConfig {
    /// Instances that were asked for.
    pub requested_provisioned_concurrent_executions: u32,
    /// Instances that can take calls.
    pub available_provisioned_concurrent_executions: u32,
    /// Instances that are there.
    pub allocated_provisioned_concurrent_executions: u32,
    /// `IN_PROGRESS`, `READY` or `FAILED`.
    pub status: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
}

/// The answer of ListProvisionedConcurrencyConfigs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListProvisionedConcurrencyConfigsResponse {
    /// Those of each version and alias that has any.
    pub provisioned_concurrency_configs: Vec<ProvisionedConcurrencyConfigListItem>,
}

/// The instances that are kept warm for one version or alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProvisionedConcurrencyConfigListItem {
    /// With the version or alias.
    pub function_arn: String,
    /// What GetProvisionedConcurrencyConfig answers.
    #[serde(flatten)]
    pub config: ProvisionedConcurrencyConfig,
}

/// The answer of GetAccountSettings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountSettings {
    /// What the account may have in the region.
    pub account_limit: AccountLimit,
    /// What it has.
    pub account_usage: AccountUsage,
}

/// Limits of an account in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountLimit {
    /// All code, in bytes.
    pub total_code_size: u64,
    /// A function's code, unpacked, in bytes.
    pub code_size_unzipped: u64,
    /// A function's code as it is uploaded, in bytes.
    pub code_size_zipped: u64,
    /// Calls at once over all functions.
    pub concurrent_executions: u32,
    /// Of these, what is not reserved for single functions.
    pub unreserved_concurrent_executions: u32,
}

/// What an account has in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountUsage {
    /// All code, in bytes.
    pub total_code_size: u64,
    /// Functions.
    pub function_count: u64,
}

/// What a function that failed answers in place of its reply.
///
/// Runtimes and emulators differ in what they add; the first two they all have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionError {
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What kind, such as `ValueError` or `Runtime.ExitError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The id of the call that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where, a line each; some runtimes nest or name it otherwise, so it is kept as it is.
    #[serde(alias = "trace", skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lambdas_own() {
        let function = FunctionConfiguration {
            function_name: "f".to_owned(),
            function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
            memory_size: Some(512),
            code_sha256: Some("x".to_owned()),
            architectures: vec!["arm64".to_owned()],
            ephemeral_storage: Some(EphemeralStorage { size: 512 }),
            ..FunctionConfiguration::default()
        };
        let json = serde_json::to_string(&function).expect("JSON");
        let expected = r#"{"FunctionName":"f","FunctionArn":"arn:aws:lambda:us-east-1:123456789012:function:f","MemorySize":512,"CodeSha256":"x","Architectures":["arm64"],"EphemeralStorage":{"Size":512}}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<FunctionConfiguration>(&json).expect("the same"), function);
    }

    #[test]
    fn unknown_members_and_absent_ones_are_no_mistake() {
        let json = r#"{"Functions":[{"FunctionName":"f","Layers":[{"Arn":"a"}]}],"NextMarker":"n"}"#;
        let list: ListFunctionsResponse = serde_json::from_str(json).expect("a list");
        assert_eq!((list.functions[0].function_name.as_str(), list.next_marker.as_deref()), ("f", Some("n")));
        let none: Concurrency = serde_json::from_str("{}").expect("none reserved");
        assert_eq!(none.reserved_concurrent_executions, None);
    }

    #[test]
    fn errors_of_runtimes_and_emulators_are_read() {
        for json in [
            r#"{"errorMessage":"no","errorType":"ValueError","requestId":"r","stackTrace":["  File \"x\"\n"]}"#,
            r#"{"errorMessage":"no","errorType":"ValueError","trace":["at x"]}"#,
        ] {
            let error: FunctionError = serde_json::from_str(json).expect(json);
            assert_eq!((error.error_message.as_deref(), error.error_type.as_deref()), (Some("no"), Some("ValueError")));
            assert!(error.stack_trace.is_some());
        }
    }
}
