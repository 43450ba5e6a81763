//! Whether two replies of a function are equal, and what differs.
//!
//! Errors of the function's own are equal to each other whatever they say: each provider words them its own way.
//! Replies that are JSON are compared as values: order of keys and blanks do not matter.
//!
//! Known limitation: numbers beyond 64 bits and fractions are compared as JSON's usual doubles.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use merit_config::Compare;
use merit_venue::Reply;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// Differences that are told.
const MOST: usize = 8;
/// Bytes of a value, and of an excerpt, that are told.
const SHOWN: usize = 80;
/// Bytes of what a program says that are told.
const SAID: usize = 2048;

/// What a function replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) payload: Bytes,
    /// Its own error, if the reply is one.
    pub(crate) error: Option<String>,
}

impl Answer {
    pub(crate) fn of(reply: &Reply) -> Self {
        Self { payload: reply.payload.clone(), error: reply.function_error.as_ref().map(|error| error.kind.clone()) }
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Equal,
    /// With what differs.
    Differs(String),
    /// They could not be compared, and why.
    Unknown(String),
}

/// The user's program and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) timeout: Duration,
}

impl Program {
    /// The one of the configuration, if there is one.
    pub(crate) fn of(settings: &merit_config::Equivalence) -> Option<Self> {
        let path = settings.compare_command.clone()?;
        Some(Self { path, timeout: Duration::from_millis(settings.compare_timeout_ms) })
    }
}

/// Compares a reply with the one that is right.
pub(crate) async fn compare(
    how: Compare,
    program: Option<Program>,
    function: &str,
    right: &Answer,
    other: &Answer,
) -> Verdict {
    match (&right.error, &other.error) {
        (Some(_), Some(_)) => return Verdict::Equal,
        (Some(error), None) => {
            return Verdict::Differs(format!("expected the function's error `{error}`, got a reply"));
        }
        (None, Some(error)) => {
            return Verdict::Differs(format!("expected a reply, got the function's error `{error}`"));
        }
        (None, None) => {}
    }
    match (how, program) {
        (Compare::Command, Some(program)) => by_program(&program, function, right, other).await,
        (Compare::Command, None) => Verdict::Unknown("equivalence.compare_command names no program".to_owned()),
        (Compare::Exact | Compare::Json, _) => {
            let (right, other) = (right.payload.clone(), other.payload.clone());
            // Megabytes of JSON would hold up the calls.
            let compared = tokio::task::spawn_blocking(move || difference(how, &right, &other)).await;
            match compared {
                Ok(None) => Verdict::Equal,
                Ok(Some(difference)) => Verdict::Differs(difference),
                Err(error) => Verdict::Unknown(error.to_string()),
            }
        }
    }
}

/// What differs between two payloads.
fn difference(how: Compare, right: &[u8], other: &[u8]) -> Option<String> {
    if right == other {
        return None;
    }
    if how == Compare::Json
        && let (Ok(right), Ok(other)) = (serde_json::from_slice(right), serde_json::from_slice(other))
    {
        let mut told = Vec::new();
        differences("$", &right, &other, &mut told);
        return if told.is_empty() { None } else { Some(told.join("\n")) };
    }
    let at = right.iter().zip(other).take_while(|(a, b)| a == b).count();
    let excerpt = |bytes: &[u8]| {
        let from = at.saturating_sub(SHOWN / 4).min(bytes.len());
        format!("{:?}", String::from_utf8_lossy(&bytes[from..bytes.len().min(from + SHOWN)]))
    };
    let (expected, got) = (excerpt(right), excerpt(other));
    Some(format!("byte {at} of {} and {}: expected {expected}, got {got}", right.len(), other.len()))
}

fn differences(path: &str, right: &Value, other: &Value, told: &mut Vec<String>) {
    if told.len() >= MOST {
        return;
    }
    match (right, other) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => differences(&format!("{path}.{key}"), value, other, told),
                    None => told.push(format!("{path}.{key}: expected {}, got nothing", shown(value))),
                }
            }
            let new = b.iter().filter(|(key, _)| !a.contains_key(*key));
            told.extend(new.map(|(key, value)| format!("{path}.{key}: expected nothing, got {}", shown(value))));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (right, other)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{number}]"), right, other, told);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            told.push(format!("{path}: expected {} elements, got {}", a.len(), b.len()));
        }
        (Value::Number(a), Value::Number(b)) if same_number(a, b) => {}
        _ if right == other => {}
        _ => told.push(format!("{path}: expected {}, got {}", shown(right), shown(other))),
    }
    told.truncate(MOST);
}

/// 1 and 1.0 are one number.
fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    let whole = |number: &serde_json::Number| number.is_i64() || number.is_u64();
    if whole(a) && whole(b) { a == b } else { a.as_f64() == b.as_f64() }
}

fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push_str("...");
    }
    text
}

/// A folder that only this user can read, gone with its value.
struct Folder(PathBuf);

impl Folder {
    fn try_new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("merit-compare-{:032x}", fastrand::u128(..)));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, payload: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::File::create_new(&path)?.write_all(payload)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn by_program(program: &Program, function: &str, right: &Answer, other: &Answer) -> Verdict {
    let (right, other) = (right.payload.clone(), other.payload.clone());
    let written = tokio::task::spawn_blocking(move || {
        let folder = Folder::try_new()?;
        Ok((folder.write("expected", &right)?, folder.write("got", &other)?, folder))
    });
    let (right, other, _folder) = match written.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(written) => written,
        Err(error) => return Verdict::Unknown(format!("the replies could not be written to compare them: {error}")),
    };
    match tokio::time::timeout(program.timeout, run(&program.path, function, &right, &other)).await {
        Err(_) => Verdict::Unknown(format!(
            "{} took longer than equivalence.compare_timeout_ms, {} ms",
            program.path.display(),
            program.timeout.as_millis()
        )),
        Ok(Err(error)) => Verdict::Unknown(format!("{} could not be run: {error}", program.path.display())),
        Ok(Ok((Some(0), _))) => Verdict::Equal,
        Ok(Ok((Some(1), said))) if said.is_empty() => Verdict::Differs("the program says so".to_owned()),
        Ok(Ok((Some(1), said))) => Verdict::Differs(said),
        Ok(Ok((code, _))) => {
            let ended = code.map_or_else(|| "was killed".to_owned(), |code| format!("exited with {code}"));
            Verdict::Unknown(format!("{} {ended}: 0 is for equal and 1 for not", program.path.display()))
        }
    }
}

