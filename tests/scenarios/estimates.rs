//! Estimates against charges on every simulated cloud, and Merit's charges against the clouds' own bills.
