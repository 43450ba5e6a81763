//! The protocol of AWS Lambda's API, both ends of it: function references, signatures, errors,
//! the REPORT line and the event stream.
