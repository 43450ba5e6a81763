//! Merit against clients that nobody here wrote: boto3, the AWS CLI and the AWS SDK for JavaScript call functions
//! through the Lambda-compatible door of a real broker.
//!
//! And what others' tools make and others' runtimes run, in a real pool: components, and programs.
//!
//! The clients are scripts in `peers/aws/`, one process each, which print a line `ok NAME` for every scenario and end
//! with what went wrong otherwise. What the functions saw is checked here.
//!
//! Known limitation: the clients must be installed (`make setup`), and the binary is found beside the test.

mod aws;
mod components;
mod functions;
mod programs;
mod support;
