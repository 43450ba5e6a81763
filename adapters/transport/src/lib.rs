//! One hop of HTTP to a venue.
