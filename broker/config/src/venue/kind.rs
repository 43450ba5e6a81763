//! The words for the kinds of venues, and which of them the program was built with: features of this crate.
//!
//! Invariant: a kind that is left out is known all the same, so its keys are checked and the mistake says what to do.

use crate::server::one_of;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Word {
    Http,
    AwsLambda,
    AlibabaFc,
    GoogleRun,
    AzureFunctions,
    TencentScf,
    CloudflareWorkers,
    Provider,
}

impl Word {
    pub(super) const fn is_built_in(self) -> bool {
        match self {
            Self::Http | Self::Provider => true,
            Self::AwsLambda => cfg!(feature = "aws-lambda"),
            Self::AlibabaFc => cfg!(feature = "alibaba-fc"),
            Self::GoogleRun => cfg!(feature = "google-run"),
            Self::AzureFunctions => cfg!(feature = "azure-functions"),
            Self::TencentScf => cfg!(feature = "tencent-scf"),
            Self::CloudflareWorkers => cfg!(feature = "cloudflare-workers"),
        }
    }
}

pub(super) const WORDS: [(&str, Word); 8] = [
    ("http", Word::Http),
    ("aws-lambda", Word::AwsLambda),
    ("alibaba-fc", Word::AlibabaFc),
    ("google-run", Word::GoogleRun),
    ("azure-functions", Word::AzureFunctions),
    ("tencent-scf", Word::TencentScf),
    ("cloudflare-workers", Word::CloudflareWorkers),
    ("provider", Word::Provider),
];

/// The kind that a word in the configuration names.
pub(super) fn read(text: &str) -> Result<Word, String> {
    one_of(text, &WORDS).map_err(|_| {
        let kinds = "`http` reaches any function behind HTTP; `aws-lambda`, `alibaba-fc`, `tencent-scf`, `google-run`, \
                     `azure-functions` and `cloudflare-workers` reach functions of these clouds; a `provider` says itself \
                     what it runs";
        format!("`{text}` is not a venue kind of this version; {kinds}")
    })
}

/// What to say of a kind that the program was built without.
pub(super) fn left_out(word: Word, is_built_in: fn(Word) -> bool) -> Option<String> {
    if is_built_in(word) {
        return None;
    }
    let text = WORDS.iter().find(|(_, known)| *known == word).map_or("", |(text, _)| text);
    let there = WORDS.iter().filter(|(_, known)| is_built_in(*known)).map(|(text, _)| *text).collect::<Vec<_>>();
    let there = there.join(", ");
    Some(format!(
        "`{text}` is left out of this build of merit, which has {there}; take a full build, build one with \
         `cargo build -p merit --features {text}`, or take this venue out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_left_out_is_named_with_what_to_do() {
        let small = |word| matches!(word, Word::Http | Word::Provider | Word::AlibabaFc);
        assert_eq!(left_out(Word::AlibabaFc, small), None);
        assert_eq!(
            left_out(Word::GoogleRun, small).as_deref(),
            Some(
                "`google-run` is left out of this build of merit, which has http, alibaba-fc, provider; take a full \
                 build, build one with `cargo build -p merit --features google-run`, or take this venue out"
            )
        );
    }
}
