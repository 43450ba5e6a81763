//! Asynchronous tasks of Function Compute 3.0: a call that is taken, run later, and asked about.
//!
//! A task has an id that its caller chooses; a second one of the same id is refused with 409 and does not run. That is so
//! for functions whose asynchronous task mode is switched on.
//!
//! Known limitation: `returnPayload` is told only to accounts for which Alibaba Cloud has opened it, and is a text of at
//! most 1 MB.
//!
//! Sources: help.aliyun.com and alibabacloud.com, Function Compute, "GetAsyncTask", "AsyncTask", "Task deduplication" and
//! "Asynchronous tasks", read 2026-11-22.

use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use super::{MOST_TASK_ID_BYTES, SEGMENT, VERSION};

/// Where a task is asked about, without query.
#[must_use]
pub fn task_path(function: &str, id: &str) -> String {
    let [function, id] = [function, id].map(|text| utf8_percent_encode(text, SEGMENT));
    format!("/{VERSION}/functions/{function}/async-tasks/{id}")
}

/// Where a function's asynchronous configuration is read, without query.
#[must_use]
pub fn async_config_path(function: &str) -> String {
    format!("/{VERSION}/functions/{}/async-invoke-config", utf8_percent_encode(function, SEGMENT))
}

/// How a function is called asynchronously. A function of which nothing is configured has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AsyncConfig {
    /// Whether its tasks are remembered.
    pub async_task: Option<bool>,
    /// How often one that failed is run again, 0 to 8; 3 unless it is set.
    pub max_async_retry_attempts: Option<u64>,
}

/// Whether that may be the id of a task: letters, digits, `_` and `-`, the first a letter or `_`.
#[must_use]
pub fn is_task_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=MOST_TASK_ID_BYTES).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

/// How a task is doing, as far as it matters to its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AsyncTask {
    /// Its id.
    pub task_id: String,
    /// One of [`TaskStatus`].
    pub status: String,
    /// When it began to run, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_time: Option<u64>,
    /// When it ended, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<u64>,
    /// What its run took, in whole milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How often it was run again after an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub already_retried_times: Option<u64>,
    /// The error of one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_error_message: Option<String>,
    /// The function's reply, where the account is told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_payload: Option<String>,
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The words for how a task is doing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TaskStatus {
            $($(#[$doc])* $name,)*
        }

        impl TaskStatus {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word, as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

statuses! {
    /// It waits to be run.
    Enqueued,
    /// It was taken from the queue and waits for an instance.
    Dequeued,
    /// The same, in newer words.
    Processed,
    /// It runs.
    Running,
    /// It failed and will be run again.
    Retrying,
    /// It is being stopped.
    Stopping,
    /// It has ended well.
    Succeeded,
    /// It has ended with an error.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// It waited for longer than the function allows, and did not run.
    Expired,
    /// It can't run: its function was deleted, for one. It did not run.
    Invalid,
}

impl TaskStatus {
    /// The status of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_comes() {
        let text = r#"{"alreadyRetriedTimes":3,"destinationStatus":"Succeeded","durationMs":1000,"endTime":1633449590000,
            "events":[{"eventDetail":"body","eventId":1,"status":"Succeeded","timestamp":1647420449721}],
            "functionArn":"acs:fc:cn-shanghai:1234/functions/my-func","qualifier":"prod","requestId":"e026ae92",
            "returnPayload":"result","startedTime":1633449589000,"status":"Running","taskErrorMessage":"",
            "taskId":"e026ae92","taskPayload":"body"}"#;
        let task: AsyncTask = serde_json::from_str(text).expect("a task");
        assert_eq!(TaskStatus::named(&task.status), Some(TaskStatus::Running));
        assert_eq!((task.duration_ms, task.already_retried_times), (Some(1000), Some(3)));
        assert_eq!(task.return_payload.as_deref(), Some("result"));
        assert_eq!(TaskStatus::named("running"), None);
    }

    #[test]
    fn ids_are_words_that_begin_with_a_letter() {
        let long = "x".repeat(129);
        for (id, good) in [("merit-0199f0a2", true), ("_", true), ("0199", false), ("-a", false), ("", false)] {
            assert_eq!(is_task_id(id), good, "{id}");
        }
        assert!(!is_task_id(&long) && is_task_id(&long[..128]) && !is_task_id("a.b"));
        assert_eq!(task_path("a b", "merit-1"), "/2023-03-30/functions/a%20b/async-tasks/merit-1");
    }
}
