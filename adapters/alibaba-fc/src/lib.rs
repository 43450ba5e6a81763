//! Alibaba Cloud Function Compute 3.0 as a venue.
