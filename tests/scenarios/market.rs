//! The market through the whole broker: prices that move traffic, a small share for learning, room
//! that is learned, venues that fail and come back, and orders that wait for a price.
