//! The grammar in both directions, and what it refuses.

use proptest::prelude::*;

use super::*;

fn parts(text: &str) -> [Option<String>; 5] {
    let FunctionReference { name, qualifier, account, region, partition, .. } =
        FunctionReference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    [Some(name), qualifier, account, region, partition]
}

#[test]
fn reads_every_form() {
    let some = |text: &str| Some(text.to_owned());
    let account = some("123456789012");
    for (text, expected) in [
        ("my-func", [some("my-func"), None, None, None, None]),
        ("my.func_1", [some("my.func_1"), None, None, None, None]),
        ("my-func:prod", [some("my-func"), some("prod"), None, None, None]),
        ("my-func:$LATEST", [some("my-func"), some("$LATEST"), None, None, None]),
        ("function:my-func", [some("my-func"), None, None, None, None]),
        ("function", [some("function"), None, None, None, None]),
        ("function:$LATEST", [some("function"), some("$LATEST"), None, None, None]),
        ("123456789012:function:f", [some("f"), None, account.clone(), None, None]),
        ("123456789012:function:f:7", [some("f"), some("7"), account.clone(), None, None]),
        ("123456789012:f", [some("f"), None, account.clone(), None, None]),
        ("123456789012", [account.clone(), None, None, None, None]),
        ("eu-west-1:123456789012:f", [some("f"), None, account.clone(), some("eu-west-1"), None]),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:f:prod",
            [some("f"), some("prod"), account.clone(), some("us-east-1"), some("aws")],
        ),
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f",
            [some("f"), None, account, some("us-gov-west-1"), some("aws-us-gov")],
        ),
    ] {
        assert_eq!(parts(text), expected, "{text}");
        assert_eq!(FunctionReference::parse(text).expect("read before").to_string(), text);
    }
}

#[test]
fn refuses_what_is_none_and_says_so_as_aws_does() {
    for text in [
        "",
        ":",
        "a:",
        ":a",
        "a b",
        "a/b",
        "über",
        "f:$latest",
        "f:a.b",
        "a:b:c",
        "arn:aws:lambda:f",
        "arn:aws:lambda:us-east-1:123456789012:f",
        "arn:aws:s3:us-east-1:123456789012:function:f",
        "arn:gcp:lambda:us-east-1:123456789012:function:f",
        "arn:aws:lambda:us-east-1:12345678901:function:f",
        "arn:aws:lambda:us-east-1:123456789012:function:f:a:b",
        "arn:aws:lambda:us-east-1:123456789012:layer:f:1",
        "123456789012:123456789012:f:g",
    ] {
        let error = FunctionReference::parse(text).expect_err(text);
        let expected = format!("1 validation error detected: Value '{text}' at 'functionName' failed to satisfy");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let long = FunctionReference::parse(&"a".repeat(257)).expect_err("too long").to_string();
    assert!(long.ends_with("Member must have length less than or equal to 256"), "{long}");
    assert!(FunctionReference::parse(&"a".repeat(256)).is_ok());
    assert_eq!(LambdaError::from(FunctionReference::parse("").expect_err("empty")).status, 400);
}

#[test]
fn segments_are_decoded_once() {
    let segment = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amy-func%3Aprod";
    let reference = FunctionReference::of_segment(segment).expect("a reference");
    assert_eq!((reference.name.as_str(), reference.qualifier.as_deref()), ("my-func", Some("prod")));
    assert!(FunctionReference::of_segment("my%252Dfunc").is_err(), "`my%2Dfunc` is no name");
    assert!(FunctionReference::of_segment("%ff").is_err());
    assert!(FunctionReference::of_segment("%").is_err());
}

#[test]
fn regions_have_a_form() {
    for region in ["us-east-1", "eu-central-2", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1"] {
        assert!(is_region(region), "{region}");
    }
    for text in ["", "us", "us-east", "us-east-10", "US-east-1", "us-eaſt-1", "us--1", "us-gov-west-1-2", "u-east-1"] {
        assert!(!is_region(text), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_read_comes_back(
        text in "(arn:aws[a-z-]{0,5}:lambda:)?([a-z]{2}(-gov)?-[a-z]{1,9}-[0-9]:)?([0-9]{12}:)?(function:)?[a-zA-Z0-9_.-]{1,64}(:([a-zA-Z0-9_-]{1,20}|\\$LATEST))?",
    ) {
        if let Ok(reference) = FunctionReference::parse(&text) {
            prop_assert_eq!(reference.to_string(), text.clone());
            prop_assert!(is_name(&reference.name));
        } else {
            prop_assert!(text.starts_with("arn:"), "only an ARN may be incomplete: {}", text);
        }
    }

    #[test]
    fn anything_is_read_or_refused(text in ".{0,300}") {
        if let Ok(reference) = FunctionReference::parse(&text) {
            prop_assert_eq!(reference.to_string(), text.as_str());
        }
        drop(FunctionReference::of_segment(&text));
    }
}