/// The program's exit code and the beginning of what it said. It has none of the broker's secrets: its environment is
/// empty but for `PATH` and the function's name.
async fn run(program: &Path, function: &str, right: &Path, other: &Path) -> std::io::Result<(Option<i32>, String)> {
    let mut child = tokio::process::Command::new(program)
        .args([right, other])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MERIT_FUNCTION", function)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = stdout.read(&mut piece).await {
            let room = SAID.saturating_sub(said.len());
            said.extend_from_slice(&piece[..read.min(room)]);
        }
    }
    let code = child.wait().await?.code();
    Ok((code, String::from_utf8_lossy(&said).trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Answer {
        Answer { payload: Bytes::copy_from_slice(payload.as_bytes()), error: None }
    }

    fn failed(kind: &str) -> Answer {
        Answer { error: Some(kind.to_owned()), ..answer("{}") }
    }

    async fn verdict(how: Compare, right: &str, other: &str) -> Verdict {
        compare(how, None, "work", &answer(right), &answer(other)).await
    }

    #[tokio::test]
    async fn json_is_compared_as_values() {
        for (right, other) in [
            (r#"{"a": 1, "b": [1, 2.0]}"#, r#"{"b":[1.0,2],"a":1}"#),
            ("plain", "plain"),
            ("18446744073709551615", "18446744073709551615"),
            ("\"\\u00e9\"", "\"é\""),
        ] {
            assert_eq!(verdict(Compare::Json, right, other).await, Verdict::Equal, "{right} {other}");
        }
        for (right, other, told) in [
            (r#"{"a":1}"#, r#"{"a":2}"#, "$.a: expected 1, got 2"),
            (r#"{"a":[{"b":null}]}"#, r#"{"a":[{"b":"x"}]}"#, "$.a[0].b: expected null, got \"x\""),
            (r#"{"a":1}"#, r#"{"b":1}"#, "$.a: expected 1, got nothing\n$.b: expected nothing, got 1"),
            ("[1,2]", "[1]", "$: expected 2 elements, got 1"),
            (
                "18446744073709551615",
                "18446744073709551614",
                "$: expected 18446744073709551615, got 18446744073709551614",
            ),
            ("1", "true", "$: expected 1, got true"),
            ("done", "gone", "byte 0 of 4 and 4: expected \"done\", got \"gone\""),
            ("{}", "{} trailing", "byte 2 of 2 and 11: expected \"{}\", got \"{} trailing\""),
        ] {
            assert_eq!(verdict(Compare::Json, right, other).await, Verdict::Differs(told.to_owned()));
        }
        let Verdict::Differs(told) =
            verdict(Compare::Json, &format!("{:?}", vec![1; 99]), &format!("{:?}", vec![2; 99])).await
        else {
            panic!("they differ")
        };
        assert_eq!(told.lines().count(), MOST);
        assert!(matches!(verdict(Compare::Exact, "{ }", "{}").await, Verdict::Differs(_)), "not as values");
    }

    #[tokio::test]
    async fn errors_are_equal_to_errors_alone() {
        let judge = |right, other| async move { compare(Compare::Exact, None, "work", &right, &other).await };
        assert_eq!(judge(failed("Unhandled"), failed("Http500")).await, Verdict::Equal);
        assert!(
            matches!(judge(failed("Unhandled"), answer("{}")).await, Verdict::Differs(told) if told.contains("`Unhandled`"))
        );
        assert!(matches!(judge(answer("{}"), failed("Boom")).await, Verdict::Differs(told) if told.contains("`Boom`")));
    }

    #[tokio::test]
    async fn a_program_judges_by_its_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compare");
        let script = "#!/bin/sh\ncase \"$(cat \"$1\")-$(cat \"$2\")-$MERIT_FUNCTION\" in\n\
                      a-A-work) exit 0;;\nslow*) exec sleep 60;;\nodd*) exit 7;;\n*) echo \"$1 is not $2\" | tr -d /; exit 1;;\nesac\n";
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let judge = |right: &'static str, timeout: u64| {
            let program = Program { path: path.clone(), timeout: Duration::from_millis(timeout) };
            async move { compare(Compare::Command, Some(program), "work", &answer(right), &answer("A")).await }
        };
        assert_eq!(judge("a", 60_000).await, Verdict::Equal);
        assert!(matches!(judge("b", 60_000).await, Verdict::Differs(said) if said.contains("expected is not ")));
        assert!(matches!(judge("odd", 60_000).await, Verdict::Unknown(why) if why.contains("exited with 7")));
        assert!(matches!(judge("slow", 100).await, Verdict::Unknown(why) if why.contains("100 ms")));
        let missing = Program { path: folder.path().join("none"), timeout: Duration::from_secs(60) };
        let told = compare(Compare::Command, Some(missing), "work", &answer("a"), &answer("b")).await;
        assert!(matches!(told, Verdict::Unknown(why) if why.contains("could not be run")));
    }
}
