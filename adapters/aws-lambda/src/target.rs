//! From a deployment's target to what a call names.
//!
//! A target is a function's name, `name:alias` or `name:version`, a partial ARN or a whole one.
//! What contradicts the venue, another region or account, is refused before anything is sent.

use merit_lambda_wire::reference::FunctionReference;
use merit_venue::{ErrorKind, Target, VenueError};

/// What a call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    /// A name, or an ARN without qualifier.
    pub(crate) function: String,
    /// An alias or version.
    pub(crate) qualifier: Option<String>,
}

/// What the target names.
///
/// # Errors
/// `Misconfigured`, when it names nothing this venue can call.
pub(crate) fn called(target: &Target, region: &str, account: Option<&str>) -> Result<Called, VenueError> {
    let refuse = |why: String| {
        let message = format!("the target `{target}` can't be called: {why}");
        Err(VenueError::not_started(ErrorKind::Misconfigured, message))
    };
    if target.uri().is_some() {
        return refuse("it is a URL; a function of Lambda is named by its name, `name:alias` or its ARN".to_owned());
    }
    let reference = match FunctionReference::parse(target.as_str()) {
        Ok(reference) => reference,
        Err(_) => return refuse("write a function's name, `name:alias` or its ARN".to_owned()),
    };
    if let Some(other) = reference.region.as_deref().filter(|other| *other != region) {
        return refuse(format!("its region is {other}, and the venue's is {region}: put it at a venue of that region"));
    }
    if let (Some(other), Some(account)) = (reference.account.as_deref(), account)
        && other != account
    {
        return refuse(format!(
            "its account is {other}, and the venue's is {account}: put it at a venue of that account"
        ));
    }
    let qualifier = reference.qualifier.clone();
    let function = match reference.account {
        // A function of another account is known only by its ARN.
        Some(_) => reference.with_qualifier(None).to_string(),
        None => reference.name,
    };
    Ok(Called { function, qualifier })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &str, account: Option<&str>) -> Result<(String, Option<String>), String> {
        let target = Target::try_new(target).expect(target);
        let called = called(&target, "eu-west-1", account).map_err(|error| error.to_string())?;
        Ok((called.function, called.qualifier))
    }

    #[test]
    fn names_aliases_and_arns_are_called() {
        for (target, function, qualifier) in [
            ("resize", "resize", None),
            ("resize:live", "resize", Some("live")),
            ("resize:$LATEST", "resize", Some("$LATEST")),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:resize",
                "arn:aws:lambda:eu-west-1:123456789012:function:resize",
                None,
            ),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:resize:7",
                "arn:aws:lambda:eu-west-1:123456789012:function:resize",
                Some("7"),
            ),
            ("123456789012:function:resize:7", "123456789012:function:resize", Some("7")),
        ] {
            assert_eq!(
                of(target, Some("123456789012")),
                Ok((function.to_owned(), qualifier.map(str::to_owned))),
                "{target}"
            );
        }
    }

    #[test]
    fn what_is_of_another_place_is_refused() {
        for (target, why) in [
            ("arn:aws:lambda:us-east-1:123456789012:function:resize", "its region is us-east-1"),
            ("arn:aws:lambda:eu-west-1:210987654321:function:resize", "its account is 210987654321"),
            ("https://abc.lambda-url.eu-west-1.on.aws/", "it is a URL"),
            ("res/ize", "write a function's name"),
        ] {
            let error = of(target, Some("123456789012")).expect_err(target);
            assert!(error.starts_with("misconfigured: ") && error.contains(why), "{error}");
        }
    }
}
