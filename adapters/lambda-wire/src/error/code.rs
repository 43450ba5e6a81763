//! The names of errors, with what the service model says of each.

use std::fmt;

use http::StatusCode;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's.
    User,
    /// Lambda's, or of what it needs around the function.
    Service,
}

impl Fault {
    /// As it stands under `Type` in the body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Service => "Service",
        }
    }
}

/// Longer than any name AWS has; what another server sends is cut to it.
const MOST_NAME_CHARS: usize = 128;

/// Writes the enum and its table from one list, so that a name and its status can't part.
macro_rules! codes {
    ($($code:ident = $name:literal, $status:literal, $fault:ident, $key:literal;)*) => {
        /// An error of the Lambda API by name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each name is AWS's own, explained in the API reference of Invoke")]
        pub enum ErrorCode {
            $($code,)*
            /// A name that is not in the table; empty when the answer named none.
            Other(Box<str>),
        }

        impl ErrorCode {
            /// Every name in the table.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// As AWS writes it, such as `TooManyRequestsException`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$code => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// From AWS's name for it.
            #[must_use]
            pub fn named(name: &str) -> Self {
                match name {
                    $($name => Self::$code,)*
                    other => Self::Other(other.chars().take(MOST_NAME_CHARS).collect()),
                }
            }

            const fn number(&self) -> u16 {
                match self {
                    $(Self::$code => $status,)*
                    Self::Other(_) => 500,
                }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn fault(&self) -> Fault {
                match self {
                    $(Self::$code => Fault::$fault,)*
                    Self::Other(_) => Fault::Service,
                }
            }

            /// Under what key the message stands in the body.
            #[must_use]
            pub const fn message_key(&self) -> &'static str {
                match self {
                    $(Self::$code => $key,)*
                    Self::Other(_) => "message",
                }
            }
        }
    };
}

