//! Which function a request means, at this account.

use merit_lambda_wire::error::{ErrorCode, LambdaError};
use merit_lambda_wire::reference::{FunctionReference, is_qualifier, partition_of};
use merit_lambda_wire::route;
use merit_lambda_wire::sigv4::AuthError;

use super::Context;
use crate::config::FunctionConfig;

/// A function, and the version of it that is asked for.
pub(super) struct Target<'c> {
    pub(super) name: String,
    pub(super) qualifier: Option<String>,
    /// The version the qualifier stands for.
    pub(super) version: String,
    /// Its entry in the configuration, where it has one.
    pub(super) listed: Option<&'c FunctionConfig>,
}

impl<'c> Target<'c> {
    /// Resolves the segment of a path and the `Qualifier` of a query. A name that is not in the configuration
    /// may still be the executor's.
    ///
    /// # Errors
    /// [`LambdaError`] for a reference that is none, is another account's or region's, contradicts the query, or
    /// names a version or alias that is not there.
    pub(super) fn resolve(context: Context<'c>, segment: &str, query: Option<&str>) -> Result<Self, LambdaError> {
        let reference = FunctionReference::of_segment(segment)?;
        let account = context.account;
        if let Some(region) = reference.region.as_deref().filter(|region| *region != account.region) {
            return Err(AuthError::wrong_region(region).into());
        }
        if reference.account.as_deref().is_some_and(|number| number != account.account) {
            let message = "User is not authorized to perform: lambda:InvokeFunction on a function of another account";
            return Err(LambdaError::new(ErrorCode::AccessDenied, message));
        }
        let asked = route::parameter(query, "Qualifier").filter(|qualifier| !qualifier.is_empty());
        let qualifier = match (reference.qualifier, asked) {
            (Some(named), Some(asked)) if named != asked => {
                let message = "The derived qualifier from the function name does not match the specified qualifier.";
                return Err(LambdaError::new(ErrorCode::InvalidParameterValue, message));
            }
            (_, Some(asked)) if !is_qualifier(&asked) => {
                let message = format!("Value '{asked}' at 'qualifier' is no version and no alias");
                return Err(LambdaError::new(ErrorCode::InvalidParameterValue, message));
            }
            (named, asked) => named.or(asked.map(std::borrow::Cow::into_owned)),
        };
        let listed = context.cloud.listed(&reference.name);
        let version = match listed {
            Some(function) => function.lambda.version(qualifier.as_deref()).map(str::to_owned),
            // The executor's own functions are not published.
            None => qualifier.as_deref().is_none_or(|name| name == "$LATEST").then(|| "$LATEST".to_owned()),
        };
        let name = reference.name;
        let missing = || LambdaError::function_not_found(&arn(context, &name, qualifier.as_deref()));
        let version = version.ok_or_else(missing)?;
        Ok(Self { name, qualifier, version, listed })
    }

    /// The same for a function that is surely there.
    ///
    /// # Errors
    /// As [`Self::resolve`], and when neither the configuration nor the executor has it.
    pub(super) fn known(context: Context<'c>, segment: &str, query: Option<&str>) -> Result<Self, LambdaError> {
        let target = Self::resolve(context, segment, query)?;
        if target.listed.is_none() && !context.cloud.unlisted().contains(&target.name) {
            return Err(LambdaError::function_not_found(&target.arn(context)));
        }
        Ok(target)
    }

    /// Its ARN, with the qualifier it was asked for by.
    pub(super) fn arn(&self, context: Context<'_>) -> FunctionReference {
        arn(context, &self.name, self.qualifier.as_deref())
    }
}

/// The ARN of a function of this account.
pub(super) fn arn(context: Context<'_>, name: &str, qualifier: Option<&str>) -> FunctionReference {
    let (region, account) = (context.account.region.as_str(), context.account.account.as_str());
    FunctionReference::arn(partition_of(region), region, account, name).with_qualifier(qualifier)
}
