//! The region index of an offer: where the file of each region is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::other_format;
use crate::ListError;

const WANTED: &str = "AWS's index of regions (JSON)";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    #[serde(borrow, default)]
    format_version: Cow<'a, str>,
    #[serde(borrow)]
    regions: BTreeMap<Cow<'a, str>, Region<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region<'a> {
    #[serde(borrow)]
    current_version_url: Cow<'a, str>,
}

/// The addresses of the regions' files, in order of region: paths, or whole URLs. Each is read by
/// [`Offers::read_file`](super::Offers::read_file).
///
/// # Errors
/// [`ListError`] when it is not such an index, or names no region.
pub fn region_files(bytes: &[u8]) -> Result<Vec<String>, ListError> {
    let index: Index<'_> =
        serde_json::from_slice(bytes).map_err(|error| ListError::unreadable(WANTED, bytes, &error))?;
    if index.format_version != "v1.0" {
        return Err(other_format(&index.format_version));
    }
    let files: Vec<String> =
        index.regions.into_values().map(|region| region.current_version_url.into_owned()).collect();
    if files.is_empty() { Err(ListError::Empty("no region")) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_tells_each_regions_file_and_nothing_else_is_one() {
        let index = br#"{"formatVersion":"v1.0","disclaimer":"...","publicationDate":"2026-05-21T18:47:54Z","regions":{
            "us-east-1":{"regionCode":"us-east-1","currentVersionUrl":"/offers/v1.0/aws/AWSLambda/20260521184754/us-east-1/index.json"},
            "af-south-1":{"regionCode":"af-south-1","currentVersionUrl":"/offers/v1.0/aws/AWSLambda/20260521184754/af-south-1/index.json"}}}"#;
        let files = region_files(index).expect("an index");
        assert!(
            files[0].ends_with("/af-south-1/index.json") && files[1].ends_with("/us-east-1/index.json"),
            "{files:?}"
        );
        let why = |text: &str| region_files(text.as_bytes()).expect_err(text).to_string();
        assert!(why("<html>").contains("it begins with `<html>`"));
        assert!(why(r#"{"formatVersion":"v2.0","regions":{}}"#).contains("v2.0"));
        assert_eq!(why(r#"{"formatVersion":"v1.0","regions":{}}"#), "it has no region; check the address");
        assert!(why(r#"{"formatVersion":"v1.0","products":{}}"#).contains("missing field `regions`"));
    }
}
