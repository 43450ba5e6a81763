//! Names and ARNs: what is read is written back as it was.

use merit_lambda_wire::reference::FunctionReference;

/// Parses the bytes as a reference, and as a path's segment.
///
/// # Panics
/// When a reference is not written as it was read.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(reference) = FunctionReference::parse(&text) {
        assert_eq!(reference.to_string(), text);
        assert!(!reference.name.is_empty() && !reference.name.contains(':'));
        let segment = text.replace(':', "%3A").replace('$', "%24");
        assert_eq!(FunctionReference::of_segment(&segment).as_ref(), Ok(&reference));
    }
    if let Ok(reference) = FunctionReference::of_segment(&text) {
        assert_eq!(FunctionReference::parse(&reference.to_string()), Ok(reference));
    }
}

/// References of every form.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "f",
        "my-func_1.x:prod",
        "function:f:$LATEST",
        "f:$LATEST.PUBLISHED",
        "123456789012:function:f:7",
        "123456789012:f",
        "us-gov-west-1:123456789012:f",
        "eusc-de-east-1:123456789012:function:f",
        "arn:aws:lambda:us-east-1:123456789012:function:my-func:prod",
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:f",
        "arn:aws-us-gov:lambda:us-isob-east-1:123456789012:function:f",
        "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amy-func%3Aprod",
        "a b",
        "%",
        "",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
