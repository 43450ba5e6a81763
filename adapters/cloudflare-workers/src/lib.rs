//! Cloudflare Workers as a venue.
