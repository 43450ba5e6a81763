//! What archives may do, and what they may not.
