//! Azure Functions as a venue.
