//! The protocols of the clouds beside AWS, for both ends: adapters and simulated clouds.
