//! Where log lines go: to stderr, for the operator.
