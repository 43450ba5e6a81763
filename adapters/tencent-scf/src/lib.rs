//! Tencent Cloud SCF as a venue.
