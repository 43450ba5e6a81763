//! Runs ordinary programs as functions, isolated: by the Lambda Runtime API, or over HTTP.
