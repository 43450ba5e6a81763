//! AWS Lambda as a venue, through the official SDK.

pub mod offers;
