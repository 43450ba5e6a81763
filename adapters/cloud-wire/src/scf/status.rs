//! The statuses of a call, which come within HTTP 200.
//!
//! Source: cloud.tencent.com/document/product/583/42611, "Function status codes", read 2026-11-21.

/// A status of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(u16);

/// Every status of the table but 200, with its name there.
const NAMES: [(u16, &str); 29] = [
    (400, "InvalidParameterValue"),
    (401, "InvalidCredentials"),
    (402, "ServiceSuspended"),
    (404, "InvalidSubnetID"),
    (405, "ContainerStateExited"),
    (406, "RequestTooLarge"),
    (407, "ResponseTooLarge"),
    (410, "InsufficientBalance"),
    (429, "ResourceLimit"),
    (430, "UserCodeException"),
    (432, "ResourceLimitReached"),
    (433, "TimeLimitReached"),
    (434, "MemoryLimitReached"),
    (435, "FunctionNotFound"),
    (436, "InvalidParameterValue"),
    (437, "HandlerNotFound"),
    (438, "FunctionStatusError"),
    (439, "UserProcessExit"),
    (441, "UnauthorizedOperation"),
    (442, "QualifierNotFound"),
    (443, "UserCodeError"),
    (444, "PullImageFailed"),
    (445, "ContainerInitError"),
    (446, "PortBindingFailed"),
    (447, "PullImageTimeOut"),
    (449, "InsufficientResources"),
    (450, "InitContainerTimeout"),
    (499, "RequestCanceled"),
    (500, "InternalError"),
];

impl Status {
    /// An error of the function's own code.
    pub const USER_CODE: Self = Self(430);
    /// Instances can't be had as fast: 500 more a minute in a region.
    pub const BURST: Self = Self(429);
    /// Too many calls at once: the memory quota of the account, or what is reserved for the function, is used up.
    pub const CONCURRENCY: Self = Self(432);
    /// The function took longer than it may.
    pub const TIME_LIMIT: Self = Self(433);
    /// The function took more memory than it may.
    pub const MEMORY_LIMIT: Self = Self(434);
    /// No such function.
    pub const FUNCTION_NOT_FOUND: Self = Self(435);
    /// The payload is too large.
    pub const REQUEST_TOO_LARGE: Self = Self(406);
    /// The reply is too large.
    pub const RESPONSE_TOO_LARGE: Self = Self(407);
    /// The payload is no JSON.
    pub const NOT_JSON: Self = Self(400);
    /// The service failed.
    pub const INTERNAL: Self = Self(500);

    /// The status of that number; it need not be in the table.
    #[must_use]
    pub const fn numbered(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its name in the table, or `Status` for one that is not there.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(number, _)| *number == self.0).map_or("Status", |(_, name)| name)
    }

    /// Every status of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(number, _)| Self(*number))
    }
}