codes! {
    InvalidParameterValue = "InvalidParameterValueException", 400, User, "message";
    InvalidRequestContent = "InvalidRequestContentException", 400, User, "message";
    ModeNotSupported = "ModeNotSupportedException", 400, User, "message";
    NoPublishedVersion = "NoPublishedVersionException", 400, User, "Message";
    RecursiveInvocation = "RecursiveInvocationException", 400, User, "Message";
    SnapStart = "SnapStartException", 400, User, "Message";
    ServiceQuotaExceeded = "ServiceQuotaExceededException", 402, User, "Message";
    EfsMountFailure = "EFSMountFailureException", 403, User, "Message";
    S3FilesMountFailure = "S3FilesMountFailureException", 403, User, "Message";
    ResourceNotFound = "ResourceNotFoundException", 404, User, "Message";
    EfsMountConnectivity = "EFSMountConnectivityException", 408, User, "Message";
    EfsMountTimeout = "EFSMountTimeoutException", 408, User, "Message";
    S3FilesMountConnectivity = "S3FilesMountConnectivityException", 408, User, "Message";
    S3FilesMountTimeout = "S3FilesMountTimeoutException", 408, User, "Message";
    SnapStartTimeout = "SnapStartTimeoutException", 408, User, "Message";
    CodeArtifactUserDeleted = "CodeArtifactUserDeletedException", 409, User, "message";
    CodeArtifactUserFailed = "CodeArtifactUserFailedException", 409, User, "message";
    CodeArtifactUserPending = "CodeArtifactUserPendingException", 409, User, "message";
    DurableExecutionAlreadyStarted = "DurableExecutionAlreadyStartedException", 409, User, "Message";
    ResourceConflict = "ResourceConflictException", 409, User, "message";
    RuntimeAliasDeleted = "RuntimeAliasDeletedException", 409, User, "message";
    RuntimeVersionDeleted = "RuntimeVersionDeletedException", 409, User, "message";
    SnapStartNotReady = "SnapStartNotReadyException", 409, User, "Message";
    SnapStartRegenerationFailure = "SnapStartRegenerationFailureException", 409, User, "Message";
    EfsIo = "EFSIOException", 410, User, "Message";
    RequestTooLarge = "RequestTooLargeException", 413, User, "message";
    SerializedRequestEntityTooLarge = "SerializedRequestEntityTooLargeException", 413, User, "message";
    UnsupportedMediaType = "UnsupportedMediaTypeException", 415, User, "message";
    TooManyRequests = "TooManyRequestsException", 429, User, "message";
    Service = "ServiceException", 500, Service, "Message";
    Ec2AccessDenied = "EC2AccessDeniedException", 502, Service, "Message";
    Ec2Throttled = "EC2ThrottledException", 502, Service, "Message";
    Ec2Unexpected = "EC2UnexpectedException", 502, Service, "Message";
    EniLimitReached = "ENILimitReachedException", 502, Service, "Message";
    EniNotReady = "ENINotReadyException", 502, Service, "Message";
    InvalidRuntime = "InvalidRuntimeException", 502, Service, "Message";
    InvalidSecurityGroupId = "InvalidSecurityGroupIDException", 502, Service, "Message";
    InvalidSubnetId = "InvalidSubnetIDException", 502, Service, "Message";
    InvalidZipFile = "InvalidZipFileException", 502, Service, "Message";
    KmsAccessDenied = "KMSAccessDeniedException", 502, Service, "Message";
    KmsDisabled = "KMSDisabledException", 502, Service, "Message";
    KmsInvalidState = "KMSInvalidStateException", 502, Service, "Message";
    KmsNotFound = "KMSNotFoundException", 502, Service, "Message";
    ResourceNotReady = "ResourceNotReadyException", 502, Service, "message";
    SubnetIpAddressLimitReached = "SubnetIPAddressLimitReachedException", 502, Service, "Message";
    // Of the other operations that Merit speaks.
    ProvisionedConcurrencyConfigNotFound = "ProvisionedConcurrencyConfigNotFoundException", 404, User, "message";
    // Common to all operations, most of them answered before an operation is looked at.
    Validation = "ValidationException", 400, User, "message";
    AccessDenied = "AccessDeniedException", 403, User, "Message";
    ExpiredToken = "ExpiredTokenException", 403, User, "message";
    IncompleteSignature = "IncompleteSignatureException", 403, User, "message";
    InvalidSignature = "InvalidSignatureException", 403, User, "message";
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 403, User, "message";
    UnrecognizedClient = "UnrecognizedClientException", 403, User, "message";
    UnknownOperation = "UnknownOperationException", 404, User, "message";
    Throttling = "ThrottlingException", 429, User, "message";
    InternalFailure = "InternalFailure", 500, Service, "message";
    ServiceUnavailable = "ServiceUnavailableException", 503, Service, "message";
}

impl ErrorCode {
    /// The HTTP status it has; 500 for names that are not in the table.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.number()).expect("invariant: the table holds HTTP statuses")
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which limit a throttled call met.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleReason {
    /// The region's calls at once.
    ConcurrentInvocationLimitExceeded,
    /// The function's calls a second.
    FunctionInvocationRateLimitExceeded,
    /// The calls at once that are reserved for the function.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// The calls a second that follow from what is reserved for the function.
    ReservedFunctionInvocationRateLimitExceeded,
    /// API requests of the caller, of any kind, a second.
    CallerRateLimitExceeded,
    /// Snapshots being made at once.
    ConcurrentSnapshotCreateLimitExceeded,
    /// A reason that is not in the model.
    Other(Box<str>),
}

impl ThrottleReason {
    /// Every reason in the model.
    pub const ALL: [Self; 6] = [
        Self::ConcurrentInvocationLimitExceeded,
        Self::FunctionInvocationRateLimitExceeded,
        Self::ReservedFunctionConcurrentInvocationLimitExceeded,
        Self::ReservedFunctionInvocationRateLimitExceeded,
        Self::CallerRateLimitExceeded,
        Self::ConcurrentSnapshotCreateLimitExceeded,
    ];

    /// As AWS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::ReservedFunctionInvocationRateLimitExceeded => "ReservedFunctionInvocationRateLimitExceeded",
            Self::CallerRateLimitExceeded => "CallerRateLimitExceeded",
            Self::ConcurrentSnapshotCreateLimitExceeded => "ConcurrentSnapshotCreateLimitExceeded",
            Self::Other(name) => name,
        }
    }

    /// From AWS's name for it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == name);
        known.unwrap_or_else(|| Self::Other(name.chars().take(MOST_NAME_CHARS).collect()))
    }
}
