//! Google Cloud Run functions as a venue.
